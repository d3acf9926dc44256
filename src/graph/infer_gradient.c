#include "src/graph/infer_gradient.h"

enum { TEXT = 160 };

static nl_status same(const nl_tensor *a, const nl_tensor *b, const char *what)
{
    char one[TEXT], two[TEXT];
    NL_REQUIRE(nl_tensor_same_shape(a, b), NL_ESHAPE, "%s: shapes differ: %s and %s", what,
               nl_tensor_text(a, one, sizeof one), nl_tensor_text(b, two, sizeof two));
    return NL_OK;
}

static nl_status rank_of(const nl_tensor *t, int rank, const char *what)
{
    char text[TEXT];
    NL_REQUIRE(t->rank == rank, NL_ESHAPE, "%s: want rank %d, got %s", what, rank,
               nl_tensor_text(t, text, sizeof text));
    return NL_OK;
}

static nl_status like(struct nl_op_desc *d, int i, const nl_tensor *t)
{
    d->out[i] = nl_tensor_dense(d->in[0].type, t->rank, t->dim);
    return NL_OK;
}

/* Vectors of all inputs have the first one's length; n_out of that length come out, in double, as
 * all statistics of a batch are: their differences are what counts. */
static nl_status vectors(struct nl_op_desc *d, int n_in, int n_out)
{
    NL_TRY(rank_of(&d->in[0], 1, "vector"));
    for (int i = 1; i < n_in; i++) NL_TRY(same(&d->in[i], &d->in[0], "vectors"));
    for (int i = 0; i < n_out; i++) d->out[i] = nl_tensor_dense(NL_F64, 1, d->in[0].dim);
    return NL_OK;
}

static nl_status infer_two(struct nl_op_desc *d)
{
    NL_TRY(same(&d->in[0], &d->in[1], nl_op_name(d->op)));
    return like(d, 0, &d->in[0]);
}

static nl_status channels(struct nl_op_desc *d)
{
    const nl_tensor *x = &d->in[0];
    if (d->op == NL_OP_AFFINE_DAB) NL_TRY(same(x, &d->in[1], "x and dy"));
    for (int i = 0; i < 2; i++) d->out[i] = nl_tensor_dense(NL_F64, 1, &x->dim[x->rank - 1]);
    return NL_OK;
}

static nl_status infer_cross_entropy(struct nl_op_desc *d)
{
    NL_TRY(rank_of(&d->in[0], 2, "logits"));
    NL_TRY(rank_of(&d->in[1], 1, "label"));
    NL_REQUIRE(d->in[1].dim[0] == d->in[0].dim[0] && d->in[1].type == NL_I64, NL_ESHAPE,
               "want one i64 label for each of %lld rows of logits, got %lld of %s",
               (long long)d->in[0].dim[0], (long long)d->in[1].dim[0], nl_type_name(d->in[1].type));
    if (d->op == NL_OP_CROSS_ENTROPY_DX) return like(d, 0, &d->in[0]);
    d->out[0] = nl_tensor_dense(d->in[0].type, 1, d->in[0].dim);
    return NL_OK;
}

/* [N, extent, channels] */
static void spread(struct nl_op_desc *d, int64_t n, const int *extent, int64_t channel_count)
{
    const int64_t dim[5] = {n, extent[0], extent[1], extent[2], channel_count};
    d->out[0] = nl_tensor_dense(d->in[0].type, 5, dim);
}

static nl_status infer_conv_dx(struct nl_op_desc *d)
{
    NL_TRY(rank_of(&d->in[0], 5, "dy"));
    NL_TRY(rank_of(&d->in[1], 5, "filters"));
    NL_REQUIRE(d->in[0].dim[4] == d->in[1].dim[0], NL_ESHAPE,
               "dy has %lld channels for %lld filters", (long long)d->in[0].dim[4],
               (long long)d->in[1].dim[0]);
    spread(d, d->in[0].dim[0], d->attr.conv.extent, d->in[1].dim[4]);
    return d->in[3].rank ? same(&d->in[3], &d->out[0], "residual") : NL_OK;
}

static nl_status infer_conv_dw(struct nl_op_desc *d)
{
    const int *kernel = d->attr.conv.extent;
    NL_TRY(rank_of(&d->in[0], 5, "x"));
    NL_TRY(rank_of(&d->in[1], 5, "dy"));
    const int64_t filters = d->in[1].dim[4];
    const int64_t dim[5] = {filters, kernel[0], kernel[1], kernel[2], d->in[0].dim[4]};
    const nl_type type = nl_type_of_sums(d->in[0].type);
    d->out[0] = nl_tensor_dense(type, 5, dim);
    if (d->attr.conv.bias) d->out[1] = nl_tensor_dense(type, 1, &filters);
    return NL_OK;
}

static nl_status infer_pool_dx(struct nl_op_desc *d)
{
    NL_TRY(rank_of(&d->in[0], 5, "dy"));
    if (d->op == NL_OP_MAX_POOL_DX) NL_TRY(same(&d->in[0], &d->in[1], "dy and index"));
    spread(d, d->in[0].dim[0], d->attr.pool.extent, d->in[0].dim[4]);
    return NL_OK;
}

static nl_status infer_mean_dx(struct nl_op_desc *d)
{
    NL_TRY(rank_of(&d->in[0], 2, "dy"));
    spread(d, d->in[0].dim[0], d->attr.mean.extent, d->in[0].dim[1]);
    return NL_OK;
}

static nl_status infer_bn_sums_dx(struct nl_op_desc *d)
{
    return vectors(d, 3, 2);
}

static nl_status infer_bn_fold_dx(struct nl_op_desc *d)
{
    return vectors(d, 5, 4);
}

/* Gradients lie as what they belong to, so that views of one memory stay views of one memory. */
static nl_status infer_pairwise_dx(struct nl_op_desc *d)
{
    NL_TRY(same(&d->in[3], &d->in[4], "y and dy"));
    for (int i = 0; i < 3; i++) {
        d->out[i] = d->in[i];
        d->out[i].data = NULL;
    }
    return NL_OK;
}

static nl_status infer_outer_sum_dx(struct nl_op_desc *d)
{
    const int64_t *dim = d->in[0].dim;
    NL_TRY(rank_of(&d->in[0], 4, "dc"));
    d->out[0] = nl_tensor_dense(d->in[0].type, 4, (const int64_t[]){dim[0], dim[1], dim[2], 1});
    d->out[1] = nl_tensor_dense(d->in[0].type, 4, (const int64_t[]){dim[0], dim[1], dim[3], 1});
    return NL_OK;
}

static nl_status infer_same(struct nl_op_desc *d)
{
    return like(d, 0, &d->in[0]);
}

static nl_status infer_square_sum(struct nl_op_desc *d)
{
    d->out[0] = nl_tensor_dense(d->in[0].type, 1, (const int64_t[]){1});
    return NL_OK;
}

/* What the optimizer runs beside any graph. */
static nl_status not_a_node(struct nl_op_desc *d)
{
    return nl_fail(NL_ESHAPE, "%s is no node of a graph", nl_op_name(d->op));
}

static nl_status infer_bn_dx(struct nl_op_desc *d)
{
    NL_TRY(same(&d->in[0], &d->in[1], "dy and x"));
    return like(d, 0, &d->in[0]);
}

nl_infer_rule *nl_infer_gradient_rule(nl_op op)
{
    static nl_infer_rule *const rules[NL_N_OPS] = {
        [NL_OP_MUL] = infer_two,
        [NL_OP_BN_SUMS] = channels,
        [NL_OP_CROSS_ENTROPY] = infer_cross_entropy,
        [NL_OP_CONV_DX] = infer_conv_dx,
        [NL_OP_CONV_DW] = infer_conv_dw,
        [NL_OP_MAX_POOL_DX] = infer_pool_dx,
        [NL_OP_AVG_POOL_DX] = infer_pool_dx,
        [NL_OP_AFFINE_DAB] = channels,
        [NL_OP_BN_DX] = infer_bn_dx,
        [NL_OP_BN_SUMS_DX] = infer_bn_sums_dx,
        [NL_OP_BN_FOLD_DX] = infer_bn_fold_dx,
        [NL_OP_RELU_DX] = infer_two,
        [NL_OP_SOFTMAX_DX] = infer_two,
        [NL_OP_MEAN_DX] = infer_mean_dx,
        [NL_OP_PAIRWISE_DX] = infer_pairwise_dx,
        [NL_OP_OUTER_SUM_DX] = infer_outer_sum_dx,
        [NL_OP_MAP_DX] = infer_two,
        [NL_OP_CROSS_ENTROPY_DX] = infer_cross_entropy,
        [NL_OP_ACCUMULATE] = infer_same,
        [NL_OP_SQUARE_SUM] = infer_square_sum,
    };
    return rules[op] ? rules[op] : not_a_node;
}
