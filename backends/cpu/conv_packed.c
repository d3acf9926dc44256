#include "backends/cpu/conv.h"
#include "backends/cpu/kernel.h"
#include "src/core/memory.h"

/* Convolution with kernels of our own: filters are packed once, bias, residual and ReLU are done
 * in registers. One kernel for each instruction set; the filters' panels differ between them. */

static int64_t panels(const struct nl_op_desc *desc, const struct nl_cpu_kernel *kernel)
{
    return (desc->in[1].dim[0] + kernel->panel - 1) / kernel->panel;
}

/* Sizes by measurement: a gathered chunk stays in a second-level cache while all panels go by. */
struct nl_cpu_conv_wish nl_cpu_conv_packed_wish(const struct nl_cpu_kernel *kernel)
{
    const int64_t rows = kernel->rows;
    return (struct nl_cpu_conv_wish){.rows = rows,
                                     .filters = kernel->panel,
                                     .most_rows = 112 / rows * rows,
                                     .most_chunk = 1024,
                                     .tiles = 16,
                                     .pad = 16};
}

static nl_status prepare_for(struct nl_backend *be, const struct nl_op_desc *desc,
                             const struct nl_cpu_kernel *kernel, void **prepared,
                             struct nl_need *need)
{
    const struct nl_cpu_conv_wish wish = nl_cpu_conv_packed_wish(kernel);
    struct nl_cpu_conv *conv = NULL;
    size_t floats;
    NL_TRY(nl_calloc(1, sizeof *conv, &conv));
    *prepared = conv;
    nl_cpu_conv_plan(desc, &wish, conv);
    NL_TRY(
        nl_size_mul((size_t)(panels(desc, kernel) * kernel->panel), (size_t)conv->depth, &floats));
    NL_TRY(nl_size_mul(floats, sizeof(float), &need->packed));
    return nl_cpu_slices(be, nl_align_up(conv->gather_bytes) + conv->sum_bytes, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

struct packing {
    const float *from;
    float *to;
    int64_t filters, depth, panel;
};

static void pack_panel(const void *job, int64_t number, void *scratch)
{
    const struct packing *p = job;
    const int64_t first = number * p->panel;
    float *to = p->to + first * p->depth;
    (void)scratch;
    for (int64_t d = 0; d < p->depth; d++)
        for (int64_t k = 0; k < p->panel; k++)
            to[d * p->panel + k] = first + k < p->filters ? p->from[(first + k) * p->depth + d] : 0;
}

static nl_status pack_for(struct nl_backend *be, const struct nl_op_desc *desc,
                          const struct nl_args *args, const struct nl_cpu_kernel *kernel,
                          void *packed)
{
    const nl_tensor *w = &desc->in[1];
    const struct packing job = {.from = args->in[1].data,
                                .to = packed,
                                .filters = w->dim[0],
                                .depth = nl_tensor_count(w) / w->dim[0],
                                .panel = kernel->panel};
    nl_cpu_for_tiles(be, panels(desc, kernel), pack_panel, &job, NULL, 0);
    return NL_OK;
}

/* One tile of a run. */
struct tile {
    const struct nl_cpu_conv_job *job;
    const struct nl_cpu_kernel *kernel;
    int64_t row, rows, filter, filters;
    float *gathered, *sums; /* sums [rows, conv->tile_filters] */
    bool in_place;          /* the last chunk goes to y at once */
};

/* A run of depth and where its inputs are. */
struct chunk {
    int64_t from, depth, lda;
    const float *a; /* of the tile's first row */
};

/* The next op starts where this one ends last, so that an output above SMALL is gone from the
 * near caches before it is read: written past them, it spares them and the reading of its lines. */
static bool streams(const struct tile *t, const struct nl_cpu_block *block)
{
    enum { SMALL = 1 << 16, LINE = NL_ALIGN / (int)sizeof(float) };
    return t->job->conv->rows * t->job->conv->filters > SMALL &&
           block->columns == t->kernel->panel && block->ldy % LINE == 0 &&
           (uintptr_t)block->y % NL_ALIGN == 0;
}

/* Some rows of the tile with the panel at filter `filter` of it. */
static void multiply(const struct tile *t, const struct chunk *chunk, int64_t row, int64_t rows,
                     int64_t filter)
{
    const struct nl_cpu_conv_job *job = t->job;
    const struct nl_args *args = job->args;
    const int64_t depth = job->conv->depth, panel = t->kernel->panel, ld = job->conv->tile_filters;
    const int64_t column = t->filter + filter, y_row = t->row + row;
    float *const sums = t->sums + row * ld + filter;
    struct nl_cpu_block block = {.rows = rows,
                                 .columns = nl_cpu_least(t->filters - filter, panel),
                                 .depth = chunk->depth,
                                 .a = chunk->a + row * chunk->lda,
                                 .lda = chunk->lda,
                                 .panel = (const float *)args->packed + column * depth +
                                          chunk->from * panel,
                                 .sums = chunk->from ? sums : NULL,
                                 .ld_sums = ld,
                                 .y = sums,
                                 .ldy = ld};
    if (chunk->from + chunk->depth == depth && t->in_place) {
        block.ldy = job->y.ld;
        block.y = (float *)args->out[0].data + y_row * block.ldy + column;
        block.relu = job->relu;
        block.stream = streams(t, &block);
        if (args->in[2].rank) block.bias = (const float *)args->in[2].data + column;
        if (args->in[3].rank) {
            block.ld_residual = job->residual.ld;
            block.residual = (const float *)args->in[3].data + y_row * block.ld_residual + column;
        }
    }
    t->kernel->run(&block);
}

/* A panel stays in the first-level cache while all rows go by. With a residual, memory is the
 * limit, and rows of it are better read from end to end: then a few rows stay while all panels go
 * by, if those fit the second-level cache. */
static void multiply_all(const struct tile *t, const struct chunk *chunk)
{
    enum { FIT = 1 << 18 };
    const bool along = t->job->args->in[3].rank && chunk->depth * t->filters <= FIT;
    const int64_t strip = along ? t->kernel->rows : t->rows;
    for (int64_t row = 0; row < t->rows; row += strip)
        for (int64_t filter = 0; filter < t->filters; filter += t->kernel->panel)
            multiply(t, chunk, row, nl_cpu_least(strip, t->rows - row), filter);
}

static void run_tile(const struct tile *t)
{
    const struct nl_cpu_conv *conv = t->job->conv;
    const float *x = t->job->args->in[0].data;
    for (int64_t from = 0; from < conv->depth; from += conv->chunk) {
        const int64_t end = nl_cpu_least(from + conv->chunk, conv->depth);
        struct chunk chunk = {
            .from = from, .depth = end - from, .a = t->gathered, .lda = conv->gather_ld};
        if (conv->direct) {
            chunk.lda = t->job->x.ld;
            chunk.a = x + t->row * chunk.lda + from;
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
    t.sums = t.gathered + nl_align_up(conv->gather_bytes) / sizeof(float);
    t.in_place = run->job.y.uniform && (!run->job.args->in[3].rank || run->job.residual.uniform);
    run_tile(&t);
}

void nl_cpu_conv_packed_run(struct nl_backend *be, const struct nl_cpu_conv *conv,
                            const struct nl_op_desc *desc, const struct nl_args *args,
                            const struct nl_cpu_kernel *kernel)
{
    const struct conv_run job = {nl_cpu_conv_job_of(conv, desc, args), kernel};
    nl_cpu_for_tiles(be, conv->row_tiles * conv->filter_tiles, conv_tile, &job, args->workspace,
                     nl_align_up(conv->gather_bytes) + conv->sum_bytes);
}

static bool can_avx512(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_kernel_avx512()) return nl_decline(why, "the processor has no AVX-512");
    return nl_cpu_can(be, desc, why);
}

static nl_status prepare_avx512(struct nl_backend *be, const struct nl_op_desc *desc,
                                void **prepared, struct nl_need *need)
{
    return prepare_for(be, desc, nl_cpu_kernel_avx512(), prepared, need);
}

static nl_status pack_avx512(struct nl_backend *be, const void *prepared,
                             const struct nl_op_desc *desc, const struct nl_args *args,
                             void *packed)
{
    (void)prepared;
    return pack_for(be, desc, args, nl_cpu_kernel_avx512(), packed);
}

static nl_status run_avx512(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    nl_cpu_conv_packed_run(be, prepared, desc, args, nl_cpu_kernel_avx512());
    return NL_OK;
}

static bool can_avx2(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_kernel_avx2()) return nl_decline(why, "the processor has no AVX2 with FMA");
    return nl_cpu_can(be, desc, why);
}

static nl_status prepare_avx2(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need)
{
    return prepare_for(be, desc, nl_cpu_kernel_avx2(), prepared, need);
}

static nl_status pack_avx2(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args, void *packed)
{
    (void)prepared;
    return pack_for(be, desc, args, nl_cpu_kernel_avx2(), packed);
}

static nl_status run_avx2(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    nl_cpu_conv_packed_run(be, prepared, desc, args, nl_cpu_kernel_avx2());
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_avx512 = {.name = "avx512",
                                           .can = can_avx512,
                                           .prepare = prepare_avx512,
                                           .pack = pack_avx512,
                                           .run = run_avx512,
                                           .drop = drop};
const struct nl_impl nl_cpu_conv_avx2 = {.name = "avx2",
                                         .can = can_avx2,
                                         .prepare = prepare_avx2,
                                         .pack = pack_avx2,
                                         .run = run_avx2,
                                         .drop = drop};
