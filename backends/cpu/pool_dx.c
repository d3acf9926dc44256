/* Max pooling that remembers where its largest were, and the gradients of pooling. */
#include "backends/cpu/lines.h"
#include "backends/cpu/vector_train.h"

#include <math.h>
#include <string.h>

struct pool {
    const nl_tensor *x, *y; /* the input's side and the output's */
    const uint8_t *index;   /* dense, of the output's side; NULL: equal shares */
    uint8_t *index_out;
    const int *kernel, *stride;
    const struct nl_cpu_vector_train *vector;
};

static int64_t at(const nl_tensor *t, int64_t n, int64_t i, int64_t h, int64_t w)
{
    return n * t->stride[0] + i * t->stride[1] + h * t->stride[2] + w * t->stride[3];
}

/* The window whose corner is element `corner` of x, to element `to` of y. */
static void window(const struct pool *p, int64_t corner, int64_t to, uint8_t *index, float *room)
{
    const nl_tensor *x = p->x;
    const int64_t n = x->dim[4];
    float *const y = nl_cpu_place(p->y->data, p->y->type, to, room), *const second =
                                                                         nl_cpu_room_at(room, 1, n);
    int place = 0;
    memcpy(y, nl_cpu_read(x->data, x->type, corner, n, second), (size_t)n * sizeof *y);
    memset(index, 0, (size_t)n);
    for (int t = 0; t < p->kernel[0]; t++)
        for (int h = 0; h < p->kernel[1]; h++)
            for (int w = 0; w < p->kernel[2]; w++, place++) {
                const int64_t tap = corner + t * x->stride[1] + h * x->stride[2] + w * x->stride[3];
                if (place)
                    p->vector->meet(y, index, nl_cpu_read(x->data, x->type, tap, n, second), place,
                                    n);
            }
    nl_cpu_written(p->y->data, p->y->type, to, n, y);
}

static void pool_line(const void *job, int64_t line, void *scratch)
{
    const struct pool *p = job;
    const nl_tensor *x = p->x, *y = p->y;
    const int64_t h = line % y->dim[2], t = line / y->dim[2] % y->dim[1];
    const int64_t n = line / y->dim[2] / y->dim[1];
    for (int64_t w = 0; w < y->dim[3]; w++)
        window(p, at(x, n, t * p->stride[0], h * p->stride[1], w * p->stride[2]), at(y, n, t, h, w),
               p->index_out + (line * y->dim[3] + w) * y->dim[4], scratch);
}

static bool can_index(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_op_desc rows = {.in = {desc->in[0]}, .out = {desc->out[0]}};
    if (!desc->out[1].rank) return nl_decline(why, "no index is asked for");
    return nl_cpu_can_half(be, &rows, why);
}

static nl_status run_index(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args)
{
    const struct pool job = {.x = &args->in[0],
                             .y = &args->out[0],
                             .index_out = args->out[1].data,
                             .kernel = desc->attr.pool.kernel,
                             .stride = desc->attr.pool.stride,
                             .vector = nl_cpu_vector_train()};
    (void)prepared;
    nl_cpu_for_tiles(be, job.y->dim[0] * job.y->dim[1] * job.y->dim[2], pool_line, &job,
                     args->workspace, nl_cpu_room(job.x->dim[4]));
    return NL_OK;
}

const struct nl_impl nl_cpu_max_pool_index = {
    .name = "index", .can = can_index, .prepare = nl_cpu_rows_prepare, .run = run_index};

static void give_share(float *restrict dx, const float *restrict dy, float share, bool first,
                       int64_t n)
{
#pragma omp simd
    for (int64_t c = 0; c < n; c++) dx[c] = dy[c] * share + (first ? 0.0f : dx[c]);
}

/* The windows of one axis that meet an input: which tap of which output. */
enum { MOST_TAPS = 256 };
struct meets {
    int count, tap[MOST_TAPS];
    int64_t output[MOST_TAPS];
};

static void find_meets(int64_t from, int kernel, int stride, int64_t outputs, struct meets *m)
{
    const int64_t last = from / stride; /* the window that begins last */
    m->count = 0;
    for (int64_t tap = from % stride; tap < kernel && tap <= from; tap += stride) {
        const int64_t output = last - (tap - from % stride) / stride;
        if (output >= outputs) continue;
        m->tap[m->count] = (int)tap;
        m->output[m->count++] = output;
    }
}

/* What is the same along a line of inputs. */
struct line {
    int64_t n;
    struct meets t, h, w;
};

static void give(const struct pool *p, const struct line *l, const int by[3], bool first, float *dx,
                 float *room)
{
    const nl_tensor *y = p->y;
    const int64_t channels = y->dim[4], t = l->t.output[by[0]], h = l->h.output[by[1]],
                  w = l->w.output[by[2]];
    const float *dy = nl_cpu_read(y->data, y->type, at(y, l->n, t, h, w), channels, room);
    const int64_t row = ((l->n * y->dim[1] + t) * y->dim[2] + h) * y->dim[3] + w;
    const int place =
        (l->t.tap[by[0]] * p->kernel[1] + l->h.tap[by[1]]) * p->kernel[2] + l->w.tap[by[2]];
    if (p->index)
        p->vector->give(dx, dy, p->index + row * channels, place, first, channels);
    else
        give_share(dx, dy, 1.0f / (float)(p->kernel[0] * p->kernel[1] * p->kernel[2]), first,
                   channels);
}

/* All windows that meet one input. */
static void gather(const struct pool *p, const struct line *l, float *dx, float *room)
{
    bool first = true;
    int by[3];
    for (by[0] = 0; by[0] < l->t.count; by[0]++)
        for (by[1] = 0; by[1] < l->h.count; by[1]++)
            for (by[2] = 0; by[2] < l->w.count; by[2]++, first = false)
                give(p, l, by, first, dx, room);
    if (first) memset(dx, 0, (size_t)p->y->dim[4] * sizeof *dx);
}

static void gather_line(const void *job, int64_t number, void *scratch)
{
    const struct pool *p = job;
    const nl_tensor *x = p->x, *y = p->y;
    const int64_t channels = x->dim[4], h = number % x->dim[2], t = number / x->dim[2] % x->dim[1];
    struct line l = {.n = number / x->dim[2] / x->dim[1]};
    find_meets(t, p->kernel[0], p->stride[0], y->dim[1], &l.t);
    find_meets(h, p->kernel[1], p->stride[1], y->dim[2], &l.h);
    for (int64_t w = 0; w < x->dim[3]; w++) {
        const int64_t to = at(x, l.n, t, h, w);
        float *dx = nl_cpu_place(x->data, x->type, to, scratch);
        find_meets(w, p->kernel[2], p->stride[2], y->dim[3], &l.w);
        gather(p, &l, dx, nl_cpu_room_at(scratch, 1, channels));
        nl_cpu_written(x->data, x->type, to, channels, dx);
    }
}

static bool can_dx(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_op_desc rows = {.in = {desc->in[0]}, .out = {desc->out[0]}};
    for (int i = 0; i < 3; i++)
        if (desc->attr.pool.kernel[i] > MOST_TAPS)
            return nl_decline(why, "a window of more than %d along an axis", MOST_TAPS);
    return nl_cpu_can_half(be, &rows, why);
}

static nl_status run_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                        const struct nl_args *args)
{
    const struct pool job = {.x = &args->out[0],
                             .y = &args->in[0],
                             .index = args->in[1].rank ? args->in[1].data : NULL,
                             .kernel = desc->attr.pool.kernel,
                             .stride = desc->attr.pool.stride,
                             .vector = nl_cpu_vector_train()};
    (void)prepared;
    nl_cpu_for_tiles(be, job.x->dim[0] * job.x->dim[1] * job.x->dim[2], gather_line, &job,
                     args->workspace, nl_cpu_room(job.x->dim[4]));
    return NL_OK;
}

const struct nl_impl nl_cpu_pool_dx = {
    .name = "rows", .can = can_dx, .prepare = nl_cpu_rows_prepare, .run = run_dx};
