#include "backends/cpu/conv_dw.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/winograd_tiles.h"
#include "src/core/memory.h"

#include <string.h>

/* The gradient of a 1x3x3 convolution of stride 1 with respect to its filters. The forward result of
 * a tile is A^T [(G w G^T) (B^T x B)] A, so that dw = G^T [sum over tiles of (B^T x B) (A dy A^T)] G.
 * Sums at the 36 places are products of matrices [filters, tiles] [tiles, channels]. They are made
 * for a square of filters and channels that stays in a second-level cache, a block of tiles at a
 * time; squares transform their tiles anew, which costs less than storing what all of them have.
 * Few squares share the tiles out in parts, whose filters are added in order. */
enum {
    SQUARE = 64, /* filters and channels of one */
    BLOCK = 112, /* tiles of one */
    JOBS = 16,   /* of all threads, at least, where there are tiles enough */
    PLACES = NL_WINOGRAD_PLACES,
    LANES = NL_WINOGRAD_LANES,
    LINE = 16, /* floats between places, so that they do not share cache sets */
    TAPS = 9,
    GATHERED = 128 /* channels up to which AMX waits for what it multiplies to be gathered */
};

struct winograd {
    const struct nl_cpu_kernel *kernel;
    const struct nl_cpu_winograd *transform;
    bool half, pairs; /* x and dy are BF16, which the direct kernel multiplies in pairs */
    struct nl_cpu_winograd_tiles tiles;
    int64_t rows, channels, filters; /* rows: of dy */
    int64_t across, down;            /* squares along channels and filters */
    int64_t parts, part, block;      /* tiles of a part and of a block */
    int64_t step_x, step_dy, step;   /* floats from one place to the next, also of sums */
};

static void cut(struct winograd *w)
{
    const int64_t tiles = w->tiles.count;
    w->across = nl_cpu_parts(w->channels, SQUARE);
    w->down = nl_cpu_parts(w->filters, SQUARE);
    w->parts = nl_cpu_least(nl_cpu_parts(tiles, BLOCK), nl_cpu_parts(JOBS, w->across * w->down));
    if (w->parts > 1) w->parts -= w->parts % 2; /* as many for each of two threads */
    w->part = nl_cpu_parts(tiles, w->parts);
    w->block = nl_cpu_parts(w->part, nl_cpu_parts(w->part, BLOCK));
    w->step_x = w->step_dy = w->block * SQUARE + LINE;
    w->step = SQUARE * SQUARE + LINE;
}

static struct winograd winograd_of(const struct nl_op_desc *desc)
{
    const nl_tensor *x = &desc->in[0], *dy = &desc->in[1];
    const struct nl_cpu_kernel *direct = nl_cpu_kernel_for(x->type);
    const int *pad = desc->attr.conv.pad;
    struct winograd w = {.kernel = nl_cpu_kernel_vector(),
                         .transform = nl_cpu_winograd(),
                         .half = x->type == NL_BF16,
                         .pairs = direct && direct->type == NL_BF16,
                         .tiles = nl_cpu_winograd_tiles_of(dy, pad[1], pad[2]),
                         .rows = dy->dim[0] * dy->dim[1] * dy->dim[2] * dy->dim[3],
                         .channels = x->dim[4],
                         .filters = dy->dim[4]};
    cut(&w);
    return w;
}

static bool fits(const struct nl_op_desc *desc, nl_reason *why)
{
    const int64_t channels = desc->in[0].dim[4], filters = desc->in[1].dim[4];
    const int *extent = desc->attr.conv.extent, *stride = desc->attr.conv.stride;
    const int *pad = desc->attr.conv.pad;
    if (extent[0] != 1 || extent[1] != 3 || extent[2] != 3 || stride[0] != 1 || stride[1] != 1 ||
        stride[2] != 1)
        return nl_decline(why, "only for 1x3x3 filters of stride 1");
    if (pad[0] != 0 || pad[1] > 2 || pad[2] > 2)
        return nl_decline(why, "more padding than a filter reaches");
    if (channels % LANES || filters % LANES)
        return nl_decline(why, "channels and filters are no multiples of %d", (int)LANES);
    return true;
}

/* In multiply-adds for each pair of channel and filter, by measurement: products, TRANSFORM for each
 * place of a tile, and END for each place of a part's sums; directly, products at eight ninths of
 * the pace, twice that in pairs, and FETCH for each tap of dw. */
static bool pays(const struct winograd *w, nl_reason *why)
{
    enum { TRANSFORM = 15, END = 30, FETCH = 60 };
    const double wide = (double)nl_cpu_least(w->channels, SQUARE);
    const double high = (double)nl_cpu_least(w->filters, SQUARE);
    const double tiles = (double)w->tiles.count * (1 + TRANSFORM / wide + TRANSFORM / high);
    const double here = PLACES * (tiles + (double)(END * w->parts));
    const double direct = TAPS * ((double)w->rows * (w->pairs ? 0.5625 : 1.125) + FETCH);
    if (here < direct) return true;
    return nl_decline(why, "cost %.0f against %.0f directly", here, direct);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_kernel_best()) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (desc->in[0].type == NL_BF16 && desc->in[0].dim[4] > GATHERED && nl_cpu_kernel_amx())
        return nl_decline(why, "AMX takes all products in less time");
    if (!nl_cpu_can_half(be, desc, why) || !fits(desc, why)) return false;
    const struct winograd w = winograd_of(desc);
    return pays(&w, why);
}

static size_t slice_of(const struct winograd *w)
{
    return (size_t)(PLACES * (w->step_x + w->step_dy + w->step)) * sizeof(float);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct winograd *w = NULL;
    size_t partial = 0;
    NL_TRY(nl_calloc(1, sizeof *w, &w));
    *prepared = w;
    *w = winograd_of(desc);
    if (w->parts > 1)
        NL_TRY(
            nl_size_mul((size_t)(w->parts * w->filters), (size_t)(TAPS * w->channels), &partial));
    NL_TRY(nl_size_mul(partial, sizeof(float), &partial));
    NL_TRY(nl_cpu_slices(be, slice_of(w), &need->workspace));
    return nl_size_add(need->workspace, nl_align_up(partial), &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

struct run_of {
    const struct winograd *w;
    const nl_tensor *x, *dy;
    float *dw; /* [parts, filters, 9, channels], or the gradient itself, to which one part adds */
    bool adds;
};

/* A square of a part and the room for it. */
struct square {
    int64_t channel, channels, filter, filters;
    float *x;    /* [36][panels][block][panel] */
    float *dy;   /* [36][block][SQUARE] */
    float *sums; /* [36][panels][SQUARE][panel] */
};

static void transform_x(const struct run_of *r, const struct square *s, int64_t tile, int64_t i)
{
    const struct winograd *w = r->w;
    const int64_t panel = w->kernel->panel, size = (int64_t)nl_type_size(r->x->type);
    const void *rows[PLACES];
    nl_cpu_winograd_inputs(&w->tiles, r->x, tile, s->channel, s->channels, rows);
    for (int64_t c = 0; c < s->channels; c += panel) {
        w->transform->input(rows, w->half, s->x + c * w->block + i * panel, w->step_x,
                            nl_cpu_least(panel, s->channels - c));
        for (int p = 0; p < PLACES; p++) rows[p] = (const char *)rows[p] + panel * size;
    }
}

static void transform_dy(const struct run_of *r, const struct square *s, int64_t tile, int64_t i)
{
    const struct winograd *w = r->w;
    const void *rows[16];
    nl_cpu_winograd_gradients(&w->tiles, r->dy, tile, s->filter, s->filters, rows);
    w->transform->gradient(rows, w->half, s->dy + i * SQUARE, w->step_dy, s->filters);
}

static void multiply(const struct run_of *r, const struct square *s, int64_t place, int64_t tiles,
                     bool first)
{
    const struct winograd *w = r->w;
    const int64_t panel = w->kernel->panel;
    for (int64_t c = 0; c < s->channels; c += panel) {
        float *const y = s->sums + place * w->step + c * SQUARE;
        w->kernel->run(&(struct nl_cpu_block){.rows = s->filters,
                                              .columns = nl_cpu_least(panel, s->channels - c),
                                              .depth = tiles,
                                              .a = s->dy + place * w->step_dy,
                                              .lda = SQUARE,
                                              .turned = true,
                                              .panel = s->x + place * w->step_x + c * w->block,
                                              .sums = first ? NULL : y,
                                              .ld_sums = panel,
                                              .y = y,
                                              .ldy = panel});
    }
}

/* Sixteen channels of a filter, from the 36 sums of each to its nine taps. */
static void end_lanes(const struct run_of *r, const struct square *s, int64_t c, int64_t k,
                      float *dw)
{
    const struct winograd *w = r->w;
    const int64_t panel = w->kernel->panel;
    const float *const from = s->sums + c / panel * panel * SQUARE + k * panel + c % panel;
    float made[TAPS * LANES];
    for (int64_t p = 0; p < PLACES; p++) __builtin_prefetch(from + p * w->step + panel);
    w->transform->taps(from, w->step, made);
    dw += ((s->filter + k) * TAPS) * w->channels + s->channel + c;
    for (int64_t tap = 0; tap < TAPS; tap++)
        for (int64_t i = 0; i < LANES; i++) {
            float *const to = dw + tap * w->channels + i;
            *to = made[tap * LANES + i] + (r->adds ? *to : 0);
        }
}

static void run_square(const void *run_of_all, int64_t number, void *scratch)
{
    const struct run_of *r = run_of_all;
    const struct winograd *w = r->w;
    const int64_t part = number % w->parts, square = number / w->parts;
    const int64_t from = part * w->part, end = nl_cpu_least(from + w->part, w->tiles.count);
    struct square s = {.channel = square % w->across * SQUARE,
                       .filter = square / w->across * SQUARE,
                       .x = scratch};
    s.channels = nl_cpu_least(SQUARE, w->channels - s.channel);
    s.filters = nl_cpu_least(SQUARE, w->filters - s.filter);
    s.dy = s.x + PLACES * w->step_x;
    s.sums = s.dy + PLACES * w->step_dy;
    for (int64_t first = from; first < end; first += w->block) {
        const int64_t tiles = nl_cpu_least(w->block, end - first);
        for (int64_t i = 0; i < tiles; i++) transform_x(r, &s, first + i, i);
        for (int64_t i = 0; i < tiles; i++) transform_dy(r, &s, first + i, i);
        for (int64_t p = 0; p < PLACES; p++) multiply(r, &s, p, tiles, first == from);
    }
    for (int64_t k = 0; k < s.filters; k++)
        for (int64_t c = 0; c < s.channels; c += LANES)
            end_lanes(r, &s, c, k, r->dw + part * w->filters * TAPS * w->channels);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct winograd *w = prepared;
    const bool set = desc->attr.conv.set;
    struct run_of r = {.w = w, .x = &args->in[0], .dy = &args->in[1], .dw = args->out[0].data};
    if (w->parts > 1)
        r.dw = (float *)(void *)((char *)args->workspace +
                                 (size_t)be->threads * nl_align_up(slice_of(w)));
    r.adds = w->parts == 1 && !set;
    nl_cpu_for_tiles(be, w->parts * w->across * w->down, run_square, &r, args->workspace,
                     slice_of(w));
    const struct nl_cpu_dw_parts parts = {
        .sums = r.dw, .parts = w->parts, .filters = w->filters, .depth = TAPS * w->channels};
    if (w->parts > 1) nl_cpu_dw_add(be, &parts, args->out[0].data, set);
    nl_cpu_dw_bias(be, &args->in[1], args->out[1].data, set);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_dw_winograd = {
    .name = "winograd", .can = can, .prepare = prepare, .run = run, .drop = drop};
