/* Batch norm in training, and what goes through rows of channels beside it. */
#include "backends/cpu/lines.h"
#include "backends/cpu/moments.h"
#include "backends/cpu/vector_train.h"
#include "src/core/memory.h"

#include <math.h>
#include <string.h>

enum { TILE_ELEMENTS = 32768, LEAST_ROWS = 16, MOST_ROWS = 256, RUN = 16 };

static int64_t channels_of(const nl_tensor *t)
{
    return t->dim[t->rank - 1];
}

static int64_t rows_of(const nl_tensor *t)
{
    return channels_of(t) ? nl_tensor_count(t) / channels_of(t) : 0;
}

/* Rows of a tile: a matter of shape alone. */
static int64_t tile_rows(int64_t channels)
{
    const int64_t rows = TILE_ELEMENTS / (channels + 1);
    return rows < LEAST_ROWS ? LEAST_ROWS : nl_cpu_least(rows, MOST_ROWS);
}

static double number(const nl_tensor *v, int64_t i)
{
    return v->type == NL_F64 ? ((const double *)v->data)[i] : (double)((const float *)v->data)[i];
}

/* x * a + b as (x - centre) * a + rest; three rows of floats at `at`. `b` may be absent. */
static struct nl_cpu_centred centred(const nl_tensor *a, const nl_tensor *b, float *at)
{
    const int64_t n = a->dim[0];
    float *const centre = at, *const scale = at + n, *const rest = at + 2 * n;
    for (int64_t i = 0; i < n; i++) {
        const double ai = number(a, i), bi = b->rank ? number(b, i) : 0;
        const float root = (float)(-bi / ai);
        centre[i] = isfinite(root) ? root : 0.0f;
        scale[i] = (float)ai;
        rest[i] = (float)(bi + ai * (double)centre[i]);
    }
    return (struct nl_cpu_centred){centre, scale, rest};
}

/* F32 or BF16 activations with vectors of either type. */
static bool can_rows(const struct nl_op_desc *desc, int n_rows, nl_reason *why)
{
    for (int i = 0; i < n_rows; i++) {
        const nl_tensor *t = &desc->in[i];
        if (t->rank && t->type != NL_F32 && t->type != NL_BF16)
            return nl_decline(why, "computes f32 and bf16, not %s", nl_type_name(t->type));
        if (t->rank && channels_of(t) > 1 && t->stride[t->rank - 1] != 1)
            return nl_decline(why, "the last axis is not dense");
    }
    return true;
}

/* One run: rows of up to three inputs and an output. */
struct rows_job {
    struct nl_cpu_lines x, other, residual, y;
    int64_t channels, tile;
    struct nl_cpu_centred v, mask;
    const float *scale;
    bool relu, masked, adds;
    double *sums; /* [tiles, 2, channels] */
    const struct nl_cpu_vector_train *vector;
};

static int64_t end_of(const struct rows_job *j, int64_t tile)
{
    return nl_cpu_least((tile + 1) * j->tile, j->x.rows.count);
}

static struct rows_job job_of(const nl_tensor *x)
{
    return (struct rows_job){.x = nl_cpu_lines_of(x),
                             .channels = channels_of(x),
                             .tile = tile_rows(channels_of(x)),
                             .vector = nl_cpu_vector_train()};
}

static int64_t tiles_of(const struct rows_job *j)
{
    return nl_cpu_parts(j->x.rows.count, j->tile);
}

/* --- affine ---------------------------------------------------------------------------------- */

static bool affine_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_op_desc rows = {.in = {desc->in[0], desc->in[3], desc->out[0]}};
    (void)be;
    if (desc->in[1].type != NL_F64) return nl_decline(why, "scale and offset are not f64");
    return can_rows(&rows, 3, why);
}

/* Vectors of floats, then each thread's rows of BF16 as floats. */
static size_t vectors_bytes(int64_t channels)
{
    enum { VECTORS = 8 };
    return nl_align_up((size_t)channels * VECTORS * sizeof(float));
}

static nl_status vectors_prepare(struct nl_backend *be, const struct nl_op_desc *desc,
                                 void **prepared, struct nl_need *need)
{
    NL_TRY(nl_cpu_rows_prepare(be, desc, prepared, need));
    return nl_size_add(need->workspace, vectors_bytes(channels_of(&desc->out[0])),
                       &need->workspace);
}

/* Tiles with rooms behind the vectors. */
static void run_tiles(const struct nl_backend *be, const struct rows_job *job, nl_cpu_tile_fn *tile,
                      const struct nl_args *args)
{
    char *const rooms = (char *)args->workspace + vectors_bytes(job->channels);
    nl_cpu_for_tiles(be, tiles_of(job), tile, job, job->x.type == NL_BF16 ? rooms : NULL,
                     nl_cpu_room(job->channels));
}

static void affine_tile(const void *job, int64_t tile, void *scratch)
{
    const struct rows_job *j = job;
    float *const room = scratch, *const second = nl_cpu_room_at(room, 1, j->channels);
    for (int64_t row = tile * j->tile; row < end_of(j, tile); row++) {
        const float *x = nl_cpu_line(&j->x, row, room);
        const float *residual = j->adds ? nl_cpu_line(&j->residual, row, second) : NULL;
        float *y = nl_cpu_line_place(&j->y, row, room);
        j->vector->affine(y, x, &j->v, residual, j->relu, j->channels);
        nl_cpu_line_written(&j->y, row, y);
    }
}

static nl_status affine_run(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct rows_job job = job_of(&args->in[0]);
    (void)prepared;
    job.v = centred(&args->in[1], &args->in[2], args->workspace);
    job.relu = desc->attr.pointwise.relu;
    job.y = nl_cpu_lines_of(&args->out[0]);
    job.adds = args->in[3].rank != 0;
    if (job.adds) job.residual = nl_cpu_lines_of(&args->in[3]);
    run_tiles(be, &job, affine_tile, args);
    return NL_OK;
}

const struct nl_impl nl_cpu_affine_centred = {
    .name = "centred", .can = affine_can, .prepare = vectors_prepare, .run = affine_run};

/* --- gradient of BN and the ReLU after it ----------------------------------------------------- */

static bool bn_dx_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_op_desc rows = {.in = {desc->in[0], desc->in[1], desc->out[0]}};
    (void)be;
    return can_rows(&rows, 3, why);
}

static void bn_dx_tile(const void *job, int64_t tile, void *scratch)
{
    const struct rows_job *j = job;
    float *const room = scratch, *const second = nl_cpu_room_at(room, 1, j->channels);
    for (int64_t row = tile * j->tile; row < end_of(j, tile); row++) {
        const float *dy = nl_cpu_line(&j->other, row, room);
        float *dx = nl_cpu_line_place(&j->y, row, room);
        j->vector->bn_dx(dx, dy, nl_cpu_line(&j->x, row, second), j->scale, &j->v,
                         j->masked ? &j->mask : NULL, j->channels);
        nl_cpu_line_written(&j->y, row, dx);
    }
}

static nl_status bn_dx_run(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct rows_job job = job_of(&args->in[1]);
    const int64_t n = job.channels;
    float *const room = args->workspace, *const scale = room + 6 * n;
    (void)prepared;
    (void)desc;
    job.other = nl_cpu_lines_of(&args->in[0]);
    job.y = nl_cpu_lines_of(&args->out[0]);
    job.v = centred(&args->in[3], &args->in[4], room);
    job.masked = args->in[5].rank != 0;
    if (job.masked) job.mask = centred(&args->in[2], &args->in[5], room + 3 * n);
    for (int64_t i = 0; i < n; i++) scale[i] = (float)number(&args->in[2], i);
    job.scale = scale;
    run_tiles(be, &job, bn_dx_tile, args);
    return NL_OK;
}

const struct nl_impl nl_cpu_bn_dx = {
    .name = "centred", .can = bn_dx_can, .prepare = vectors_prepare, .run = bn_dx_run};

/* --- sums over rows -------------------------------------------------------------------------- */

static bool sums_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    (void)be;
    if (desc->out[0].type != NL_F64) return nl_decline(why, "sums are not f64");
    return can_rows(desc, desc->op == NL_OP_AFFINE_DAB ? 2 : 1, why);
}

/* Of each thread: two sums, and three rows of BF16 as floats. */
static size_t sums_slice(int64_t channels)
{
    return 5 * (size_t)channels * sizeof(float);
}

/* Tiles' sums in double, floats of each thread's tile, the mask's vectors. */
static size_t sums_bytes(const nl_tensor *x)
{
    const int64_t n = channels_of(x), tiles = nl_cpu_parts(rows_of(x), tile_rows(n));
    return nl_align_up((size_t)(tiles * 2 * n) * sizeof(double));
}

static nl_status sums_prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need)
{
    const size_t vector = nl_align_up((size_t)channels_of(&desc->in[0]) * sizeof(float));
    (void)prepared;
    NL_TRY(nl_cpu_slices(be, sums_slice(channels_of(&desc->in[0])), &need->workspace));
    NL_TRY(nl_size_add(need->workspace, 3 * vector, &need->workspace));
    return nl_size_add(need->workspace, sums_bytes(&desc->in[0]), &need->workspace);
}

/* Floats are summed over RUN rows, runs in double: a batch norm's gradient is what is left of large
 * sums. */
static void dab_tile(const void *job, int64_t tile, void *scratch)
{
    const struct rows_job *j = job;
    const int64_t n = j->channels, first = tile * j->tile, end = end_of(j, tile);
    float *const product = scratch, *const sum = product + n, *const room = sum + n;
    const float *shift = nl_cpu_line(&j->x, first, room);
    double *out = j->sums + tile * 2 * n;
    memset(out, 0, (size_t)(2 * n) * sizeof *out);
    for (int64_t row = first; row < end;) {
        const int64_t stop = nl_cpu_least(row + RUN, end);
        memset(product, 0, (size_t)(2 * n) * sizeof *product);
        for (; row < stop; row++)
            j->vector->dab(product, sum, nl_cpu_line(&j->x, row, room + n),
                           nl_cpu_line(&j->other, row, room + 2 * n), shift,
                           j->masked ? &j->mask : NULL, n);
        for (int64_t c = 0; c < n; c++) {
            out[c] += (double)product[c] + (double)shift[c] * (double)sum[c];
            out[n + c] += (double)sum[c];
        }
    }
}

/* Hands out the workspace of sums_prepare: tiles' sums, then vectors; returns the threads' part. */
static void *share_out(struct rows_job *j, const struct nl_args *args)
{
    const size_t vector = nl_align_up((size_t)j->channels * sizeof(float));
    char *const at = args->workspace;
    j->sums = args->workspace;
    return at + sums_bytes(&args->in[0]) + 3 * vector;
}

static nl_status dab_run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    struct rows_job job = job_of(&args->in[0]);
    const int64_t n = job.channels;
    double *const da = args->out[0].data, *const db = args->out[1].data;
    void *const slices = share_out(&job, args);
    (void)prepared;
    (void)desc;
    job.other = nl_cpu_lines_of(&args->in[1]);
    job.masked = args->in[3].rank != 0;
    if (job.masked)
        job.mask = centred(&args->in[2], &args->in[3],
                           (float *)(void *)((char *)args->workspace + sums_bytes(&args->in[0])));
    nl_cpu_for_tiles(be, tiles_of(&job), dab_tile, &job, slices, sums_slice(n));
    memset(da, 0, (size_t)n * sizeof *da);
    memset(db, 0, (size_t)n * sizeof *db);
    for (int64_t tile = 0; tile < tiles_of(&job); tile++)
        for (int64_t c = 0; c < n; c++) {
            da[c] += job.sums[tile * 2 * n + c];
            db[c] += job.sums[tile * 2 * n + n + c];
        }
    return NL_OK;
}

const struct nl_impl nl_cpu_affine_dab = {
    .name = "tiles", .can = sums_can, .prepare = sums_prepare, .run = dab_run};

/* Mean and sum of squared distances from it, of one tile. */
static void moments_tile(const void *job, int64_t tile, void *scratch)
{
    const struct rows_job *j = job;
    const int64_t n = j->channels, first = tile * j->tile, end = end_of(j, tile);
    const double rows = (double)(end - first);
    float *const sum = scratch, *const square = sum + n, *const room = square + n;
    const float *shift = nl_cpu_line(&j->x, first, room);
    double *out = j->sums + tile * 2 * n;
    memset(out, 0, (size_t)(2 * n) * sizeof *out);
    for (int64_t row = first; row < end;) {
        const int64_t stop = nl_cpu_least(row + RUN, end);
        memset(sum, 0, (size_t)(2 * n) * sizeof *sum);
        for (; row < stop; row++)
            j->vector->moments(sum, square, nl_cpu_line(&j->x, row, room + n), shift, n);
        for (int64_t c = 0; c < 2 * n; c++) out[c] += (double)sum[c];
    }
    for (int64_t c = 0; c < n; c++) {
        const double off = out[c] / rows;
        out[n + c] -= off * out[c];
        out[c] = (double)shift[c] + off;
    }
}

static int64_t rows_of_tile(const void *job, int64_t tile)
{
    return end_of(job, tile) - tile * ((const struct rows_job *)job)->tile;
}

static nl_status bn_sums_run(struct nl_backend *be, const void *prepared,
                             const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct rows_job job = job_of(&args->in[0]);
    void *const slices = share_out(&job, args);
    (void)prepared;
    (void)desc;
    nl_cpu_for_tiles(be, tiles_of(&job), moments_tile, &job, slices, sums_slice(job.channels));
    const struct nl_cpu_moments moments = {job.sums, tiles_of(&job), job.channels};
    nl_cpu_moments_join(&moments, rows_of_tile, &job, args->out[0].data, args->out[1].data);
    return NL_OK;
}

const struct nl_impl nl_cpu_bn_sums = {
    .name = "tiles", .can = sums_can, .prepare = sums_prepare, .run = bn_sums_run};

/* --- element by element ---------------------------------------------------------------------- */

static void relu_dx_tile(const void *job, int64_t tile, void *scratch)
{
    const struct rows_job *j = job;
    float *const room = scratch, *const second = nl_cpu_room_at(room, 1, j->channels);
    for (int64_t row = tile * j->tile; row < end_of(j, tile); row++) {
        const float *dy = nl_cpu_line(&j->x, row, room);
        float *dx = nl_cpu_line_place(&j->y, row, room);
        j->vector->relu_dx(dx, dy, nl_cpu_line(&j->other, row, second), j->channels);
        nl_cpu_line_written(&j->y, row, dx);
    }
}

static void multiply_tile(const void *job, int64_t tile, void *scratch)
{
    const struct rows_job *j = job;
    float *const room = scratch, *const second = nl_cpu_room_at(room, 1, j->channels);
    for (int64_t row = tile * j->tile; row < end_of(j, tile); row++) {
        const float *one = nl_cpu_line(&j->x, row, room);
        float *y = nl_cpu_line_place(&j->y, row, room);
        j->vector->multiply(y, one, nl_cpu_line(&j->other, row, second), j->channels);
        nl_cpu_line_written(&j->y, row, y);
    }
}

/* Rooms have the whole workspace (nl_cpu_rows_prepare). */
static void run_two_inputs(const struct nl_backend *be, const struct nl_args *args,
                           nl_cpu_tile_fn *tile)
{
    struct rows_job job = job_of(&args->in[0]);
    job.other = nl_cpu_lines_of(&args->in[1]);
    job.y = nl_cpu_lines_of(&args->out[0]);
    nl_cpu_for_tiles(be, tiles_of(&job), tile, &job, args->workspace, nl_cpu_room(job.channels));
}

nl_status nl_cpu_relu_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    (void)prepared;
    (void)desc;
    run_two_inputs(be, args, relu_dx_tile);
    return NL_OK;
}

nl_status nl_cpu_mul(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    (void)prepared;
    (void)desc;
    run_two_inputs(be, args, multiply_tile);
    return NL_OK;
}
