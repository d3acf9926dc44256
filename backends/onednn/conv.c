#include "backends/onednn/dnnl.h"
#include "backends/onednn/onednn.h"
#include "src/core/memory.h"

#include <string.h>

/* The library's ReLU makes 0 of NaN where its slope is 0, and NaN has to stay NaN. A slope this
 * small keeps it, is lost in every sum, and makes no denormal numbers, which processors are slow
 * with. */
static const float no_slope = 1e-30F;

/* Filters laid out by the library; scratch and results by the plan. */
struct conv {
    struct nl_dnnl_call run, pack;
};

/* Where x and y are in a conv and in a conv_dx. */
static const nl_tensor *x_of(const struct nl_op_desc *desc)
{
    return desc->op == NL_OP_CONV ? &desc->in[0] : &desc->out[0];
}

static const nl_tensor *y_of(const struct nl_op_desc *desc)
{
    return desc->op == NL_OP_CONV ? &desc->out[0] : &desc->in[0];
}

/* n, c, [t], h, w of [n,t,h,w,c]; without t, frames are pictures of their own. */
static void axes_of(const nl_tensor *t, bool pictures, dnnl_dims_t dims)
{
    int n = 0;
    dims[n++] = pictures ? t->dim[0] * t->dim[1] : t->dim[0];
    dims[n++] = t->dim[4];
    for (int i = pictures ? 2 : 1; i < 4; i++) dims[n++] = t->dim[i];
}

static struct nl_dnnl_conv describe(const struct nl_op_desc *desc)
{
    const nl_tensor *w = &desc->in[1];
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    const bool pictures = w->dim[1] == 1 && stride[0] == 1 && pad[0] == 0;
    struct nl_dnnl_conv conv = {.dx = desc->op == NL_OP_CONV_DX,
                                .rank = pictures ? 4 : 5,
                                .type = dnnl_f32,
                                .bias = {w->dim[0]},
                                .has_bias = desc->op == NL_OP_CONV && desc->in[2].rank,
                                .relu = desc->op == NL_OP_CONV && desc->attr.conv.relu,
                                .slope = no_slope};
    axes_of(x_of(desc), pictures, conv.x);
    axes_of(y_of(desc), pictures, conv.y);
    axes_of(w, false, conv.w);
    if (pictures) memmove(&conv.w[2], &conv.w[3], 2 * sizeof conv.w[0]);
    for (int i = pictures ? 1 : 0, n = 0; i < 3; i++, n++) {
        conv.stride[n] = stride[i];
        conv.pad[n] = pad[i];
    }
    return conv;
}

/* With one tap memory decides more than arithmetic: beyond the near caches the cpu backend's kernel
 * is ahead, since it writes past them, and strides leave holes that it skips better. */
static bool is_wanted(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { NEAR = 6 << 20 };
    const nl_tensor *w = &desc->in[1];
    const int *stride = desc->attr.conv.stride;
    const int64_t times = desc->repeat > 1 ? desc->repeat : 1;
    const int64_t bytes = 4 * times * (nl_tensor_count(x_of(desc)) + nl_tensor_count(y_of(desc)));
    if (w->dim[1] * w->dim[2] * w->dim[3] > 1) return true;
    if (stride[0] * stride[1] * stride[2] > 1)
        return nl_decline(why, "one tap with a stride is faster on cpu");
    if (bytes > NEAR)
        return nl_decline(why, "one tap on more than %d MiB is faster on cpu", NEAR >> 20);
    return true;
}

/* What the library need not be asked about. */
static bool is_plain(const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *const all[] = {x_of(desc), y_of(desc), &desc->in[1]};
    for (size_t i = 0; i < NL_COUNT(all); i++) {
        if (all[i]->type != NL_F32)
            return nl_decline(why, "computes f32, not %s", nl_type_name(all[i]->type));
        if (!nl_tensor_is_dense(all[i])) return nl_decline(why, "a tensor is not dense");
    }
    if (desc->in[3].rank)
        return nl_decline(why, "the library adds a residual only where it lies, in y");
    return is_wanted(desc, why);
}

/* The library serves every shape, some by plain loops, some by a copy of all windows. Its SSE
 * kernels want rows and biases aligned to 16 bytes, which tensors need not be. */
static bool is_worth_having(const char *name)
{
    return strncmp(name, "ref", 3) != 0 && strncmp(name, "gemm", 4) != 0 && !strstr(name, "sse");
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!is_plain(desc, why)) return false;
    const struct nl_dnnl_conv conv = describe(desc);
    dnnl_primitive_desc_t pd = NULL;
    if (nl_dnnl_conv_desc(be->state, &conv, &pd) != NL_OK) return nl_decline(why, "%s", nl_error());
    const char *const name = nl_dnnl_name(pd);
    const bool good = is_worth_having(name);
    if (!good) nl_decline(why, "the library has only %s", name);
    dnnl_primitive_desc_destroy(pd);
    return good;
}

static nl_status prepare_calls(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                               const_dnnl_primitive_desc_t pd, struct conv *calls)
{
    static const int y[] = {DNNL_ARG_SRC,  DNNL_ARG_WEIGHTS,    DNNL_ARG_DST,
                            DNNL_ARG_BIAS, DNNL_ARG_SCRATCHPAD, 0};
    static const int y_plain[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD,
                                  0};
    static const int dx[] = {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC,
                             DNNL_ARG_SCRATCHPAD, 0};
    static const int pack[] = {DNNL_ARG_FROM, DNNL_ARG_TO, 0};
    dnnl_primitive_desc_t packing = NULL;
    nl_status st = NL_OK;
    const int *const forward = conv->has_bias ? y : y_plain;
    NL_TRY(nl_dnnl_call_init(dnnl, pd, conv->dx ? dx : forward, &calls->run));
    NL_TRY(nl_dnnl_pack_desc(dnnl, conv, pd, &packing));
    st = nl_dnnl_call_init(dnnl, packing, pack, &calls->pack);
    dnnl_primitive_desc_destroy(packing);
    return st;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_dnnl_conv conv = describe(desc);
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
    (void)desc;
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_FROM, args->in[1].data));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_TO, packed));
    return nl_dnnl_call_run(be->state, call);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct nl_dnnl_call *call = &((const struct conv *)prepared)->run;
    const bool forward = desc->op == NL_OP_CONV;
    const int from = forward ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST;
    const int to = forward ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC;
    NL_TRY(nl_dnnl_call_set(call, from, args->in[0].data));
    NL_TRY(nl_dnnl_call_set(call, to, args->out[0].data));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_WEIGHTS, args->packed));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SCRATCHPAD, args->workspace));
    if (forward && args->in[2].rank)
        NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_BIAS, args->in[2].data));
    return nl_dnnl_call_run(be->state, call);
}

const struct nl_impl nl_onednn_conv = {
    .name = "onednn", .can = can, .prepare = prepare, .pack = pack, .run = run, .drop = drop};
