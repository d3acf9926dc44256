#include "backends/cpu/conv_dw.h"
#include "backends/onednn/onednn.h"
#include "backends/onednn/shape.h"
#include "backends/onednn/tiles.h"
#include "src/core/memory.h"

#include <string.h>

/* The gradient of filters by the library's kernels for it. A tile is a part of the pictures (or
 * clips, with taps in time) times a part of the filters, whose columns of dy are copied first: the
 * kernels take dense tensors only. Parts of pictures are added in order, as they lie. */
enum { POSITIONS = 1568, FILTERS = 64, CHUNK = 8192 };

struct sums {
    struct nl_dnnl_conv conv;
    struct nl_onednn_axis filters, pictures;
    struct nl_onednn_calls tiles, unpack; /* unpack: for each part of the filters */
    size_t copy_bytes, partial_bytes;     /* of a part of dy; of a tile's sums, aligned */
    size_t x_picture, y_picture;          /* bytes */
    size_t number;                        /* bytes of a number of x and dy */
};

static int64_t positions_of(const struct nl_dnnl_conv *conv)
{
    int64_t positions = 1;
    for (int i = 2; i < conv->rank; i++) positions *= conv->y[i];
    return positions;
}

/* Pictures are cut first, as long as a part's sums are worth adding; then filters. */
static void cut(const struct nl_op_desc *desc, struct sums *s)
{
    const struct nl_dnnl_conv *conv = &s->conv;
    const int64_t pictures = conv->x[0], filters = conv->w[0];
    const int64_t most = nl_cpu_parts(pictures * positions_of(conv), POSITIONS);
    s->pictures = nl_onednn_cut(pictures, nl_cpu_least(most, NL_ONEDNN_TILES), 1);
    s->filters = nl_onednn_cut(filters, NL_ONEDNN_TILES / s->pictures.parts, FILTERS);
    s->number = nl_type_size(desc->in[0].type);
    s->x_picture = (size_t)(nl_tensor_count(&desc->in[0]) / pictures) * s->number;
    s->y_picture = (size_t)(nl_tensor_count(&desc->in[1]) / pictures) * s->number;
}

static struct nl_dnnl_conv tile_of(const struct sums *s, int64_t filters, int64_t pictures)
{
    struct nl_dnnl_conv conv = s->conv;
    conv.x[0] = conv.y[0] = nl_onednn_length(&s->pictures, pictures);
    conv.w[0] = conv.y[1] = nl_onednn_length(&s->filters, filters);
    return conv;
}

static bool is_plain(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_onednn_multiplies(be, desc->in[0].type, why)) return false;
    if (!nl_tensor_is_dense(&desc->in[0]) || !nl_tensor_is_dense(&desc->in[1]))
        return nl_decline(why, "a tensor is not dense");
    return nl_onednn_is_sound(desc, why);
}

/* Parts of pictures are added as they lie, so the library has to lay them out alike. */
static bool is_good(const struct nl_dnnl *alone, const struct sums *s, int64_t filters,
                    nl_reason *why)
{
    const struct nl_dnnl_conv first = tile_of(s, filters, 0);
    const struct nl_dnnl_conv last = tile_of(s, filters, s->pictures.parts - 1);
    return nl_onednn_conv_is_good(alone, &first, why) &&
           nl_onednn_conv_is_good(alone, &last, why) &&
           nl_onednn_conv_lies_as(alone, &first, &last, why);
}

static bool can_on_request(const struct nl_backend *be, const struct nl_op_desc *desc,
                           nl_reason *why)
{
    const struct nl_dnnl alone = nl_onednn_alone(be);
    struct sums s = {.conv = nl_onednn_describe(desc)};
    if (!is_plain(be, desc, why)) return false;
    cut(desc, &s);
    return is_good(&alone, &s, 0, why) && is_good(&alone, &s, s.filters.parts - 1, why);
}

/* Without AMX both backends multiply near the processor's limit. The library is ahead with windows
 * of few channels, which the cpu backend has to gather, and with windows without stride, but where
 * there are few filters in F32 or very many sums in BF16. */
static bool is_faster(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { FEW_CHANNELS = 16, FEW_FILTERS = 128, MANY_SUMS = 1 << 21 };
    const nl_tensor *w = nl_onednn_w(desc);
    const int *stride = desc->attr.conv.stride;
    if (w->dim[1] * w->dim[2] * w->dim[3] == 1) return nl_decline(why, "one tap is as fast on cpu");
    if (w->dim[4] < FEW_CHANNELS) return true;
    if (w->dim[1] > 1 || stride[0] * stride[1] * stride[2] > 1)
        return nl_decline(why, "taps in time and strides are faster on cpu");
    if (desc->in[0].type == NL_F32 && w->dim[0] < FEW_FILTERS)
        return nl_decline(why, "less than %d filters are as fast on cpu", FEW_FILTERS);
    if (desc->in[0].type == NL_BF16 && nl_tensor_count(w) > MANY_SUMS)
        return nl_decline(why, "more than %d sums in bf16 are as fast on cpu", MANY_SUMS);
    return true;
}

/* On AMX the library is ahead with windows in space without stride alone. */
static bool is_faster_on_amx(const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *w = nl_onednn_w(desc);
    const int *stride = desc->attr.conv.stride;
    if (w->dim[1] * w->dim[2] * w->dim[3] == 1)
        return nl_decline(why, "one tap is faster as a product or on cpu");
    if (w->dim[1] > 1 || stride[0] * stride[1] * stride[2] > 1)
        return nl_decline(why, "taps in time and strides are faster on cpu");
    return true;
}

static bool is_wanted(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (nl_onednn_on_amx(be, desc->in[0].type)) return is_faster_on_amx(desc, why);
    return nl_onednn_pays(be, desc->in[0].type, why) && is_faster(desc, why);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return is_plain(be, desc, why) && is_wanted(be, desc, why) && can_on_request(be, desc, why);
}

/* Stands before what is faster everywhere else. */
static bool can_on_amx(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (desc->in[0].type != NL_BF16 || !nl_onednn_on_amx(be, NL_BF16))
        return nl_decline(why, "only for bf16 on AMX");
    return can(be, desc, why);
}

/* The call of one tile; with the first of a part of the filters what unpacks the part, too. */
static nl_status make_tile(struct sums *s, const struct nl_dnnl *alone, int64_t filters,
                           int64_t pictures, bool add)
{
    static const int args[] = {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS,
                               DNNL_ARG_SCRATCHPAD, 0};
    static const int unpack[] = {DNNL_ARG_FROM, DNNL_ARG_TO, DNNL_ARG_SCRATCHPAD, 0};
    const struct nl_dnnl_conv conv = tile_of(s, filters, pictures);
    const int64_t tile = filters * s->pictures.parts + pictures;
    dnnl_primitive_desc_t pd = NULL, unpacking = NULL;
    nl_status st = NL_OK;
    NL_TRY(nl_dnnl_conv_desc(alone, &conv, &pd));
    const size_t bytes = nl_align_up(nl_dnnl_bytes(pd, DNNL_ARG_DIFF_WEIGHTS));
    if (s->partial_bytes < bytes) s->partial_bytes = bytes;
    NL_TRY_GOTO(st, nl_onednn_calls_make(&s->tiles, tile, alone, pd, args), out);
    if (pictures > 0) goto out;
    NL_TRY_GOTO(st, nl_dnnl_unpack_desc(alone, &conv, pd, add, &unpacking), out);
    st = nl_onednn_calls_make(&s->unpack, filters, alone, unpacking, unpack);
out:
    if (unpacking) dnnl_primitive_desc_destroy(unpacking);
    dnnl_primitive_desc_destroy(pd);
    return st;
}

static size_t slice_of(const struct sums *s)
{
    const size_t most = s->tiles.scratch > s->unpack.scratch ? s->tiles.scratch : s->unpack.scratch;
    return nl_align_up(s->copy_bytes) + most;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_dnnl alone = nl_onednn_alone(be);
    struct sums *s = NULL;
    size_t partial;
    NL_TRY(nl_calloc(1, sizeof *s, &s));
    *prepared = s;
    s->conv = nl_onednn_describe(desc);
    cut(desc, s);
    NL_TRY(nl_onednn_calls_alloc(&s->tiles, s->filters.parts * s->pictures.parts));
    NL_TRY(nl_onednn_calls_alloc(&s->unpack, s->filters.parts));
    for (int64_t i = 0; i < s->tiles.count; i++)
        NL_TRY(make_tile(s, &alone, i / s->pictures.parts, i % s->pictures.parts,
                         !desc->attr.conv.set));
    if (s->filters.parts > 1)
        s->copy_bytes =
            (size_t)(s->pictures.part * positions_of(&s->conv) * s->filters.part) * s->number;
    NL_TRY(nl_size_mul((size_t)s->tiles.count, s->partial_bytes, &partial));
    NL_TRY(nl_cpu_slices(be, slice_of(s), &need->workspace));
    return nl_size_add(need->workspace, partial, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    struct sums *s = prepared;
    (void)be;
    if (!s) return;
    nl_onednn_calls_clear(&s->tiles);
    nl_onednn_calls_clear(&s->unpack);
    nl_free(s);
}

struct job {
    const struct sums *s;
    const char *x, *dy;
    char *partial; /* of each tile */
    float *dw;
};

/* The filters' columns of the pictures' dy, side by side. */
static const void *columns_of(const struct sums *s, const char *dy, int64_t filters,
                              int64_t pictures, char *copy)
{
    const size_t part = (size_t)nl_onednn_length(&s->filters, filters) * s->number;
    const size_t row = (size_t)s->filters.whole * s->number;
    const int64_t rows = nl_onednn_length(&s->pictures, pictures) * positions_of(&s->conv);
    if (s->filters.parts == 1) return dy;
    dy += (size_t)(filters * s->filters.part) * s->number;
    for (int64_t r = 0; r < rows; r++) memcpy(copy + (size_t)r * part, dy + (size_t)r * row, part);
    return copy;
}

static nl_status sum_tile(const void *job, int64_t tile, void *scratch)
{
    const struct job *j = job;
    const struct sums *s = j->s;
    const struct nl_dnnl_call *call = &s->tiles.call[tile];
    const int64_t filters = tile / s->pictures.parts, pictures = tile % s->pictures.parts;
    const size_t first = (size_t)(pictures * s->pictures.part);
    const char *dy = j->dy + first * s->y_picture;
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SRC, j->x + first * s->x_picture));
    NL_TRY(
        nl_dnnl_call_set(call, DNNL_ARG_DIFF_DST, columns_of(s, dy, filters, pictures, scratch)));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_DIFF_WEIGHTS,
                            j->partial + (size_t)tile * s->partial_bytes));
    NL_TRY(
        nl_dnnl_call_set(call, DNNL_ARG_SCRATCHPAD, (char *)scratch + nl_align_up(s->copy_bytes)));
    return nl_dnnl_call_run(call);
}

static int64_t chunks_of(const struct sums *s)
{
    return nl_cpu_parts((int64_t)(s->partial_bytes / sizeof(float)), CHUNK);
}

static void add_chunk(const void *job, int64_t number, void *scratch)
{
    const struct job *j = job;
    const struct sums *s = j->s;
    const int64_t chunks = chunks_of(s), filters = number / chunks, from = number % chunks * CHUNK;
    const int64_t step = (int64_t)(s->partial_bytes / sizeof(float));
    float *sums = (float *)(void *)j->partial + filters * s->pictures.parts * step;
    (void)scratch;
    nl_onednn_add_parts(sums + from, s->pictures.parts, step, nl_cpu_least(CHUNK, step - from));
}

static nl_status unpack_filters(const void *job, int64_t filters, void *scratch)
{
    const struct job *j = job;
    const struct sums *s = j->s;
    const struct nl_dnnl_call *call = &s->unpack.call[filters];
    int64_t depth = 1;
    for (int i = 1; i < s->conv.rank; i++) depth *= s->conv.w[i];
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_FROM,
                            j->partial + (size_t)(filters * s->pictures.parts) * s->partial_bytes));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_TO, j->dw + filters * s->filters.part * depth));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SCRATCHPAD, scratch));
    return nl_dnnl_call_run(call);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct sums *s = prepared;
    const size_t slice = slice_of(s), slices = (size_t)be->threads * nl_align_up(slice);
    const struct job job = {.s = s,
                            .x = args->in[0].data,
                            .dy = args->in[1].data,
                            .partial = (char *)args->workspace + slices,
                            .dw = args->out[0].data};
    NL_TRY(nl_onednn_for_tiles(be, s->tiles.count, sum_tile, &job, args->workspace, slice));
    if (s->pictures.parts > 1)
        nl_cpu_for_tiles(be, s->filters.parts * chunks_of(s), add_chunk, &job, NULL, 0);
    NL_TRY(nl_onednn_for_tiles(be, s->filters.parts, unpack_filters, &job, args->workspace, slice));
    nl_cpu_dw_bias(be, &args->in[1], args->out[1].data, desc->attr.conv.set);
    return NL_OK;
}

const struct nl_impl nl_onednn_conv_dw = {
    .name = "onednn", .can = can, .prepare = prepare, .run = run, .drop = drop};

const struct nl_impl nl_onednn_conv_dw_on_amx = {
    .name = "onednn", .can = can_on_amx, .prepare = prepare, .run = run, .drop = drop};

const struct nl_impl nl_onednn_conv_dw_on_request = {.name = "onednn",
                                                     .can = can_on_request,
                                                     .prepare = prepare,
                                                     .run = run,
                                                     .drop = drop,
                                                     .on_request = true};
