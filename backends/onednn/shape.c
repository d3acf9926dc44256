#include "backends/onednn/shape.h"

#include <string.h>

/* The library's ReLU makes 0 of NaN where its slope is 0, and NaN has to stay NaN. A slope this
 * small keeps it, is lost in every sum, and makes no denormal numbers, which processors are slow
 * with. */
static const float no_slope = 1e-30F;

const nl_tensor *nl_onednn_x(const struct nl_op_desc *desc)
{
    return desc->op == NL_OP_CONV_DX ? &desc->out[0] : &desc->in[0];
}

const nl_tensor *nl_onednn_y(const struct nl_op_desc *desc)
{
    if (desc->op == NL_OP_CONV) return &desc->out[0];
    return desc->op == NL_OP_CONV_DX ? &desc->in[0] : &desc->in[1];
}

const nl_tensor *nl_onednn_w(const struct nl_op_desc *desc)
{
    return desc->op == NL_OP_CONV_DW ? &desc->out[0] : &desc->in[1];
}

static enum nl_dnnl_way way_of(nl_op op)
{
    if (op == NL_OP_CONV) return NL_DNNL_Y;
    return op == NL_OP_CONV_DX ? NL_DNNL_DX : NL_DNNL_DW;
}

/* n, c, [t], h, w of [n,t,h,w,c]. */
static void axes_of(const nl_tensor *t, bool pictures, dnnl_dims_t dims)
{
    int n = 0;
    dims[n++] = pictures ? t->dim[0] * t->dim[1] : t->dim[0];
    dims[n++] = t->dim[4];
    for (int i = pictures ? 2 : 1; i < 4; i++) dims[n++] = t->dim[i];
}

struct nl_dnnl_conv nl_onednn_describe(const struct nl_op_desc *desc)
{
    const nl_tensor *w = nl_onednn_w(desc);
    const bool forward = desc->op == NL_OP_CONV;
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    const bool pictures = w->dim[1] == 1 && stride[0] == 1 && pad[0] == 0;
    struct nl_dnnl_conv conv = {.way = way_of(desc->op),
                                .rank = pictures ? 4 : 5,
                                .type = nl_onednn_type(nl_onednn_x(desc)->type),
                                .bias = {w->dim[0]},
                                .has_bias = forward && desc->in[2].rank,
                                .residual = forward && desc->in[3].rank,
                                .relu = forward && desc->attr.conv.relu,
                                .slope = no_slope};
    axes_of(nl_onednn_x(desc), pictures, conv.x);
    axes_of(nl_onednn_y(desc), pictures, conv.y);
    axes_of(w, false, conv.w);
    if (pictures) memmove(&conv.w[2], &conv.w[3], 2 * sizeof conv.w[0]);
    for (int i = pictures ? 1 : 0, n = 0; i < 3; i++, n++) {
        conv.stride[n] = stride[i];
        conv.pad[n] = pad[i];
    }
    return conv;
}

bool nl_onednn_multiplies(const struct nl_backend *be, nl_type type, nl_reason *why)
{
    const struct nl_dnnl *dnnl = be->state;
    if (type != NL_F32 && type != NL_BF16)
        return nl_decline(why, "computes f32 and bf16, not %s", nl_type_name(type));
    if (type == NL_BF16 && !dnnl->bf16)
        return nl_decline(why, "the processor has neither AVX512-BF16 nor AMX");
    return true;
}

bool nl_onednn_pays(const struct nl_backend *be, nl_type type, nl_reason *why)
{
    const struct nl_dnnl *dnnl = be->state;
    if (type == NL_F32 && dnnl->slow_f32)
        return nl_decline(why, "f32 is multiplied faster by AMX on cpu");
    if (type != NL_BF16 || !dnnl->slow_bf16) return true;
    return nl_decline(why, "without AMX the library is slower in bf16 than cpu");
}

bool nl_onednn_is_sound(const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *x = nl_onednn_x(desc), *w = nl_onednn_w(desc);
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    for (int i = 0; i < 3; i++)
        if (w->dim[i + 1] > x->dim[i + 1] || INT64_C(2) * pad[i] > w->dim[i + 1])
            return nl_decline(why, "windows reach far beyond x");
    if (desc->op == NL_OP_CONV_DW && x->type == NL_BF16 && w->dim[1] > 1 && stride[0] > 1)
        return nl_decline(why, "taps in time with a stride in bf16");
    return true;
}

bool nl_onednn_on_amx(const struct nl_backend *be, nl_type type)
{
    const struct nl_dnnl *dnnl = be->state;
    return type == NL_BF16 && dnnl->amx;
}

static bool is_fast(const char *name)
{
    return strncmp(name, "ref", 3) != 0 && !strstr(name, "sse");
}

bool nl_onednn_conv_is_good(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            nl_reason *why)
{
    dnnl_primitive_desc_t pd = NULL;
    if (nl_dnnl_conv_desc(dnnl, conv, &pd) != NL_OK) return nl_decline(why, "%s", nl_error());
    const char *const name = nl_dnnl_name(pd);
    const bool good = is_fast(name) && strncmp(name, "gemm", 4) != 0;
    if (!good) nl_decline(why, "the library has only %s", name);
    dnnl_primitive_desc_destroy(pd);
    return good;
}

bool nl_onednn_conv_lies_as(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *one,
                            const struct nl_dnnl_conv *other, nl_reason *why)
{
    dnnl_primitive_desc_t a = NULL, b = NULL;
    bool same =
        nl_dnnl_conv_desc(dnnl, one, &a) == NL_OK && nl_dnnl_conv_desc(dnnl, other, &b) == NL_OK;
    if (!same) nl_decline(why, "%s", nl_error());
    if (same && !nl_dnnl_same_layout(a, b, DNNL_ARG_DIFF_WEIGHTS))
        same = nl_decline(why, "the library lays parts of a sum out in different ways");
    if (a) dnnl_primitive_desc_destroy(a);
    if (b) dnnl_primitive_desc_destroy(b);
    return same;
}

bool nl_onednn_product_is_good(const struct nl_dnnl *dnnl, const struct nl_dnnl_product *product,
                               nl_reason *why)
{
    dnnl_primitive_desc_t pd = NULL;
    if (nl_dnnl_product_desc(dnnl, product, &pd) != NL_OK) return nl_decline(why, "%s", nl_error());
    const char *const name = nl_dnnl_name(pd);
    const bool good = is_fast(name);
    if (!good) nl_decline(why, "the library has only %s", name);
    dnnl_primitive_desc_destroy(pd);
    return good;
}
