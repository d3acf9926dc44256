#include "backends/cpu/lines.h"

/* Rows by the tile: enough work to be worth taking. */
enum { TILE_ELEMENTS = 16384 };

struct pointwise {
    struct nl_cpu_lines x, residual, y;
    bool adds;                 /* the residual */
    struct nl_cpu_after after; /* residual is set row by row */
    const struct nl_cpu_vector *vector;
    int64_t columns, tile_rows;
    nl_affinity f;
    float scale;
};

static struct pointwise job_of(const nl_tensor *x, const nl_tensor *residual, const nl_tensor *y)
{
    struct pointwise job = {
        .x = nl_cpu_lines_of(x), .y = nl_cpu_lines_of(y), .vector = nl_cpu_vector()};
    job.columns = job.y.n;
    if (residual && residual->rank) {
        job.residual = nl_cpu_lines_of(residual);
        job.adds = true;
    }
    job.tile_rows = 1 + TILE_ELEMENTS / (job.columns + 1);
    return job;
}

static void run_tiles(const struct nl_backend *be, const struct pointwise *job,
                      nl_cpu_tile_fn *tile, const struct nl_args *args)
{
    nl_cpu_for_tiles(be, nl_cpu_parts(job->y.rows.count, job->tile_rows), tile, job,
                     args->workspace, nl_cpu_room(job->columns));
}

static int64_t end_of(const struct pointwise *p, int64_t tile)
{
    return nl_cpu_least((tile + 1) * p->tile_rows, p->y.rows.count);
}

static void combine_tile(const void *job, int64_t tile, void *scratch)
{
    const struct pointwise *p = job;
    struct nl_cpu_after after = p->after;
    float *const room = scratch, *const second = nl_cpu_room_at(room, 1, p->columns);
    for (int64_t row = tile * p->tile_rows; row < end_of(p, tile); row++) {
        const float *x = nl_cpu_line(&p->x, row, room);
        float *y = nl_cpu_line_place(&p->y, row, room);
        if (p->adds) after.residual = nl_cpu_line(&p->residual, row, second);
        p->vector->combine(y, x, &after, p->columns);
        nl_cpu_line_written(&p->y, row, y);
    }
}

nl_status nl_cpu_affine(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                        const struct nl_args *args)
{
    struct pointwise job = job_of(&args->in[0], &args->in[3], &args->out[0]);
    (void)prepared;
    job.after = (struct nl_cpu_after){
        .scale = args->in[1].data, .bias = args->in[2].data, .relu = desc->attr.pointwise.relu};
    run_tiles(be, &job, combine_tile, args);
    return NL_OK;
}

nl_status nl_cpu_add(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct pointwise job = job_of(&args->in[0], &args->in[1], &args->out[0]);
    (void)prepared;
    job.after.relu = desc->attr.pointwise.relu;
    run_tiles(be, &job, combine_tile, args);
    return NL_OK;
}

nl_status nl_cpu_relu(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args)
{
    struct pointwise job = job_of(&args->in[0], NULL, &args->out[0]);
    (void)prepared;
    (void)desc;
    job.after.relu = true;
    run_tiles(be, &job, combine_tile, args);
    return NL_OK;
}

/* A dense tensor with its last two axes as one: a clip's pixels have but three channels. */
static nl_tensor joined(const nl_tensor *t)
{
    int64_t dim[NL_MAX_RANK];
    const int last = t->rank - 1;
    for (int i = 0; i < last; i++) dim[i] = t->dim[i];
    dim[last - 1] *= t->dim[last];
    nl_tensor out = nl_tensor_dense(t->type, last, dim);
    out.data = t->data;
    return out;
}

/* Both sides alike. */
static void join_both(nl_tensor *x, nl_tensor *y)
{
    if (x->rank < 2 || !nl_tensor_is_dense(x) || !nl_tensor_is_dense(y)) return;
    *x = joined(x);
    *y = joined(y);
}

static nl_status cast_prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need)
{
    struct nl_op_desc rows = {.in = {desc->in[0]}, .out = {desc->out[0]}};
    join_both(&rows.in[0], &rows.out[0]);
    return nl_cpu_rows_prepare(be, &rows, prepared, need);
}

static nl_status cast_run(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    nl_tensor x = args->in[0], y = args->out[0];
    join_both(&x, &y);
    const struct pointwise job = job_of(&x, NULL, &y);
    (void)prepared;
    (void)desc;
    run_tiles(be, &job, combine_tile, args);
    return NL_OK;
}

const struct nl_impl nl_cpu_cast = {.framewise = true,
                                    .name = "rows",
                                    .can = nl_cpu_can_half,
                                    .prepare = cast_prepare,
                                    .run = cast_run};

static void map_tile(const void *job, int64_t tile, void *scratch)
{
    const struct pointwise *p = job;
    for (int64_t row = tile * p->tile_rows; row < end_of(p, tile); row++) {
        const float *x = nl_cpu_line(&p->x, row, scratch);
        float *y = nl_cpu_line_place(&p->y, row, scratch);
        p->vector->affinity(y, x, p->f, 0, p->columns);
        p->vector->scale(y, y, p->scale, p->columns);
        nl_cpu_line_written(&p->y, row, y);
    }
}

nl_status nl_cpu_map(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct pointwise job = job_of(&args->in[0], NULL, &args->out[0]);
    (void)prepared;
    job.f = desc->attr.map.f;
    job.scale = (float)desc->attr.map.scale;
    run_tiles(be, &job, map_tile, args);
    return NL_OK;
}

static void softmax_tile(const void *job, int64_t tile, void *scratch)
{
    const struct pointwise *p = job;
    for (int64_t row = tile * p->tile_rows; row < end_of(p, tile); row++) {
        const float *x = nl_cpu_line(&p->x, row, scratch);
        float *y = nl_cpu_line_place(&p->y, row, scratch);
        const float top = p->vector->largest(x, p->columns);
        const float sum = p->vector->affinity(y, x, NL_F_EXP, top, p->columns);
        p->vector->scale(y, y, 1.0f / sum, p->columns);
        nl_cpu_line_written(&p->y, row, y);
    }
}

nl_status nl_cpu_softmax(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    struct pointwise job = job_of(&args->in[0], NULL, &args->out[0]);
    (void)prepared;
    (void)desc;
    run_tiles(be, &job, softmax_tile, args);
    return NL_OK;
}

/* c_ij = a_i + b_j: row i of each batch is b plus one number. */
static void outer_tile(const void *job, int64_t tile, void *scratch)
{
    const struct nl_args *args = job;
    const nl_tensor *a = &args->in[0], *b = &args->in[1], *c = &args->out[0];
    const int64_t i = tile % c->dim[2], b1 = tile / c->dim[2] % c->dim[1];
    const int64_t b0 = tile / c->dim[2] / c->dim[1];
    const float *from = (const float *)b->data + b0 * b->stride[0] + b1 * b->stride[1];
    float *to = (float *)c->data + b0 * c->stride[0] + b1 * c->stride[1] + i * c->stride[2];
    const float own =
        ((const float *)a->data)[b0 * a->stride[0] + b1 * a->stride[1] + i * a->stride[2]];
    (void)scratch;
    for (int64_t j = 0; j < c->dim[3]; j++) to[j] = own + from[j * b->stride[2]];
}

nl_status nl_cpu_outer_sum(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *c = &args->out[0];
    (void)prepared;
    (void)desc;
    nl_cpu_for_tiles(be, c->dim[0] * c->dim[1] * c->dim[2], outer_tile, args, NULL, 0);
    return NL_OK;
}

/* Positions are summed in order, whatever the threads, in double. */
static void mean_tile(const void *job, int64_t tile, void *scratch)
{
    enum { COLUMNS = 64 };
    const struct nl_args *args = job;
    const nl_tensor *x = &args->in[0], *y = &args->out[0];
    const struct nl_cpu_rows rows = nl_cpu_rows_of(x);
    const int64_t positions = x->dim[1] * x->dim[2] * x->dim[3];
    const int64_t groups = nl_cpu_parts(y->dim[1], COLUMNS), n = tile / groups;
    const int64_t from = tile % groups * COLUMNS, to = n * y->stride[0] + from;
    const int64_t count = nl_cpu_least(y->dim[1] - from, COLUMNS);
    double sum[COLUMNS] = {0};
    float room[COLUMNS];
    (void)scratch;
    for (int64_t p = 0; p < positions; p++) {
        const int64_t at = nl_cpu_row_at(&rows, n * positions + p) + from;
        const float *row = nl_cpu_read(x->data, x->type, at, count, room);
        for (int64_t c = 0; c < count; c++) sum[c] += (double)row[c];
    }
    float *means = nl_cpu_place(y->data, y->type, to, room);
    for (int64_t c = 0; c < count; c++) means[c] = (float)(sum[c] / (double)positions);
    nl_cpu_written(y->data, y->type, to, count, means);
}

nl_status nl_cpu_mean(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args)
{
    const nl_tensor *y = &args->out[0];
    (void)prepared;
    (void)desc;
    nl_cpu_for_tiles(be, y->dim[0] * ((y->dim[1] + 63) / 64), mean_tile, args, NULL, 0);
    return NL_OK;
}

/* One filter a tile. */
static void fold_tile(const void *job, int64_t k, void *scratch)
{
    const struct nl_args *args = job;
    const nl_tensor *w = &args->in[0], *bias = &args->in[1];
    const double a = (double)((const float *)args->in[2].data)[k];
    const double b = (double)((const float *)args->in[3].data)[k];
    const double own = bias->rank ? (double)((const float *)bias->data)[k] : 0;
    const int64_t taps = nl_tensor_count(w) / w->dim[0];
    const float *from = (const float *)w->data + k * taps;
    float *to = (float *)args->out[0].data + k * taps;
    (void)scratch;
#pragma omp simd
    for (int64_t i = 0; i < taps; i++) to[i] = (float)((double)from[i] * a);
    ((float *)args->out[1].data)[k] = (float)(own * a + b);
}

nl_status nl_cpu_conv_fold(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    (void)desc;
    nl_cpu_for_tiles(be, args->in[0].dim[0], fold_tile, args, NULL, 0);
    return NL_OK;
}
