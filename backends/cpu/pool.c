#include "backends/cpu/lines.h"
#include "src/core/memory.h"

/* Rows of outputs [n,t,h] are tiles; windows are gathered a few rows of channels at a time. */
enum { AT_ONCE = 32 };

struct pool {
    const nl_tensor *x, *y;
    const int *kernel, *stride;
    const struct nl_cpu_vector *vector;
    bool largest;
};

/* Folds `count` rows into y, which already holds the result of earlier ones unless `first`. */
static void fold(const struct pool *p, const float **rows, int64_t count, float *y, bool first)
{
    const int64_t channels = p->x->dim[4];
    rows[0] = first ? rows[0] : y;
    if (p->largest)
        p->vector->largest_of(y, rows, count, channels);
    else
        p->vector->mean_of(y, rows, count, 1.0f, channels);
}

/* Elements from a window's corner to its tap number `tap`. */
static int64_t tap_at(const struct pool *p, int64_t tap)
{
    const int64_t w = tap % p->kernel[2], h = tap / p->kernel[2] % p->kernel[1];
    const int64_t t = tap / p->kernel[2] / p->kernel[1];
    return t * p->x->stride[1] + h * p->x->stride[2] + w * p->x->stride[3];
}

static int64_t taps_of(const struct pool *p)
{
    return (int64_t)p->kernel[0] * p->kernel[1] * p->kernel[2];
}

/* The window whose corner is element `corner` of x, to element `to` of y. */
static void window(const struct pool *p, int64_t corner, int64_t to, float *room)
{
    const nl_tensor *x = p->x;
    const int64_t n = x->dim[4], taps = taps_of(p);
    float *const y = nl_cpu_place(p->y->data, p->y->type, to, room);
    const float *rows[AT_ONCE];
    int64_t held = 0;
    bool first = true;
    for (int64_t tap = 0; tap < taps; tap++) {
        rows[held] = nl_cpu_read(x->data, x->type, corner + tap_at(p, tap), n,
                                 nl_cpu_room_at(room, held + 1, n));
        held++;
        if (held < AT_ONCE && tap + 1 < taps) continue;
        fold(p, rows, held, y, first);
        first = false;
        held = 1; /* slot 0 is y itself from now on */
    }
    if (!p->largest) p->vector->scale(y, y, 1.0f / (float)taps, n);
    nl_cpu_written(p->y->data, p->y->type, to, n, y);
}

/* The largest of BF16 needs no floats. */
static void largest_half(const struct pool *p, int64_t corner, int64_t to)
{
    const int64_t taps = taps_of(p);
    const uint16_t *rows[AT_ONCE], *const x = (const uint16_t *)p->x->data + corner;
    uint16_t *const y = (uint16_t *)p->y->data + to;
    int64_t held = 0;
    for (int64_t tap = 0; tap < taps; tap++) {
        rows[held++] = x + tap_at(p, tap);
        if (held < AT_ONCE && tap + 1 < taps) continue;
        p->vector->largest_of_half(y, rows, held, p->x->dim[4]);
        rows[0] = y;
        held = 1;
    }
}

static void pool_line(const void *job, int64_t line, void *scratch)
{
    const struct pool *p = job;
    const nl_tensor *x = p->x, *y = p->y;
    const int64_t h = line % y->dim[2], t = line / y->dim[2] % y->dim[1];
    const int64_t n = line / y->dim[2] / y->dim[1];
    const int64_t from =
        n * x->stride[0] + t * p->stride[0] * x->stride[1] + h * p->stride[1] * x->stride[2];
    const int64_t to = n * y->stride[0] + t * y->stride[1] + h * y->stride[2];
    for (int64_t w = 0; w < y->dim[3]; w++) {
        const int64_t corner = from + w * p->stride[2] * x->stride[3];
        if (p->largest && x->type == NL_BF16)
            largest_half(p, corner, to + w * y->stride[3]);
        else
            window(p, corner, to + w * y->stride[3], scratch);
    }
}

/* The result and the rows that are gathered for it. */
static size_t room_bytes(const nl_tensor *x)
{
    return (AT_ONCE + 1) * (size_t)x->dim[4] * sizeof(float);
}

nl_status nl_cpu_pool_prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need)
{
    (void)prepared;
    if (desc->in[0].type != NL_BF16) return NL_OK;
    return nl_cpu_slices(be, room_bytes(&desc->in[0]), &need->workspace);
}

static nl_status pool(const struct nl_backend *be, const struct nl_op_desc *desc,
                      const struct nl_args *args, bool largest)
{
    const struct pool job = {.x = &args->in[0],
                             .y = &args->out[0],
                             .kernel = desc->attr.pool.kernel,
                             .stride = desc->attr.pool.stride,
                             .vector = nl_cpu_vector(),
                             .largest = largest};
    nl_cpu_for_tiles(be, job.y->dim[0] * job.y->dim[1] * job.y->dim[2], pool_line, &job,
                     args->workspace, room_bytes(job.x));
    return NL_OK;
}

nl_status nl_cpu_max_pool(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    return pool(be, desc, args, true);
}

nl_status nl_cpu_avg_pool(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    return pool(be, desc, args, false);
}
