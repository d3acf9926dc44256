#include "backends/onednn/dnnl.h"

/* Version 3: memory descriptions are objects, and a primitive is described in one call. */

struct layouts {
    dnnl_memory_desc_t x, w, y, bias; /* NULL: none */
};

static dnnl_status_t lay_out(const struct nl_dnnl_conv *conv, struct layouts *l)
{
    const dnnl_format_tag_t tag = conv->rank == 5 ? dnnl_ndhwc : dnnl_nhwc;
    dnnl_status_t st =
        dnnl_memory_desc_create_with_tag(&l->x, conv->rank, conv->x, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_create_with_tag(&l->y, conv->rank, conv->y, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_create_with_tag(&l->w, conv->rank, conv->w, conv->type,
                                              dnnl_format_tag_any);
    if (st == dnnl_success && conv->has_bias)
        st = dnnl_memory_desc_create_with_tag(&l->bias, 1, conv->bias, conv->type, dnnl_x);
    return st;
}

static void forget(struct layouts *l)
{
    const dnnl_memory_desc_t all[] = {l->x, l->w, l->y, l->bias};
    for (size_t i = 0; i < NL_COUNT(all); i++)
        if (all[i]) dnnl_memory_desc_destroy(all[i]);
}

static dnnl_status_t set_attributes(const struct nl_dnnl_conv *conv, dnnl_primitive_attr_t attr)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_status_t st = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (st == dnnl_success) st = dnnl_post_ops_create(&ops);
    if (st == dnnl_success && conv->relu)
        st = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, conv->slope, 0);
    if (st == dnnl_success) st = dnnl_primitive_attr_set_post_ops(attr, ops);
    if (ops) dnnl_post_ops_destroy(ops);
    return st;
}

static dnnl_status_t describe(dnnl_engine_t engine, const struct nl_dnnl_conv *conv,
                              const struct layouts *l, dnnl_primitive_attr_t attr,
                              dnnl_primitive_desc_t *out)
{
    const dnnl_dims_t dense = {0};
    if (conv->dx)
        return dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, dnnl_convolution_direct, l->x, l->w, l->y, conv->stride, dense, conv->pad,
            conv->pad, NULL, attr);
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, dnnl_forward_inference, dnnl_convolution_direct, l->x, l->w, l->bias, l->y,
        conv->stride, dense, conv->pad, conv->pad, attr);
}

nl_status nl_dnnl_conv_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            dnnl_primitive_desc_t *out)
{
    struct layouts l = {.x = NULL};
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_primitive_attr_create(&attr);
    *out = NULL;
    if (st == dnnl_success) st = set_attributes(conv, attr);
    if (st == dnnl_success) st = lay_out(conv, &l);
    if (st == dnnl_success) st = describe(dnnl->engine, conv, &l, attr, out);
    forget(&l);
    if (attr) dnnl_primitive_attr_destroy(attr);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "convolution");
}

nl_status nl_dnnl_pack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            const_dnnl_primitive_desc_t desc, dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t plain = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_memory_desc_create_with_tag(&plain, conv->rank, conv->w, conv->type,
                                                        conv->rank == 5 ? dnnl_odhwi : dnnl_ohwi);
    *out = NULL;
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(
            out, plain, dnnl->engine,
            dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, DNNL_ARG_WEIGHTS),
            dnnl->engine, NULL);
    if (plain) dnnl_memory_desc_destroy(plain);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "layout of filters");
}
