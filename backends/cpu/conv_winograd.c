#include "backends/cpu/conv.h"
#include "backends/cpu/winograd_pack.h"
#include "backends/cpu/winograd_tiles.h"
#include "src/core/memory.h"

#include <assert.h>
#include <string.h>

/* 1x3x3 convolutions of stride 1, and their gradients with respect to x, which are convolutions of dy
 * with filters turned half around, channels for filters. Tiles of all frames are one list; a block of
 * it is transformed, multiplied at each of the 36 places by the packed filters, and transformed
 * back. Small filters stay in a second-level cache, so that each thread does blocks of its own;
 * large ones come from far away, so that all threads share a block and each its filters. */
enum {
    OWN_FILTERS = 1 << 20, /* bytes of transformed filters up to which blocks are a thread's own */
    OWN_BLOCK = 1 << 19,   /* bytes of a thread's block, and of a shared one */
    SHARED_BLOCK = 6 << 20,
    PLACES = NL_WINOGRAD_PLACES,
    LANES = NL_WINOGRAD_LANES,
    LINE = 16,       /* floats between places, so that they do not share cache sets */
    SMALL = 1 << 16, /* floats of y up to which the next op finds it in a cache */
    GROUP = 4,       /* tiles that are transformed at a time in a shared block */
    WIDE = 256       /* channels from which AMX is as fast on F32, and takes fewer filters */
};

struct winograd {
    const struct nl_cpu_kernel *kernel;
    const struct nl_cpu_winograd *transform;
    bool dx, half, pairs; /* x and y are BF16, which direct kernels multiply in pairs */
    struct nl_cpu_winograd_tiles tiles;
    int64_t rows, channels, filters; /* rows: of outputs */
    int64_t block;                   /* tiles of one */
    bool shared, near;
    int64_t repeat;
    int64_t step_in, step_out, place; /* floats from one place to the next; of filters */
};

static int64_t at_least_1(int64_t n)
{
    return n > 1 ? n : 1;
}

static void cut(struct winograd *w)
{
    const int64_t tile = PLACES * (w->channels + w->filters) * (int64_t)sizeof(float);
    const int64_t bytes = PLACES * w->channels * w->filters * (int64_t)sizeof(float);
    const int64_t rows = w->kernel->rows;
    w->shared = bytes > OWN_FILTERS;
    w->block = at_least_1((w->shared ? SHARED_BLOCK : OWN_BLOCK) / tile / rows) * rows;
    w->block = nl_cpu_parts(w->tiles.count, nl_cpu_parts(w->tiles.count, w->block));
    w->block = nl_cpu_parts(w->block, w->shared ? GROUP : rows) * (w->shared ? GROUP : rows);
    w->step_in = w->block * w->channels + LINE;
    w->step_out = w->block * w->filters + LINE;
}

static struct winograd winograd_of(const struct nl_op_desc *desc)
{
    const bool dx = desc->op == NL_OP_CONV_DX;
    const nl_tensor *in = &desc->in[0], *f = &desc->in[1], *out = &desc->out[0];
    const int *pad = desc->attr.conv.pad;
    struct winograd w = {
        .kernel = nl_cpu_kernel_vector(),
        .transform = nl_cpu_winograd(),
        .dx = dx,
        .half = in->type == NL_BF16,
        .pairs = nl_cpu_kernel_for(in->type) && nl_cpu_kernel_for(in->type)->type == NL_BF16,
        .near = desc->near,
        .repeat = at_least_1(desc->repeat),
        .tiles = nl_cpu_winograd_tiles_of(out, dx ? 2 - pad[1] : pad[1], dx ? 2 - pad[2] : pad[2]),
        .rows = out->dim[0] * out->dim[1] * out->dim[2] * out->dim[3],
        .channels = f->dim[dx ? 0 : 4],
        .filters = f->dim[dx ? 4 : 0]};
    if (w.kernel) cut(&w);
    return w;
}

static bool fits(const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *f = &desc->in[1];
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    if (f->dim[1] != 1 || f->dim[2] != 3 || f->dim[3] != 3 || stride[0] != 1 || stride[1] != 1 ||
        stride[2] != 1)
        return nl_decline(why, "only for 1x3x3 filters of stride 1");
    if (pad[0] != 0 || pad[1] > 2 || pad[2] > 2)
        return nl_decline(why, "more padding than a filter reaches");
    if (f->dim[0] % NL_WINOGRAD_LANES || f->dim[4] % NL_WINOGRAD_LANES ||
        f->dim[0] > NL_WINOGRAD_MOST || f->dim[4] > NL_WINOGRAD_MOST)
        return nl_decline(why, "channels and filters are no multiples of %d",
                          (int)NL_WINOGRAD_LANES);
    return true;
}

/* In multiply-adds for each pair of channel and filter: products; a float of filters, which comes
 * from memory, as much as FETCH of them; and transforms, TRANSFORM for each place. */
static bool pays(const struct winograd *w, nl_reason *why)
{
    enum { FETCH = 47, TRANSFORM = 3 };
    const double tiles = (double)(w->repeat * w->tiles.count);
    const double rows = (double)(w->repeat * w->rows);
    const double ends = 1 / (double)w->channels + 1 / (double)w->filters;
    const double here = PLACES * (tiles * (1 + TRANSFORM * ends) + FETCH),
                 direct = 9 * (rows + FETCH) / (w->pairs ? 2 : 1);
    if (here < direct) return true;
    return nl_decline(why, "cost %.0f against %.0f directly", here, direct);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_kernel_best()) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (desc->in[0].type == NL_BF16 && nl_cpu_kernel_amx())
        return nl_decline(why, "AMX takes all products in less time");
    if (desc->in[0].type == NL_F32 && nl_cpu_kernel_amx_x3() && desc->in[1].dim[4] >= WIDE)
        return nl_decline(why, "AMX takes all products of wide filters in less time");
    if (!nl_cpu_conv_can(be, desc, why) || !fits(desc, why)) return false;
    const struct winograd w = winograd_of(desc);
    return pays(&w, why);
}

static size_t slice_of(const struct winograd *w)
{
    return (size_t)(PLACES * (w->step_in + w->step_out)) * sizeof(float);
}

static nl_status blocks_need(const struct nl_backend *be, const struct winograd *w, size_t *bytes)
{
    if (!w->shared) return nl_cpu_slices(be, slice_of(w), bytes);
    *bytes = slice_of(w);
    return NL_OK;
}

/* Tiles that are transformed back by one thread, whose moments are a part. */
static int64_t part_tiles(const struct winograd *w)
{
    return w->shared ? GROUP : w->block;
}

static int64_t parts_of(const struct winograd *w)
{
    return nl_cpu_parts(w->tiles.count, part_tiles(w));
}

static struct nl_cpu_winograd_filters filters_of(const struct winograd *w)
{
    return (struct nl_cpu_winograd_filters){w->kernel, w->channels, w->filters, w->dx};
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct winograd *w = NULL;
    NL_TRY(nl_calloc(1, sizeof *w, &w));
    *prepared = w;
    *w = winograd_of(desc);
    const struct nl_cpu_winograd_filters filters = filters_of(w);
    w->place = nl_cpu_winograd_place(&filters);
    NL_TRY(nl_size_mul((size_t)w->place, PLACES * sizeof(float), &need->packed));
    NL_TRY(blocks_need(be, w, &need->workspace));
    return w->dx ? NL_OK : nl_cpu_conv_moments_need(desc, parts_of(w), need);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

static nl_status pack(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args, void *packed)
{
    const struct nl_cpu_winograd_filters filters = filters_of(prepared);
    (void)desc;
    nl_cpu_winograd_pack(be, &filters, args->in[1].data, packed);
    return NL_OK;
}

struct run_of {
    const struct winograd *w;
    const struct nl_args *args;
    struct nl_cpu_moments moments;
    bool relu, stream;
    int64_t first, count; /* tiles of the shared block */
    float *shared;
};

static void transform_in(const struct run_of *r, int64_t first, int64_t i, float *block)
{
    const struct winograd *w = r->w;
    const void *rows[PLACES];
    nl_cpu_winograd_inputs(&w->tiles, &r->args->in[0], first + i, 0, w->channels, rows);
    w->transform->input(rows, w->half, block + i * w->channels, w->step_in, w->channels);
}

static void transform_out(const struct run_of *r, int64_t first, int64_t i, const float *block,
                          struct nl_cpu_winograd_end end)
{
    const struct winograd *w = r->w;
    const nl_tensor *residual = &r->args->in[3];
    void *more[16];
    if (!w->dx && r->args->in[2].rank) end.bias = r->args->in[2].data;
    nl_cpu_winograd_outputs(&w->tiles, &r->args->out[0], first + i, end.y);
    if (residual->rank) nl_cpu_winograd_outputs(&w->tiles, residual, first + i, more);
    for (int p = 0; residual->rank && p < 16; p++) end.residual[p] = more[p];
    w->transform->output(block + PLACES * w->step_in + i * w->filters, w->step_out, &end,
                         w->filters);
}

/* Outputs of the tiles of a part; those at edges are cut. */
static int64_t rows_of_part(const void *job, int64_t part)
{
    const struct run_of *r = job;
    const struct winograd *w = r->w;
    const int64_t each = part_tiles(w), end = nl_cpu_least((part + 1) * each, w->tiles.count);
    int64_t rows = 0;
    for (int64_t i = part * each; i < end; i++) {
        void *y[16];
        nl_cpu_winograd_outputs(&w->tiles, &r->args->out[0], i, y);
        for (int p = 0; p < 16; p++) rows += y[p] != NULL;
    }
    return rows;
}

/* Tiles [from, to) of a block whose first tile is `first`, which are one part. */
static void transform_part(const struct run_of *r, int64_t first, int64_t from, int64_t to,
                           const float *block)
{
    const struct winograd *w = r->w;
    const int64_t part = (first + from) / part_tiles(w), n = w->filters;
    float begin[NL_WINOGRAD_MOST];
    struct nl_cpu_winograd_end end = {.half = w->half, .relu = r->relu, .stream = r->stream};
    if (r->moments.parts) {
        end.sum = nl_cpu_moments_part(&r->moments, part);
        end.square = end.sum + n;
        end.first = begin;
        memset(end.sum, 0, (size_t)(2 * n) * sizeof *end.sum);
    }
    assert(from < to); /* or no part would be asked for */
    for (int64_t i = from; i < to; i++) {
        end.begins = end.sum && i == from;
        transform_out(r, first, i, block, end);
    }
    if (!r->moments.parts) return;
    const double rows = (double)rows_of_part(r, part);
    for (int64_t k = 0; k < n; k++) {
        const double off = end.sum[k] / rows;
        end.square[k] -= off * end.sum[k];
        end.sum[k] = (double)begin[k] + off;
    }
}

/* All rows of a block with one panel at one place. */
static void multiply(const struct run_of *r, int64_t count, int64_t place, int64_t panel,
                     float *block)
{
    const struct winograd *w = r->w;
    const int64_t filter = panel * w->kernel->panel;
    float *const y = block + PLACES * w->step_in + place * w->step_out + filter;
    w->kernel->run(&(struct nl_cpu_block){
        .rows = count,
        .columns = nl_cpu_least(w->kernel->panel, w->filters - filter),
        .depth = w->channels,
        .a = block + place * w->step_in,
        .lda = w->channels,
        .panel = (const float *)r->args->packed + place * w->place + filter * w->channels,
        .y = y,
        .ldy = w->filters});
}

static void own_block(const void *job, int64_t number, void *scratch)
{
    const struct run_of *r = job;
    const struct winograd *w = r->w;
    const int64_t first = number * w->block, count = nl_cpu_least(w->block, w->tiles.count - first);
    for (int64_t i = 0; i < count; i++) transform_in(r, first, i, scratch);
    for (int64_t place = 0; place < PLACES; place++)
        for (int64_t panel = 0; panel * w->kernel->panel < w->filters; panel++)
            multiply(r, count, place, panel, scratch);
    transform_part(r, first, 0, count, scratch);
}

static void shared_in(const void *job, int64_t number, void *scratch)
{
    const struct run_of *r = job;
    (void)scratch;
    for (int64_t i = number * GROUP; i < nl_cpu_least((number + 1) * GROUP, r->count); i++)
        transform_in(r, r->first, i, r->shared);
}

static void shared_multiply(const void *job, int64_t number, void *scratch)
{
    const struct run_of *r = job;
    (void)scratch;
    multiply(r, r->count, number % PLACES, number / PLACES, r->shared);
}

static void shared_out(const void *job, int64_t number, void *scratch)
{
    const struct run_of *r = job;
    (void)scratch;
    transform_part(r, r->first, number * GROUP, nl_cpu_least((number + 1) * GROUP, r->count),
                   r->shared);
}

static void run_shared(struct nl_backend *be, struct run_of *r)
{
    const struct winograd *w = r->w;
    const int64_t products = PLACES * nl_cpu_parts(w->filters, w->kernel->panel);
    for (r->first = 0; r->first < w->tiles.count; r->first += w->block) {
        r->count = nl_cpu_least(w->block, w->tiles.count - r->first);
        const int64_t groups = nl_cpu_parts(r->count, GROUP);
        nl_cpu_for_tiles(be, groups, shared_in, r, NULL, 0);
        nl_cpu_for_tiles(be, products, shared_multiply, r, NULL, 0);
        nl_cpu_for_tiles(be, groups, shared_out, r, NULL, 0);
    }
}

static bool is_aligned(const nl_tensor *y)
{
    enum { QUAD = 16 };
    const int64_t each = QUAD / (int64_t)nl_type_size(y->type);
    bool all = (uintptr_t)y->data % QUAD == 0;
    for (int i = 0; i < 4; i++) all = all && y->stride[i] % each == 0;
    return all;
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct winograd *w = prepared;
    struct run_of r = {.w = w, .args = args, .relu = !w->dx && desc->attr.conv.relu};
    r.stream = !w->near && !w->half && w->rows * w->filters > SMALL && is_aligned(&args->out[0]);
    if (!w->dx) {
        size_t before;
        NL_TRY(blocks_need(be, w, &before));
        r.moments = nl_cpu_conv_moments(desc, args, parts_of(w), before);
    }
    if (w->shared) {
        r.shared = args->workspace;
        run_shared(be, &r);
    } else
        nl_cpu_for_tiles(be, nl_cpu_parts(w->tiles.count, w->block), own_block, &r, args->workspace,
                         slice_of(w));
    if (r.moments.parts)
        nl_cpu_moments_join(&r.moments, rows_of_part, &r, args->out[1].data, args->out[2].data);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_winograd = {.name = "winograd",
                                             .framewise = true,
                                             .can = can,
                                             .prepare = prepare,
                                             .pack = pack,
                                             .run = run,
                                             .drop = drop};
