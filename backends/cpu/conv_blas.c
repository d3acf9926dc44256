#include "backends/cpu/conv.h"
#include "backends/cpu/multiply.h"
#include "src/core/memory.h"

/* Sizes by measurement: a gathered chunk of 256 x 1024 floats fits a second-level cache, and
 * the library packs the filters of a tile anew for each product, so tiles are not thin. */
static const struct nl_cpu_conv_wish wish = {.rows = 4,
                                             .filters = 64,
                                             .most_rows = 256,
                                             .most_chunk = 1152,
                                             .tiles = 4,
                                             .cell = NL_F32,
                                             .step = 1};

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *w = &desc->in[1];
    if (!nl_cpu_can_half(be, desc, why)) return false;
    if (w->dim[1] * w->dim[2] * w->dim[3] * w->dim[4] > NL_CPU_MULTIPLY_MAX ||
        nl_cpu_rows_of(&desc->in[0]).ld > NL_CPU_MULTIPLY_MAX ||
        nl_cpu_rows_of(&desc->out[0]).ld > NL_CPU_MULTIPLY_MAX)
        return nl_decline(why, "rows are too far apart for CBLAS");
    return true;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_cpu_conv *conv = NULL;
    NL_TRY(nl_calloc(1, sizeof *conv, &conv));
    *prepared = conv;
    nl_cpu_conv_plan(desc, &wish, conv);
    nl_cpu_multiply_alone();
    return nl_cpu_slices(be, nl_align_up(conv->gather_bytes) + conv->sum_bytes, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

/* Products of all chunks of one tile, into sums [rows, ld]. */
static void multiply(const struct nl_cpu_conv_job *job, int64_t row, int64_t rows, int64_t filter,
                     int64_t filters, float *gathered, float *sums, int64_t ld)
{
    const struct nl_cpu_conv *conv = job->conv;
    const void *x = job->args->in[0].data;
    const float *w = job->args->in[1].data;
    for (int64_t from = 0; from < conv->depth; from += conv->chunk) {
        const int64_t end = from + conv->chunk < conv->depth ? from + conv->chunk : conv->depth;
        struct nl_cpu_matrix a = {.data = gathered, .ld = conv->gather_ld};
        if (conv->direct)
            a = (struct nl_cpu_matrix){.data = (const float *)x + row * job->x.ld + from,
                                       .ld = job->x.ld};
        else
            nl_cpu_conv_gather(conv, x, row, rows, from, end, gathered);
        const struct nl_cpu_matrix b = {w + filter * conv->depth + from, conv->depth, true};
        nl_cpu_multiply(rows, filters, end - from, 1, a, b, from ? 1 : 0, sums, ld);
    }
}

static void conv_tile(const void *job_of_run, int64_t tile, void *scratch)
{
    const struct nl_cpu_conv_job *job = job_of_run;
    const struct nl_cpu_conv *conv = job->conv;
    const int64_t row = tile / conv->filter_tiles * conv->tile_rows;
    const int64_t filter = tile % conv->filter_tiles * conv->tile_filters;
    const int64_t rows = conv->rows - row < conv->tile_rows ? conv->rows - row : conv->tile_rows;
    const int64_t filters =
        conv->filters - filter < conv->tile_filters ? conv->filters - filter : conv->tile_filters;
    float *gathered = scratch;
    float *sums = gathered + nl_align_up(conv->gather_bytes) / sizeof *sums;
    int64_t ld = conv->tile_filters;
    /* y may be the residual, which must outlive the sums. */
    if (job->y.uniform && job->args->out[0].type == NL_F32 && !job->args->in[3].rank) {
        ld = job->y.ld;
        sums = (float *)job->args->out[0].data + row * ld + filter;
    }
    multiply(job, row, rows, filter, filters, gathered, sums, ld);
    nl_cpu_conv_finish(job, row, rows, filter, filters, sums, ld);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct nl_cpu_conv *conv = prepared;
    const struct nl_cpu_conv_job job = nl_cpu_conv_job_of(conv, desc, args);
    nl_cpu_for_tiles(be, conv->row_tiles * conv->filter_tiles, conv_tile, &job, args->workspace,
                     nl_align_up(conv->gather_bytes) + conv->sum_bytes);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_blas = {
    .name = "blas", .can = can, .prepare = prepare, .run = run, .drop = drop};
