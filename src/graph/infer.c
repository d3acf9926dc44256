#include "src/graph/infer.h"

#include "src/graph/infer_gradient.h"

enum { TEXT = 160 };

/* [C] dense of the same type as `like`, with `channels` entries. */
static nl_status want_vector(const nl_tensor *v, int64_t channels, const char *what)
{
    char text[TEXT];
    NL_REQUIRE(v->rank == 1 && v->dim[0] == channels, NL_ESHAPE, "%s: want [%lld], got %s", what,
               (long long)channels, nl_tensor_text(v, text, sizeof text));
    return NL_OK;
}

static nl_status want_rank(const nl_tensor *t, int rank, const char *what)
{
    char text[TEXT];
    NL_REQUIRE(t->rank == rank, NL_ESHAPE, "%s: want rank %d, got %s", what, rank,
               nl_tensor_text(t, text, sizeof text));
    return NL_OK;
}

static nl_status want_same(const nl_tensor *a, const nl_tensor *b, const char *what)
{
    char one[TEXT], two[TEXT];
    NL_REQUIRE(nl_tensor_same_shape(a, b), NL_ESHAPE, "%s: shapes differ: %s and %s", what,
               nl_tensor_text(a, one, sizeof one), nl_tensor_text(b, two, sizeof two));
    NL_REQUIRE(a->type == b->type, NL_ESHAPE, "%s: types differ: %s and %s", what,
               nl_type_name(a->type), nl_type_name(b->type));
    return NL_OK;
}

static void out_dense(struct nl_op_desc *d, int i, int rank, const int64_t *dim)
{
    d->out[i] = nl_tensor_dense(d->in[0].type, rank, dim);
}

static nl_status infer_same(struct nl_op_desc *d)
{
    out_dense(d, 0, d->in[0].rank, d->in[0].dim);
    return NL_OK;
}

static nl_status window(const nl_tensor *x, const int *kernel, const int *stride, const int *pad,
                        int64_t *dim)
{
    char text[TEXT];
    for (int i = 0; i < 3; i++) {
        const int64_t room = x->dim[i + 1] + 2 * (int64_t)pad[i] - kernel[i];
        NL_REQUIRE(stride[i] > 0 && kernel[i] > 0 && room >= 0, NL_ESHAPE,
                   "a window of %dx%dx%d does not fit into %s", kernel[0], kernel[1], kernel[2],
                   nl_tensor_text(x, text, sizeof text));
        dim[i + 1] = room / stride[i] + 1;
    }
    dim[0] = x->dim[0];
    return NL_OK;
}

static nl_status infer_conv(struct nl_op_desc *d)
{
    const nl_tensor *x = &d->in[0], *w = &d->in[1];
    int64_t dim[NL_MAX_RANK];
    char one[TEXT], two[TEXT];
    NL_TRY(want_rank(x, 5, "x"));
    NL_TRY(want_rank(w, 5, "filters"));
    NL_REQUIRE(x->dim[4] == w->dim[4], NL_ESHAPE, "channels differ: x %s, filters %s",
               nl_tensor_text(x, one, sizeof one), nl_tensor_text(w, two, sizeof two));
    const int kernel[3] = {(int)w->dim[1], (int)w->dim[2], (int)w->dim[3]};
    NL_TRY(window(x, kernel, d->attr.conv.stride, d->attr.conv.pad, dim));
    dim[4] = w->dim[0];
    out_dense(d, 0, 5, dim);
    if (d->in[2].rank) NL_TRY(want_vector(&d->in[2], w->dim[0], "bias"));
    if (d->in[3].rank) NL_TRY(want_same(&d->in[3], &d->out[0], "residual"));
    if (!d->attr.conv.sums) return NL_OK;
    NL_REQUIRE(!d->in[3].rank && !d->attr.conv.relu, NL_ESHAPE,
               "sums are of a convolution without residual and ReLU");
    d->out[1] = d->out[2] = nl_tensor_dense(NL_F64, 1, &w->dim[0]);
    return NL_OK;
}

static nl_status infer_pool(struct nl_op_desc *d)
{
    static const int none[3] = {0, 0, 0};
    int64_t dim[NL_MAX_RANK];
    NL_TRY(want_rank(&d->in[0], 5, "x"));
    NL_TRY(window(&d->in[0], d->attr.pool.kernel, d->attr.pool.stride, none, dim));
    dim[4] = d->in[0].dim[4];
    out_dense(d, 0, 5, dim);
    const int *kernel = d->attr.pool.kernel;
    if (d->op != NL_OP_MAX_POOL || !d->attr.pool.index) return NL_OK;
    NL_REQUIRE((int64_t)kernel[0] * kernel[1] * kernel[2] <= 256, NL_ESHAPE,
               "a window of %dx%dx%d is too large to train through (256 positions)", kernel[0],
               kernel[1], kernel[2]);
    d->out[1] = nl_tensor_dense(NL_U8, 5, dim);
    return NL_OK;
}

static nl_status infer_affine(struct nl_op_desc *d)
{
    const nl_tensor *x = &d->in[0];
    NL_TRY(want_vector(&d->in[1], x->dim[x->rank - 1], "scale"));
    if (d->in[2].rank) NL_TRY(want_vector(&d->in[2], x->dim[x->rank - 1], "offset"));
    if (d->in[3].rank) NL_TRY(want_same(&d->in[3], x, "residual"));
    return infer_same(d);
}

static nl_status infer_add(struct nl_op_desc *d)
{
    NL_TRY(want_same(&d->in[0], &d->in[1], "terms"));
    return infer_same(d);
}

static nl_status infer_mean(struct nl_op_desc *d)
{
    NL_TRY(want_rank(&d->in[0], 5, "x"));
    const int64_t dim[2] = {d->in[0].dim[0], d->in[0].dim[4]};
    out_dense(d, 0, 2, dim);
    return NL_OK;
}

/* Dense strides for `t->dim`, axes in the memory order of `like` (its last axis stays last). */
static void strides_in_order_of(nl_tensor *t, const nl_tensor *like)
{
    bool done[NL_MAX_RANK] = {false};
    int64_t step = t->dim[t->rank - 1];
    t->stride[t->rank - 1] = 1;
    for (int round = 0; round < t->rank - 1; round++) {
        int least = 0;
        while (done[least]) least++;
        for (int i = least + 1; i < t->rank - 1; i++)
            if (!done[i] && like->stride[i] <= like->stride[least]) least = i;
        done[least] = true;
        t->stride[least] = step;
        step *= t->dim[least];
    }
}

static nl_status infer_pairwise(struct nl_op_desc *d)
{
    const nl_tensor *q = &d->in[0], *k = &d->in[1], *v = &d->in[2];
    char one[TEXT], two[TEXT], three[TEXT];
    const bool fits = q->rank == 4 && k->rank == 4 && v->rank == 4 && q->dim[0] == k->dim[0] &&
                      q->dim[0] == v->dim[0] && q->dim[1] == k->dim[1] && q->dim[1] == v->dim[1] &&
                      k->dim[2] == v->dim[2] && q->dim[3] == k->dim[3] && k->dim[2] > 0;
    NL_REQUIRE(fits, NL_ESHAPE, "queries %s, keys %s and values %s do not fit",
               nl_tensor_text(q, one, sizeof one), nl_tensor_text(k, two, sizeof two),
               nl_tensor_text(v, three, sizeof three));
    NL_REQUIRE(d->attr.pairwise.score == NL_SCORE_PRODUCT || q->dim[3] == 1, NL_ESHAPE,
               "a sum of scores takes one number a position, got queries %s",
               nl_tensor_text(q, one, sizeof one));
    const int64_t dim[4] = {q->dim[0], q->dim[1], q->dim[2], v->dim[3]};
    out_dense(d, 0, 4, dim);
    strides_in_order_of(&d->out[0], q);
    if (d->in[3].rank) NL_TRY(want_vector(&d->in[3], v->dim[3], "bias"));
    if (d->in[4].rank) NL_TRY(want_same(&d->in[4], &d->out[0], "residual"));
    if (d->attr.pairwise.row) d->out[1] = nl_tensor_dense(nl_type_of_sums(q->type), 3, dim);
    return NL_OK;
}

static nl_status batched(struct nl_op_desc *d, int64_t columns, bool fits)
{
    const nl_tensor *a = &d->in[0], *b = &d->in[1];
    char one[TEXT], two[TEXT];
    NL_REQUIRE(a->rank == 4 && b->rank == 4 && a->dim[0] == b->dim[0] && a->dim[1] == b->dim[1] &&
                   fits,
               NL_ESHAPE, "%s and %s do not fit", nl_tensor_text(a, one, sizeof one),
               nl_tensor_text(b, two, sizeof two));
    const int64_t dim[4] = {a->dim[0], a->dim[1], a->dim[2], columns};
    out_dense(d, 0, 4, dim);
    return NL_OK;
}

static nl_status infer_product(struct nl_op_desc *d)
{
    return batched(d, d->in[1].dim[3], d->in[0].dim[3] == d->in[1].dim[2]);
}

static nl_status infer_outer_sum(struct nl_op_desc *d)
{
    return batched(d, d->in[1].dim[2], d->in[0].dim[3] == 1 && d->in[1].dim[3] == 1);
}

static nl_status infer_bn_fold(struct nl_op_desc *d)
{
    static const char *const what[] = {"gamma", "beta", "mean", "variance"};
    for (int i = 0; i < 4; i++) NL_TRY(want_vector(&d->in[i], d->in[0].dim[0], what[i]));
    for (int i = 0; i < 2; i++) d->out[i] = nl_tensor_dense(d->in[2].type, 1, d->in[0].dim);
    return NL_OK;
}

static nl_status infer_conv_fold(struct nl_op_desc *d)
{
    const int64_t filters = d->in[0].dim[0];
    NL_TRY(want_rank(&d->in[0], 5, "filters"));
    if (d->in[1].rank) NL_TRY(want_vector(&d->in[1], filters, "bias"));
    NL_TRY(want_vector(&d->in[2], filters, "scale"));
    NL_TRY(want_vector(&d->in[3], filters, "offset"));
    out_dense(d, 0, 5, d->in[0].dim);
    out_dense(d, 1, 1, d->in[2].dim);
    return NL_OK;
}

static nl_status infer_cast(struct nl_op_desc *d)
{
    d->out[0] = nl_tensor_dense(d->attr.cast.type, d->in[0].rank, d->in[0].dim);
    return NL_OK;
}

/* The rules of gradients are in infer_gradient.c. */
static nl_infer_rule *const rules[NL_N_OPS] = {
    [NL_OP_CONV] = infer_conv,
    [NL_OP_MAX_POOL] = infer_pool,
    [NL_OP_AVG_POOL] = infer_pool,
    [NL_OP_AFFINE] = infer_affine,
    [NL_OP_ADD] = infer_add,
    [NL_OP_RELU] = infer_same,
    [NL_OP_SOFTMAX] = infer_same,
    [NL_OP_MEAN] = infer_mean,
    [NL_OP_PAIRWISE] = infer_pairwise,
    [NL_OP_PRODUCT] = infer_product,
    [NL_OP_OUTER_SUM] = infer_outer_sum,
    [NL_OP_MAP] = infer_same,
    [NL_OP_CAST] = infer_cast,
    [NL_OP_BN_FOLD] = infer_bn_fold,
    [NL_OP_CONV_FOLD] = infer_conv_fold,
};

/* Labels and indices are no numbers to compute with; vectors of statistics are F64 everywhere;
 * parameters beside BF16 activations are F32. */
static bool may_differ(const nl_tensor *t, const nl_tensor *first)
{
    return t->type == NL_U8 || t->type == NL_I64 || (t->type == NL_F64 && t->rank == 1) ||
           (first->type == NL_F64 && first->rank == 1) ||
           (t->type == NL_F32 && first->type == NL_BF16);
}

nl_status nl_infer(struct nl_op_desc *desc, int *n_out)
{
    for (int i = 1; i < NL_MAX_IN; i++)
        NL_REQUIRE(!desc->in[i].rank || desc->in[i].type == desc->in[0].type ||
                       may_differ(&desc->in[i], &desc->in[0]),
                   NL_ESHAPE, "types differ: %s and %s", nl_type_name(desc->in[0].type),
                   nl_type_name(desc->in[i].type));
    for (int i = 0; i < NL_MAX_OUT; i++) desc->out[i] = (nl_tensor){.rank = 0};
    NL_TRY((rules[desc->op] ? rules[desc->op] : nl_infer_gradient_rule(desc->op))(desc));
    for (*n_out = 0; *n_out < NL_MAX_OUT && desc->out[*n_out].rank;) ++*n_out;
    return NL_OK;
}
