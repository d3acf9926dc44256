#include "backends/onednn/dnnl.h"

/* Version 2: memory descriptions are values, and an operation is described before its primitive. */

struct layouts {
    dnnl_memory_desc_t x, w, y, bias;
};

static dnnl_status_t lay_out(const struct nl_dnnl_conv *conv, struct layouts *l)
{
    const dnnl_format_tag_t tag = conv->rank == 5 ? dnnl_ndhwc : dnnl_nhwc;
    dnnl_status_t st = dnnl_memory_desc_init_by_tag(&l->x, conv->rank, conv->x, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_tag(&l->y, conv->rank, conv->y, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_tag(&l->w, conv->rank, conv->w, conv->type,
                                          dnnl_format_tag_any);
    if (st == dnnl_success && conv->has_bias)
        st = dnnl_memory_desc_init_by_tag(&l->bias, 1, conv->bias, conv->type, dnnl_x);
    return st;
}

static dnnl_status_t describe(const struct nl_dnnl_conv *conv, dnnl_convolution_desc_t *op)
{
    struct layouts l;
    const dnnl_status_t st = lay_out(conv, &l);
    const dnnl_memory_desc_t *const bias = conv->has_bias ? &l.bias : NULL;
    if (st != dnnl_success) return st;
    if (conv->dx)
        return dnnl_convolution_backward_data_desc_init(op, dnnl_convolution_direct, &l.x, &l.w,
                                                        &l.y, conv->stride, conv->pad, conv->pad);
    return dnnl_convolution_forward_desc_init(op, dnnl_forward_inference, dnnl_convolution_direct,
                                              &l.x, &l.w, bias, &l.y, conv->stride, conv->pad,
                                              conv->pad);
}

static dnnl_status_t set_attributes(const struct nl_dnnl_conv *conv, dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success) st = dnnl_post_ops_create(&ops);
    if (st == dnnl_success && conv->relu)
        st = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, conv->slope, 0);
    if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    return st;
}

nl_status nl_dnnl_conv_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            dnnl_primitive_desc_t *out)
{
    dnnl_convolution_desc_t op;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);
    *out = NULL;
    if (st == dnnl_success) st = set_attributes(conv, attr);
    if (st == dnnl_success) st = describe(conv, &op);
    if (st == dnnl_success) st = dnnl_primitive_desc_create(out, &op, attr, dnnl->engine, NULL);
    if (attr) dnnl_primitive_attr_destroy(attr);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "convolution");
}

nl_status nl_dnnl_pack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            const_dnnl_primitive_desc_t desc, dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t plain;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_memory_desc_init_by_tag(&plain, conv->rank, conv->w, conv->type,
                                                    conv->rank == 5 ? dnnl_odhwi : dnnl_ohwi);
    *out = NULL;
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(
            out, &plain, dnnl->engine,
            dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, DNNL_ARG_WEIGHTS),
            dnnl->engine, NULL);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "layout of filters");
}
