#include "backends/onednn/onednn.h"
#include "backends/onednn/shape.h"
#include "src/core/memory.h"

/* Filters laid out by the library; scratch and results by the plan. */
struct conv {
    struct nl_dnnl_call run, pack;
};

/* Without AMX both backends multiply near the processor's limit. The library is ahead where it
 * reads windows: forward in both types, backward without taps in time in F32, and where pictures
 * are wide or a stride leaves holes in BF16. With one tap memory decides, and the cpu backend's
 * kernel writes past the caches. */
static bool is_faster(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { WIDE = 15, WIDE_OF_ONE_TAP = 29 };
    const nl_tensor *w = nl_onednn_w(desc);
    const int *stride = desc->attr.conv.stride;
    const int64_t width = nl_onednn_y(desc)->dim[3];
    const bool one_tap = w->dim[1] * w->dim[2] * w->dim[3] == 1;
    const bool dx = desc->op == NL_OP_CONV_DX;
    const bool half_dx = dx && nl_onednn_x(desc)->type == NL_BF16;
    if (desc->in[3].rank) return nl_decline(why, "a residual in bf16 is added as fast on cpu");
    if (one_tap && !half_dx) return nl_decline(why, "one tap is as fast on cpu");
    if (dx && !half_dx && w->dim[1] > 1)
        return nl_decline(why, "dx with taps in time is as fast on cpu");
    if (!half_dx || width >= (one_tap ? WIDE_OF_ONE_TAP : WIDE)) return true;
    if (one_tap && stride[0] * stride[1] * stride[2] > 1) return true;
    return nl_decline(why, "dx of narrow pictures in bf16 is as fast on cpu");
}

/* On AMX the library is ahead but where a stride leaves holes in dx, where pictures are narrow, and where
 * the cpu backend reads windows as they lie. */
static bool is_faster_on_amx(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { NARROW = 7, FEW_CHANNELS = 16 };
    const nl_tensor *w = nl_onednn_w(desc);
    const int *stride = desc->attr.conv.stride;
    if (desc->op == NL_OP_CONV && w->dim[4] < FEW_CHANNELS)
        return nl_decline(why, "windows of few channels are read faster on cpu");
    if (desc->op == NL_OP_CONV && w->dim[1] > 1)
        return nl_decline(why, "taps in time are read faster on cpu");
    if (desc->op == NL_OP_CONV_DX && stride[0] * stride[1] * stride[2] > 1)
        return nl_decline(why, "dx with strides is faster on cpu");
    if (desc->op == NL_OP_CONV && nl_onednn_y(desc)->dim[3] <= NARROW)
        return nl_decline(why, "y of narrow pictures is faster on cpu");
    return true;
}

static bool is_wanted(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_type type = nl_onednn_x(desc)->type;
    if (nl_onednn_on_amx(be, type)) return is_faster_on_amx(desc, why);
    return nl_onednn_pays(be, type, why) && is_faster(desc, why);
}

/* What the library need not be asked about. Sums in F32 may lie in y before a residual that is
 * there, too, is added; those of BF16 do not fit there. */
static bool is_plain(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *const all[] = {nl_onednn_x(desc), nl_onednn_y(desc), nl_onednn_w(desc),
                                    &desc->in[3]};
    if (!nl_onednn_multiplies(be, nl_onednn_x(desc)->type, why)) return false;
    for (size_t i = 0; i < NL_COUNT(all); i++)
        if (all[i]->rank && !nl_tensor_is_dense(all[i]))
            return nl_decline(why, "a tensor is not dense");
    if (!nl_onednn_is_sound(desc, why)) return false;
    if (desc->in[3].rank && nl_onednn_x(desc)->type == NL_F32)
        return nl_decline(why, "in f32 sums may lie where the residual does");
    if (desc->op == NL_OP_CONV && desc->attr.conv.sums)
        return nl_decline(why, "the library makes no moments");
    if (desc->op == NL_OP_CONV_DX && desc->in[3].rank)
        return nl_decline(why, "the library adds nothing to dx");
    return true;
}

static bool can_on_request(const struct nl_backend *be, const struct nl_op_desc *desc,
                           nl_reason *why)
{
    if (!is_plain(be, desc, why)) return false;
    const struct nl_dnnl_conv conv = nl_onednn_describe(desc);
    return nl_onednn_conv_is_good(be->state, &conv, why);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return is_plain(be, desc, why) && is_wanted(be, desc, why) && can_on_request(be, desc, why);
}

/* Stands before what is faster everywhere else. */
static bool can_on_amx(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (nl_onednn_x(desc)->type != NL_BF16 || !nl_onednn_on_amx(be, NL_BF16))
        return nl_decline(why, "only for bf16 on AMX");
    return can(be, desc, why);
}

/* The arguments of a call, DNNL_ARG_...; 0 ends them. */
static void list_arguments(const struct nl_dnnl_conv *conv, int args[NL_DNNL_ARGS + 1])
{
    const bool dx = conv->way == NL_DNNL_DX;
    int n = 0;
    args[n++] = dx ? DNNL_ARG_DIFF_DST : DNNL_ARG_SRC;
    args[n++] = DNNL_ARG_WEIGHTS;
    args[n++] = dx ? DNNL_ARG_DIFF_SRC : DNNL_ARG_DST;
    args[n++] = DNNL_ARG_SCRATCHPAD;
    if (conv->has_bias) args[n++] = DNNL_ARG_BIAS;
    if (conv->residual) args[n++] = NL_DNNL_RESIDUAL;
    args[n] = 0;
}

static nl_status prepare_calls(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                               const_dnnl_primitive_desc_t pd, struct conv *calls)
{
    static const int pack[] = {DNNL_ARG_FROM, DNNL_ARG_TO, 0};
    int args[NL_DNNL_ARGS + 1];
    dnnl_primitive_desc_t packing = NULL;
    list_arguments(conv, args);
    NL_TRY(nl_dnnl_call_init(dnnl, pd, args, &calls->run));
    NL_TRY(nl_dnnl_pack_desc(dnnl, conv, pd, &packing));
    const nl_status st = nl_dnnl_call_init(dnnl, packing, pack, &calls->pack);
    dnnl_primitive_desc_destroy(packing);
    return st;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_dnnl_conv conv = nl_onednn_describe(desc);
    struct conv *calls = NULL;
    dnnl_primitive_desc_t pd = NULL;
    NL_TRY(nl_calloc(1, sizeof *calls, &calls));
    *prepared = calls;
    NL_TRY(nl_dnnl_conv_desc(be->state, &conv, &pd));
    need->packed = nl_dnnl_bytes(pd, DNNL_ARG_WEIGHTS);
    need->workspace = nl_dnnl_bytes(pd, DNNL_ARG_SCRATCHPAD);
    const nl_status st = prepare_calls(be->state, &conv, pd, calls);
    dnnl_primitive_desc_destroy(pd);
    return st;
}

static void drop(struct nl_backend *be, void *prepared)
{
    struct conv *calls = prepared;
    (void)be;
    if (!calls) return;
    nl_dnnl_call_clear(&calls->run);
    nl_dnnl_call_clear(&calls->pack);
    nl_free(calls);
}

static nl_status pack(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args, void *packed)
{
    const struct nl_dnnl_call *call = &((const struct conv *)prepared)->pack;
    (void)be;
    (void)desc;
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_FROM, args->in[1].data));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_TO, packed));
    return nl_dnnl_call_run(call);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct nl_dnnl_call *call = &((const struct conv *)prepared)->run;
    const bool forward = desc->op == NL_OP_CONV;
    const int from = forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST;
    const int to = forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC;
    (void)be;
    NL_TRY(nl_dnnl_call_set(call, from, args->in[0].data));
    NL_TRY(nl_dnnl_call_set(call, to, args->out[0].data));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_WEIGHTS, args->packed));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SCRATCHPAD, args->workspace));
    if (forward && args->in[2].rank)
        NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_BIAS, args->in[2].data));
    if (forward && args->in[3].rank)
        NL_TRY(nl_dnnl_call_set(call, NL_DNNL_RESIDUAL, args->in[3].data));
    return nl_dnnl_call_run(call);
}

const struct nl_impl nl_onednn_conv = {
    .name = "onednn", .can = can, .prepare = prepare, .pack = pack, .run = run, .drop = drop};

const struct nl_impl nl_onednn_conv_on_amx = {.name = "onednn",
                                              .can = can_on_amx,
                                              .prepare = prepare,
                                              .pack = pack,
                                              .run = run,
                                              .drop = drop};

const struct nl_impl nl_onednn_conv_on_request = {.name = "onednn",
                                                  .can = can_on_request,
                                                  .prepare = prepare,
                                                  .pack = pack,
                                                  .run = run,
                                                  .drop = drop,
                                                  .on_request = true};
