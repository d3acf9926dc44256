#include "backends/cpu/cpu.h"
#include "backends/cpu/vector.h"
#include "src/core/memory.h"

/* What a step does to every parameter: dense runs of numbers, cut into tiles. */
enum { TILE = 16384, RUN = 256 };

static int64_t tiles_of(const nl_tensor *t)
{
    return nl_cpu_parts(nl_tensor_count(t), TILE);
}

static int64_t end_of(const nl_tensor *t, int64_t tile)
{
    return nl_cpu_least((tile + 1) * TILE, nl_tensor_count(t));
}

struct step {
    const nl_tensor *t;
    float *p, *v, *g, rate, momentum, decay, scale;
    bool nesterov;
};

static void sgd_tile(const void *job, int64_t tile, void *scratch)
{
    const struct step *s = job;
    const int64_t end = end_of(s->t, tile);
    const float own = s->nesterov ? 1.0f : 0.0f, kept = s->nesterov ? s->momentum : 1.0f;
    float *restrict p = s->p, *restrict v = s->v, *restrict g = s->g;
    (void)scratch;
#pragma omp simd
    for (int64_t i = tile * TILE; i < end; i++) {
        const float d = s->scale * g[i] + s->decay * p[i];
        v[i] = s->momentum * v[i] + d;
        p[i] -= s->rate * (own * d + kept * v[i]);
        g[i] = 0;
    }
}

nl_status nl_cpu_sgd(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const float *hyper = args->in[0].data;
    const struct step job = {.t = &args->out[0],
                             .p = args->out[0].data,
                             .v = args->out[1].data,
                             .g = args->out[2].data,
                             .rate = hyper[0],
                             .momentum = hyper[1],
                             .decay = hyper[2],
                             .scale = hyper[3],
                             .nesterov = desc->attr.sgd.nesterov};
    (void)prepared;
    nl_cpu_for_tiles(be, tiles_of(job.t), sgd_tile, &job, NULL, 0);
    return NL_OK;
}

struct sum {
    const nl_tensor *t;
    float *y;
    const float *x;
    float scale;
};

static void accumulate_tile(const void *job, int64_t tile, void *scratch)
{
    const struct sum *s = job;
    const int64_t from = tile * TILE;
    (void)scratch;
    nl_cpu_vector()->add_scaled(s->y + from, s->x + from, s->scale, end_of(s->t, tile) - from);
}

nl_status nl_cpu_accumulate(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const struct sum job = {.t = &args->out[0],
                            .y = args->out[0].data,
                            .x = args->in[0].data,
                            .scale = (float)desc->attr.accumulate.scale};
    (void)prepared;
    nl_cpu_for_tiles(be, tiles_of(job.t), accumulate_tile, &job, NULL, 0);
    return NL_OK;
}

struct squares {
    const nl_tensor *x;
    double *sums; /* one a tile */
};

static void square_tile(const void *job, int64_t tile, void *scratch)
{
    const struct squares *s = job;
    const float *x = s->x->data;
    const int64_t end = end_of(s->x, tile);
    double total = 0;
    (void)scratch;
    for (int64_t from = tile * TILE; from < end; from += RUN) {
        const int64_t to = nl_cpu_least(from + RUN, end);
        float sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = from; i < to; i++) sum += x[i] * x[i];
        total += (double)sum;
    }
    s->sums[tile] = total;
}

static nl_status square_prepare(struct nl_backend *be, const struct nl_op_desc *desc,
                                void **prepared, struct nl_need *need)
{
    (void)be;
    (void)prepared;
    return nl_size_mul((size_t)tiles_of(&desc->in[0]), sizeof(double), &need->workspace);
}

static nl_status square_run(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const struct squares job = {&args->in[0], args->workspace};
    double total = 0;
    (void)prepared;
    (void)desc;
    nl_cpu_for_tiles(be, tiles_of(job.x), square_tile, &job, NULL, 0);
    for (int64_t i = 0; i < tiles_of(job.x); i++) total += job.sums[i];
    *(float *)args->out[0].data = (float)total;
    return NL_OK;
}

const struct nl_impl nl_cpu_square_sum = {
    .name = "tiles", .can = nl_cpu_can, .prepare = square_prepare, .run = square_run};
