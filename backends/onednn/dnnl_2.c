#include "backends/onednn/dnnl.h"

#include <string.h>

/* Version 2: memory descriptions are values, and an operation is described before its primitive. */

struct layouts {
    dnnl_memory_desc_t x, w, y, bias;
};

static dnnl_status_t lay_out(const struct nl_dnnl_conv *conv, struct layouts *l)
{
    const dnnl_format_tag_t tag = conv->rank == 5 ? dnnl_ndhwc : dnnl_nhwc;
    const dnnl_data_type_t filters = conv->way == NL_DNNL_DW ? dnnl_f32 : conv->type;
    dnnl_status_t st = dnnl_memory_desc_init_by_tag(&l->x, conv->rank, conv->x, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_tag(&l->y, conv->rank, conv->y, conv->type, tag);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_tag(&l->w, conv->rank, conv->w, filters, dnnl_format_tag_any);
    if (st == dnnl_success && conv->has_bias)
        st = dnnl_memory_desc_init_by_tag(&l->bias, 1, conv->bias, dnnl_f32, dnnl_x);
    return st;
}

static dnnl_status_t describe(const struct nl_dnnl_conv *conv, const struct layouts *l,
                              dnnl_convolution_desc_t *op)
{
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    if (conv->way == NL_DNNL_DX)
        return dnnl_convolution_backward_data_desc_init(op, direct, &l->x, &l->w, &l->y,
                                                        conv->stride, conv->pad, conv->pad);
    if (conv->way == NL_DNNL_DW)
        return dnnl_convolution_backward_weights_desc_init(op, direct, &l->x, &l->w, NULL, &l->y,
                                                           conv->stride, conv->pad, conv->pad);
    return dnnl_convolution_forward_desc_init(op, dnnl_forward_inference, direct, &l->x, &l->w,
                                              conv->has_bias ? &l->bias : NULL, &l->y, conv->stride,
                                              conv->pad, conv->pad);
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
    if (conv->residual) st = dnnl_post_ops_append_binary(ops, dnnl_binary_add, &l->y);
    if (st == dnnl_success && conv->relu)
        st = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, conv->slope, 0);
    return st;
}

/* What 2.6.3 multiplies windows by AMX with, by choice, reads past the end of a table while it writes
 * its code. */
static bool reads_past_its_end(const_dnnl_primitive_desc_t desc)
{
    return strncmp(nl_dnnl_name(desc), "brgconv:avx512_core_amx", 23) == 0;
}

/* The library's first choice that is sound. */
static dnnl_status_t choose(const dnnl_convolution_desc_t *op, dnnl_primitive_attr_t attr,
                            dnnl_engine_t engine, dnnl_primitive_desc_t *out)
{
    dnnl_primitive_desc_iterator_t choices = NULL;
    dnnl_status_t st = dnnl_primitive_desc_iterator_create(&choices, op, attr, engine, NULL);
    while (st == dnnl_success) {
        *out = dnnl_primitive_desc_iterator_fetch(choices);
        if (!*out) st = dnnl_out_of_memory;
        if (!*out || !reads_past_its_end(*out)) break;
        dnnl_primitive_desc_destroy(*out);
        *out = NULL;
        st = dnnl_primitive_desc_iterator_next(choices);
        if (st == dnnl_iterator_ends) st = dnnl_unimplemented;
    }
    if (choices) dnnl_primitive_desc_iterator_destroy(choices);
    return st;
}

nl_status nl_dnnl_conv_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            dnnl_primitive_desc_t *out)
{
    struct layouts l;
    dnnl_convolution_desc_t op;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    *out = NULL;
    if (st == dnnl_success) st = lay_out(conv, &l);
    if (st == dnnl_success) st = finish_conv(conv, &l, ops);
    if (st == dnnl_success) st = attributes(ops, &attr);
    if (st == dnnl_success) st = describe(conv, &l, &op);
    if (st == dnnl_success) st = choose(&op, attr, dnnl->engine, out);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ops) dnnl_post_ops_destroy(ops);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "convolution");
}

static dnnl_status_t plain_filters(const struct nl_dnnl_conv *conv, dnnl_memory_desc_t *plain)
{
    return dnnl_memory_desc_init_by_tag(plain, conv->rank, conv->w, dnnl_f32,
                                        conv->rank == 5 ? dnnl_odhwi : dnnl_ohwi);
}

nl_status nl_dnnl_pack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            const_dnnl_primitive_desc_t desc, dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t plain;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = plain_filters(conv, &plain);
    *out = NULL;
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(
            out, &plain, dnnl->engine,
            dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, DNNL_ARG_WEIGHTS),
            dnnl->engine, NULL);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "layout of filters");
}

nl_status nl_dnnl_unpack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                              const_dnnl_primitive_desc_t desc, bool add,
                              dnnl_primitive_desc_t *out)
{
    dnnl_memory_desc_t plain;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    *out = NULL;
    if (st == dnnl_success && add) st = dnnl_post_ops_append_sum(ops, 1);
    if (st == dnnl_success) st = attributes(ops, &attr);
    if (st == dnnl_success) st = plain_filters(conv, &plain);
    if (st == dnnl_success)
        st = dnnl_reorder_primitive_desc_create(
            out, dnnl_primitive_desc_query_md(desc, dnnl_query_exec_arg_md, DNNL_ARG_DIFF_WEIGHTS),
            dnnl->engine, &plain, dnnl->engine, attr);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ops) dnnl_post_ops_destroy(ops);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "layout of gradients");
}

static dnnl_status_t describe_product(const struct nl_dnnl_product *p, dnnl_matmul_desc_t *op)
{
    dnnl_memory_desc_t a, b, c;
    dnnl_status_t st = dnnl_memory_desc_init_by_strides(&a, 2, p->a, p->type, p->a_stride);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_strides(&b, 2, p->b, p->type, p->b_stride);
    if (st == dnnl_success)
        st = dnnl_memory_desc_init_by_strides(&c, 2, p->c, p->sums, p->c_stride);
    return st == dnnl_success ? dnnl_matmul_desc_init(op, &a, &b, NULL, &c) : st;
}

nl_status nl_dnnl_product_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_product *product,
                               dnnl_primitive_desc_t *out)
{
    dnnl_matmul_desc_t op;
    dnnl_post_ops_t ops = NULL;
    dnnl_primitive_attr_t attr = NULL;
    const int before = nl_dnnl_set_threads(dnnl->threads);
    dnnl_status_t st = dnnl_post_ops_create(&ops);
    *out = NULL;
    if (st == dnnl_success && product->add) st = dnnl_post_ops_append_sum(ops, 1);
    if (st == dnnl_success && product->scale != 1)
        st = dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_linear, product->scale, 0);
    if (st == dnnl_success) st = attributes(ops, &attr);
    if (st == dnnl_success) st = describe_product(product, &op);
    if (st == dnnl_success) st = dnnl_primitive_desc_create(out, &op, attr, dnnl->engine, NULL);
    if (attr) dnnl_primitive_attr_destroy(attr);
    if (ops) dnnl_post_ops_destroy(ops);
    nl_dnnl_set_threads(before);
    return nl_dnnl_status(st, "product");
}
