#include "backends/cpu/conv.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/panels.h"
#include "src/core/memory.h"

/* Convolution with kernels of our own: filters are packed once, bias, residual and ReLU are done
 * in registers. One kernel for each instruction set; the filters' panels differ between them. */

/* Sizes by measurement: a gathered chunk stays in a second-level cache while all panels go by. */
struct nl_cpu_conv_wish nl_cpu_conv_packed_wish(const struct nl_cpu_kernel *kernel)
{
    const int64_t rows = kernel->rows;
    return (struct nl_cpu_conv_wish){.rows = rows,
                                     .filters = kernel->panel,
                                     .most_rows = 112 / rows * rows,
                                     .most_chunk = 4096 / (int64_t)nl_type_size(kernel->type),
                                     .tiles = 16,
                                     .pad = 64 / (int64_t)nl_type_size(kernel->type),
                                     .cell = kernel->type,
                                     .step = kernel->fill};
}

static size_t slice_of(const struct nl_cpu_conv *conv)
{
    return nl_align_up(conv->gather_bytes) + conv->sum_bytes;
}

static nl_status prepare_for(struct nl_backend *be, const struct nl_op_desc *desc,
                             const struct nl_cpu_kernel *kernel, void **prepared,
                             struct nl_need *need)
{
    const struct nl_cpu_conv_wish wish = nl_cpu_conv_packed_wish(kernel);
    struct nl_cpu_conv *conv = NULL;
    NL_TRY(nl_calloc(1, sizeof *conv, &conv));
    *prepared = conv;
    nl_cpu_conv_plan(desc, &wish, conv);
    NL_TRY(nl_cpu_conv_packed_bytes(kernel, &desc->in[1], conv->depth,
                                    nl_cpu_kernel_whole(kernel, conv->depth), &need->packed));
    NL_TRY(nl_cpu_slices(be, slice_of(conv), &need->workspace));
    return nl_cpu_conv_moments_need(desc, conv->row_tiles, need);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

/* One tile of a run. */
struct tile {
    const struct nl_cpu_conv_job *job;
    const struct nl_cpu_kernel *kernel;
    int64_t row, rows, filter, filters;
    void *gathered;
    float *sums;   /* [rows, conv->tile_filters] */
    bool in_place; /* the last chunk goes to y at once */
};

/* A run of depth and where its inputs are. */
struct chunk {
    int64_t from, depth, lda;
    const void *a; /* of the tile's first row */
};

/* Element `at` of memory of `type`. */
static const void *element(const void *memory, nl_type type, int64_t at)
{
    return (const char *)memory + at * (int64_t)nl_type_size(type);
}

/* Some rows of the tile with all of its filters. */
static void multiply(const struct tile *t, const struct chunk *chunk, int64_t row, int64_t rows)
{
    const struct nl_cpu_conv *conv = t->job->conv;
    const int64_t depth = nl_cpu_kernel_depth(t->kernel, conv->depth), panel = t->kernel->panel;
    const int64_t ld = conv->tile_filters, from = nl_cpu_kernel_depth(t->kernel, chunk->from);
    const nl_type type = t->kernel->type;
    float *const sums = t->sums + row * ld;
    struct nl_cpu_block block = {
        .rows = rows,
        .columns = t->filters,
        .depth = chunk->depth,
        .a = element(chunk->a, type, row * chunk->lda),
        .lda = chunk->lda,
        .panel = element(t->job->args->packed, type, t->filter * depth + from * panel),
        .ld_panel = panel * depth,
        .sums = chunk->from ? sums : NULL,
        .ld_sums = ld,
        .y = sums,
        .ldy = ld};
    if (chunk->from + chunk->depth == conv->depth && t->in_place)
        nl_cpu_conv_end(t->job, t->kernel, t->row + row, t->filter, t->row / conv->tile_rows,
                        &block);
    t->kernel->run(&block);
}

/* A panel stays in the first-level cache while all rows go by. With a residual, memory is the
 * limit, and rows of it are better read from end to end: then a few rows stay while all panels go
 * by, if those fit the second-level cache. */
static void multiply_all(const struct tile *t, const struct chunk *chunk)
{
    enum { FIT = 1 << 18 };
    const int64_t deep = nl_cpu_kernel_depth(t->kernel, chunk->depth);
    const int64_t floats = deep * t->filters / t->kernel->step;
    const bool along = t->job->args->in[3].rank && floats <= FIT;
    const int64_t strip = along ? t->kernel->rows : t->rows;
    for (int64_t row = 0; row < t->rows; row += strip)
        multiply(t, chunk, row, nl_cpu_least(strip, t->rows - row));
}

static void run_tile(const struct tile *t)
{
    const struct nl_cpu_conv *conv = t->job->conv;
    const void *x = t->job->args->in[0].data;
    for (int64_t from = 0; from < conv->depth; from += conv->chunk) {
        const int64_t end = nl_cpu_least(from + conv->chunk, conv->depth);
        struct chunk chunk = {
            .from = from, .depth = end - from, .a = t->gathered, .lda = conv->gather_ld};
        if (conv->direct) {
            chunk.lda = t->job->x.ld;
            chunk.a = element(x, conv->cell, t->row * chunk.lda + from);
        } else
            nl_cpu_conv_gather(conv, x, t->row, t->rows, from, end, t->gathered);
        multiply_all(t, &chunk);
    }
    if (!t->in_place)
        nl_cpu_conv_finish(t->job, t->row, t->rows, t->filter, t->filters, t->sums,
                           conv->tile_filters);
}

struct conv_run {
    struct nl_cpu_conv_job job;
    const struct nl_cpu_kernel *kernel;
};

static void conv_tile(const void *run_of_all, int64_t number, void *scratch)
{
    const struct conv_run *run = run_of_all;
    const struct nl_cpu_conv *conv = run->job.conv;
    struct tile t = {.job = &run->job, .kernel = run->kernel, .gathered = scratch};
    t.row = number % conv->row_tiles * conv->tile_rows;
    t.filter = number / conv->row_tiles * conv->tile_filters;
    t.rows = nl_cpu_least(conv->rows - t.row, conv->tile_rows);
    t.filters = nl_cpu_least(conv->filters - t.filter, conv->tile_filters);
    t.sums = (float *)(void *)((char *)scratch + nl_align_up(conv->gather_bytes));
    t.in_place = run->job.y.uniform && (!run->job.args->in[3].rank || run->job.residual.uniform) &&
                 (run->job.args->out[0].type == NL_F32 || run->kernel->type == NL_BF16);
    run_tile(&t);
}

static int64_t rows_of_part(const void *job, int64_t part)
{
    const struct nl_cpu_conv *conv = job;
    return nl_cpu_least(conv->tile_rows, conv->rows - part * conv->tile_rows);
}

void nl_cpu_conv_packed_run(struct nl_backend *be, const struct nl_cpu_conv *conv,
                            const struct nl_op_desc *desc, const struct nl_args *args,
                            const struct nl_cpu_kernel *kernel)
{
    struct conv_run run = {nl_cpu_conv_job_of(conv, desc, args), kernel};
    const size_t slices = (size_t)be->threads * nl_align_up(slice_of(conv));
    if (desc->op == NL_OP_CONV)
        run.job.moments = nl_cpu_conv_moments(desc, args, conv->row_tiles, slices);
    nl_cpu_for_tiles(be, conv->row_tiles * conv->filter_tiles, conv_tile, &run, args->workspace,
                     slice_of(conv));
    if (run.job.moments.parts)
        nl_cpu_moments_join(&run.job.moments, rows_of_part, conv, args->out[1].data,
                            args->out[2].data);
}

static const struct nl_cpu_kernel *pairs_of_vectors(void)
{
    const struct nl_cpu_kernel *half = nl_cpu_kernel_half();
    return half == nl_cpu_kernel_avx512bf16() ? half : NULL;
}

/* Where there is little depth a tile's lines are mostly zeros. */
static bool thirds_pay(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { LEAST = 24 };
    const nl_tensor *w = &desc->in[1];
    if (desc->in[0].type != NL_F32)
        return nl_decline(why, "computes f32, not %s", nl_type_name(desc->in[0].type));
    if (w->dim[1] * w->dim[2] * w->dim[3] * w->dim[4] >= LEAST) return true;
    return nl_decline(why, "fewer than %d products for each sum", LEAST);
}

/* One implementation for each kernel. */
#define PACKED(set, kernel_of, lacks)                                                              \
    static bool can_##set(const struct nl_backend *be, const struct nl_op_desc *desc,              \
                          nl_reason *why)                                                          \
    {                                                                                              \
        const struct nl_cpu_kernel *kernel = kernel_of();                                          \
        if (!kernel) return nl_decline(why, "the processor has no " lacks);                        \
        if (kernel->type == NL_BF16 && desc->in[0].type != NL_BF16)                                \
            return nl_decline(why, "computes bf16, not %s", nl_type_name(desc->in[0].type));       \
        if (nl_cpu_panels_of_thirds(kernel) && !thirds_pay(desc, why)) return false;               \
        if (desc->attr.conv.sums && kernel->type != desc->out[0].type)                             \
            return nl_decline(why, "sums are of %s only", nl_type_name(kernel->type));             \
        return nl_cpu_conv_can(be, desc, why);                                                     \
    }                                                                                              \
    static nl_status prepare_##set(struct nl_backend *be, const struct nl_op_desc *desc,           \
                                   void **prepared, struct nl_need *need)                          \
    {                                                                                              \
        return prepare_for(be, desc, kernel_of(), prepared, need);                                 \
    }                                                                                              \
    static nl_status pack_##set(struct nl_backend *be, const void *prepared,                       \
                                const struct nl_op_desc *desc, const struct nl_args *args,         \
                                void *packed)                                                      \
    {                                                                                              \
        const int64_t depth = ((const struct nl_cpu_conv *)prepared)->depth;                       \
        (void)desc;                                                                                \
        nl_cpu_conv_pack(be, kernel_of(), &args->in[1], depth,                                     \
                         nl_cpu_kernel_whole(kernel_of(), depth), packed);                         \
        return NL_OK;                                                                              \
    }                                                                                              \
    static nl_status run_##set(struct nl_backend *be, const void *prepared,                        \
                               const struct nl_op_desc *desc, const struct nl_args *args)          \
    {                                                                                              \
        nl_cpu_conv_packed_run(be, prepared, desc, args, kernel_of());                             \
        return NL_OK;                                                                              \
    }                                                                                              \
    const struct nl_impl nl_cpu_conv_##set = {.name = #set,                                        \
                                              .framewise = true,                                   \
                                              .can = can_##set,                                    \
                                              .prepare = prepare_##set,                            \
                                              .pack = pack_##set,                                  \
                                              .run = run_##set,                                    \
                                              .drop = drop}

PACKED(amx, nl_cpu_kernel_amx, "AMX");
PACKED(amx_x3, nl_cpu_kernel_amx_x3, "AMX");
PACKED(avx512bf16, pairs_of_vectors, "fast AVX512-BF16");
PACKED(avx512, nl_cpu_kernel_avx512, "AVX-512");
PACKED(avx2, nl_cpu_kernel_avx2, "AVX2 with FMA");
