#include "backends/cpu/conv_dw.h"
#include "backends/onednn/onednn.h"
#include "backends/onednn/shape.h"
#include "backends/onednn/tiles.h"
#include "src/core/memory.h"

/* The gradient of filters of one tap without stride: dw[k,c] = sum over positions m of dy[m,k]
 * x[m,c], a product of dy turned and x where they lie. A tile is a part of the filters, of the
 * channels and of the positions; parts of positions are added in order. */
enum { POSITIONS = 1568, NARROW = 256, MOST_FILTERS = 256, MOST_CHANNELS = 512, CHUNK = 8192 };

struct sums {
    struct nl_onednn_axis filters, channels, positions;
    nl_type type;
    bool add; /* to dw, by the library: positions are one part */
    struct nl_onednn_calls tiles;
};

static int64_t tiles_of(const struct sums *s)
{
    return s->filters.parts * s->channels.parts * s->positions.parts;
}

/* Positions are cut first, as long as a part's sums are worth adding; then the longer side. */
static void cut(const struct nl_op_desc *desc, struct sums *s)
{
    const int64_t filters = nl_onednn_w(desc)->dim[0], channels = nl_onednn_w(desc)->dim[4];
    const int64_t positions = nl_tensor_count(&desc->in[0]) / channels;
    int64_t most = nl_cpu_parts(filters, MOST_FILTERS) * nl_cpu_parts(channels, MOST_CHANNELS);
    s->filters = nl_onednn_cut(filters, nl_cpu_parts(filters, MOST_FILTERS), 16);
    s->channels = nl_onednn_cut(channels, nl_cpu_parts(channels, MOST_CHANNELS), 16);
    most = nl_cpu_least(nl_cpu_parts(positions, POSITIONS), nl_cpu_parts(NL_ONEDNN_TILES, most));
    s->positions = nl_onednn_cut(positions, most, 16);
    while (tiles_of(s) < NL_ONEDNN_TILES) {
        struct nl_onednn_axis *longer =
            s->filters.part > s->channels.part ? &s->filters : &s->channels;
        if (longer->part < NARROW) break;
        *longer = nl_onednn_cut(longer->whole, 2 * longer->parts, 16);
    }
    s->type = desc->in[0].type;
    s->add = s->positions.parts == 1 && !desc->attr.conv.set;
}

/* Where a tile is on each axis. */
struct place {
    int64_t filters, channels, positions;
};

static struct place place_of(const struct sums *s, int64_t tile)
{
    return (struct place){.positions = tile % s->positions.parts,
                          .channels = tile / s->positions.parts % s->channels.parts,
                          .filters = tile / s->positions.parts / s->channels.parts};
}

static struct nl_dnnl_product tile_of(const struct sums *s, int64_t tile)
{
    const struct place at = place_of(s, tile);
    const int64_t filters = nl_onednn_length(&s->filters, at.filters);
    const int64_t channels = nl_onednn_length(&s->channels, at.channels);
    const int64_t positions = nl_onednn_length(&s->positions, at.positions);
    return (struct nl_dnnl_product){.type = nl_onednn_type(s->type),
                                    .sums = dnnl_f32,
                                    .a = {filters, positions},
                                    .a_stride = {1, s->filters.whole},
                                    .b = {positions, channels},
                                    .b_stride = {s->channels.whole, 1},
                                    .c = {filters, channels},
                                    .c_stride = {s->channels.whole, 1},
                                    .scale = 1,
                                    .add = s->add};
}

static bool is_plain(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *w = nl_onednn_w(desc);
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    if (!nl_onednn_multiplies(be, desc->in[0].type, why)) return false;
    if (w->dim[1] * w->dim[2] * w->dim[3] > 1 || stride[0] * stride[1] * stride[2] > 1 ||
        pad[0] + pad[1] + pad[2] > 0)
        return nl_decline(why, "a product only where there is one tap without stride");
    if (!nl_tensor_is_dense(&desc->in[0]) || !nl_tensor_is_dense(&desc->in[1]))
        return nl_decline(why, "a tensor is not dense");
    return true;
}

static bool can_on_request(const struct nl_backend *be, const struct nl_op_desc *desc,
                           nl_reason *why)
{
    const struct nl_dnnl alone = nl_onednn_alone(be);
    struct sums s = {.add = false};
    if (!is_plain(be, desc, why)) return false;
    cut(desc, &s);
    const struct nl_dnnl_product first = tile_of(&s, 0), last = tile_of(&s, tiles_of(&s) - 1);
    return nl_onednn_product_is_good(&alone, &first, why) &&
           nl_onednn_product_is_good(&alone, &last, why);
}

/* Without AMX both backends multiply near the processor's limit. In F32 the library packs better
 * what is small and, of x, wide. */
static bool is_faster(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { FEW_CHANNELS = 128, MANY_SUMS = 1 << 17 };
    const nl_tensor *w = nl_onednn_w(desc);
    if (desc->in[0].type == NL_BF16) return nl_decline(why, "one tap in bf16 is as fast on cpu");
    if (w->dim[4] < FEW_CHANNELS)
        return nl_decline(why, "less than %d channels are as fast on cpu", FEW_CHANNELS);
    if (nl_tensor_count(w) > MANY_SUMS)
        return nl_decline(why, "more than %d sums are as fast on cpu", MANY_SUMS);
    return true;
}

static bool is_wanted(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_type type = desc->in[0].type;
    if (nl_onednn_on_amx(be, type)) return true;
    return nl_onednn_pays(be, type, why) && is_faster(desc, why);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return is_plain(be, desc, why) && is_wanted(be, desc, why) && can_on_request(be, desc, why);
}

static nl_status make_tile(struct sums *s, const struct nl_dnnl *alone, int64_t tile)
{
    static const int args[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD,
                               0};
    const struct nl_dnnl_product product = tile_of(s, tile);
    dnnl_primitive_desc_t pd = NULL;
    NL_TRY(nl_dnnl_product_desc(alone, &product, &pd));
    const nl_status st = nl_onednn_calls_make(&s->tiles, tile, alone, pd, args);
    dnnl_primitive_desc_destroy(pd);
    return st;
}

/* Bytes of the sums of all parts of the positions; none where they go to dw. */
static nl_status partial_bytes(const struct sums *s, size_t *bytes)
{
    *bytes = 0;
    if (s->positions.parts == 1) return NL_OK;
    NL_TRY(nl_size_mul((size_t)(s->positions.parts * s->filters.whole), (size_t)s->channels.whole,
                       bytes));
    return nl_size_mul(*bytes, sizeof(float), bytes);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_dnnl alone = nl_onednn_alone(be);
    struct sums *s = NULL;
    size_t partial;
    NL_TRY(nl_calloc(1, sizeof *s, &s));
    *prepared = s;
    cut(desc, s);
    NL_TRY(nl_onednn_calls_alloc(&s->tiles, tiles_of(s)));
    for (int64_t i = 0; i < s->tiles.count; i++) NL_TRY(make_tile(s, &alone, i));
    NL_TRY(partial_bytes(s, &partial));
    NL_TRY(nl_cpu_slices(be, s->tiles.scratch, &need->workspace));
    return nl_size_add(need->workspace, partial, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    struct sums *s = prepared;
    (void)be;
    if (!s) return;
    nl_onednn_calls_clear(&s->tiles);
    nl_free(s);
}

struct job {
    const struct sums *s;
    const char *x, *dy;
    float *partial; /* [positions.parts, filters, channels]; dw where there is one part */
    float *dw;
    bool set;
};

static nl_status sum_tile(const void *job, int64_t tile, void *scratch)
{
    const struct job *j = job;
    const struct sums *s = j->s;
    const struct place at = place_of(s, tile);
    const struct nl_dnnl_call *call = &s->tiles.call[tile];
    const int64_t number = (int64_t)nl_type_size(s->type),
                  position = at.positions * s->positions.part;
    const int64_t filter = at.filters * s->filters.part, channel = at.channels * s->channels.part;
    float *c =
        j->partial + (at.positions * s->filters.whole + filter) * s->channels.whole + channel;
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SRC,
                            j->dy + (position * s->filters.whole + filter) * number));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_WEIGHTS,
                            j->x + (position * s->channels.whole + channel) * number));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_DST, c));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SCRATCHPAD, scratch));
    return nl_dnnl_call_run(call);
}

static void add_chunk(const void *job, int64_t number, void *scratch)
{
    const struct job *j = job;
    const int64_t all = j->s->filters.whole * j->s->channels.whole, from = number * CHUNK;
    const int64_t n = nl_cpu_least(CHUNK, all - from);
    const float *restrict sums = j->partial + from;
    float *restrict dw = j->dw + from;
    (void)scratch;
    nl_onednn_add_parts(j->partial + from, j->s->positions.parts, all, n);
    for (int64_t i = 0; i < n; i++) dw[i] = sums[i] + (j->set ? 0 : dw[i]);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct sums *s = prepared;
    const size_t slices = (size_t)be->threads * nl_align_up(s->tiles.scratch);
    const bool whole = s->positions.parts == 1;
    float *const partial = (float *)(void *)((char *)args->workspace + slices);
    const struct job job = {.s = s,
                            .x = args->in[0].data,
                            .dy = args->in[1].data,
                            .partial = whole ? args->out[0].data : partial,
                            .dw = args->out[0].data,
                            .set = desc->attr.conv.set};
    const int64_t chunks = nl_cpu_parts(s->filters.whole * s->channels.whole, CHUNK);
    NL_TRY(
        nl_onednn_for_tiles(be, s->tiles.count, sum_tile, &job, args->workspace, s->tiles.scratch));
    if (!whole) nl_cpu_for_tiles(be, chunks, add_chunk, &job, NULL, 0);
    nl_cpu_dw_bias(be, &args->in[1], args->out[1].data, desc->attr.conv.set);
    return NL_OK;
}

const struct nl_impl nl_onednn_conv_dw_product = {
    .name = "product", .can = can, .prepare = prepare, .run = run, .drop = drop};

const struct nl_impl nl_onednn_conv_dw_product_on_request = {.name = "product",
                                                             .can = can_on_request,
                                                             .prepare = prepare,
                                                             .run = run,
                                                             .drop = drop,
                                                             .on_request = true};
