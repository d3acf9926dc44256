#include "backends/onednn/dnnl.h"

/* Version 3: memory descriptions are objects, and a primitive is described in one call. */

struct layouts {
    dnnl_memory_desc_t x, w, y, bias; /* NULL: none */
};

static dnnl_status_t lay_out(const struct nl_dnnl_conv *conv, struct layouts *l)
{
    const dnnl_format_tag_t tag = conv->rank == 5 ? dnnl_ndhwc : dnnl_nhwc;
    const dnnl_data_type_t filters = conv->way == NL_DNNL_DW ? dnnl_f32 : conv->type;
    dnnl_status_t st =
        dnnl_memory_desc_create_with_tag(&l->x, conv->rank, conv->x, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_create_with_tag(&l->y, conv->rank, conv->y, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_create_with_tag(&l->w, conv->rank, conv->w, filters,
                                              dnnl_format_tag_any);
    if (st == dnnl_success && conv->has_bias)
        st = dnnl_memory_desc_create_with_tag(&l->bias, 1, conv->bias, dnnl_f32, dnnl_x);
    return st;
}

static void forget(const dnnl_memory_desc_t *all, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (all[i]) dnnl_memory_desc_destroy(all[i]);
}

/* Attributes with the scratch in the caller's hands, and what is done to results. */
static dnnl_status_t attributes(const_dnnl_post_ops_t ops, dnnl_primitive_attr_t *out)
{
    dnnl_status_t st = dnnl_primitive_attr_create(out);
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    return st == dnnl_success ? dnnl_primitive_attr_set_post_ops(*out, ops) : st;
}

static dnnl_status_t finish_conv(const struct nl_dnnl_conv *conv, const struct layouts *l,
                                 dnnl_post_ops_t ops)
{
    dnnl_status_t st = dnnl_success;
    if (conv->residual) st = dnnl_post_ops_append_binary(ops, dnnl_binary_add, l->y);
    if (st == dnnl_success && conv->relu)
        st = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_relu, conv->slope, 0);
    return st;
}

static dnnl_status_t describe(dnnl_engine_t engine, const struct nl_dnnl_conv *conv,
                              const struct layouts *l, const_dnnl_primitive_attr_t attr,
                              dnnl_primitive_desc_t *out)
{
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    const dnnl_dims_t dense = {0};
    if (conv->way == NL_DNNL_DX)
        return dnnl_convolution_backward_data_primitive_desc_create(
            out, engine, direct, l->x, l->w, l->y, conv->stride, dense, conv->pad, conv->pad, NULL,
            attr);
    if (conv->way == NL_DNNL_DW)
        return dnnl_convolution_backward_weights_primitive_desc_create(
            out, engine, direct, l->x, l->w, NULL, l->y, conv->stride, dense, conv->pad, conv->pad,
            NULL, attr);
    return dnnl_convolution_forward_primitive_desc_create(
        out, engine, dnnl_forward_inference, direct, l->x, l->w, l->bias, l->y, conv->stride, dense,
        conv->pad, conv->pad, attr);
}

nl_status nl_dnnl_conv_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            dnnl_primitive_desc_t *out)
{
    struct layouts l = {.x = NULL};
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    *out = NULL;
    if (st == dnnl_success) st = lay_out(conv, &l);
    if (st == dnnl_success) st = finish_conv(conv, &l, ops);
    if (st == dnnl_success) st = attributes(ops, &attr);
    if (st == dnnl_success) st = describe(dnnl->engine, conv, &l, attr, out);
    forget((const dnnl_memory_desc_t[]){l.x, l.w, l.y, l.bias}, 4);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ops) dnnl_post_ops_destroy(ops);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "convolution");
}

static dnnl_status_t plain_filters(const struct nl_dnnl_conv *conv, dnnl_memory_desc_t *plain)
{
    return dnnl_memory_desc_create_with_tag(plain, conv->rank, conv->w, dnnl_f32,
                                            conv->rank == 5 ? dnnl_odhwi : dnnl_ohwi);
}

nl_status nl_dnnl_pack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            const_dnnl_primitive_desc_t desc, dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t plain = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = plain_filters(conv, &plain);
    *out = NULL;
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(
            out, plain, dnnl->engine,
            dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, DNNL_ARG_WEIGHTS),
            dnnl->engine, NULL);
    forget(&plain, 1);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "layout of filters");
}

nl_status nl_dnnl_unpack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                              const_dnnl_primitive_desc_t desc, bool add,
                              dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t plain = NULL;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    *out = NULL;
    if (st == dnnl_success && add) st = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
    if (st == dnnl_success) st = attributes(ops, &attr);
    if (st == dnnl_success) st = plain_filters(conv, &plain);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(
            out, dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, DNNL_ARG_DIFF_WEIGHTS),
            dnnl->engine, plain, dnnl->engine, attr);
    forget(&plain, 1);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ops) dnnl_post_ops_destroy(ops);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "layout of gradients");
}

static dnnl_status_t describe_product(dnnl_engine_t engine, const struct nl_dnnl_product *p,
                                      const_dnnl_primitive_attr_t attr, dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t a = NULL, b = NULL, c = NULL;
    dnnl_status_t st = dnnl_memory_desc_create_with_strides(&a, 2, p->a, p->type, p->a_stride);
    if (st == dnnl_success)
        st = dnnl_memory_desc_create_with_strides(&b, 2, p->b, p->type, p->b_stride);
    if (st == dnnl_success)
        st = dnnl_memory_desc_create_with_strides(&c, 2, p->c, p->sums, p->c_stride);
    if (st == dnnl_success)
        st = dnnl_matmul_primitive_desc_create(out, engine, a, b, NULL, c, attr);
    forget((const dnnl_memory_desc_t[]){a, b, c}, 3);
    return st;
}

nl_status nl_dnnl_product_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_product *product,
                               dnnl_primitive_desc_t *out)
{
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    *out = NULL;
    if (st == dnnl_success && product->add)
        st = dnnl_post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
    if (st == dnnl_success && product->scale != 1)
        st = dnnl_post_ops_append_eltwise(ops, dnnl_eltwise_linear, product->scale, 0);
    if (st == dnnl_success) st = attributes(ops, &attr);
    if (st == dnnl_success) st = describe_product(dnnl->engine, product, attr, out);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ops) dnnl_post_ops_destroy(ops);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "product");
}
