/* The rule of each primitive: its gradient as nodes. ops.h has the formulas. */
#include "src/graph/gradient.h"

#include <stdio.h>

/* The node whose rule runs, copied, since appending moves the list; and the gradient of out[0]. */
struct site {
    struct nl_gradient *d;
    struct nl_node node;
    int number;
    nl_value dy;
};

typedef nl_status rule_fn(const struct site *s);

static nl_tensor tensor_of(const struct site *s, nl_value v)
{
    return *nl_graph_tensor(s->d->g, v);
}

static void extent_of(const struct site *s, nl_value v, int extent[3])
{
    const nl_tensor t = tensor_of(s, v);
    for (int i = 0; i < 3; i++) extent[i] = (int)t.dim[i + 1];
}

/* One node with one output, which is the gradient of in[to]. */
static nl_status give(const struct site *s, nl_op op, const union nl_attr *attr, const nl_value *in,
                      int n_in, int to)
{
    nl_value dx[NL_MAX_OUT];
    if (!nl_gradient_wanted(s->d, s->node.in[to])) return NL_OK;
    NL_TRY(nl_gradient_append(s->d, op, attr, in, n_in, dx));
    return nl_gradient_add(s->d, s->node.in[to], dx[0]);
}

/* Filters that other nodes make: their gradient is a value as any other. */
static nl_status made_filters(const struct site *s, union nl_attr *attr)
{
    const nl_value in[2] = {s->node.in[0], s->dy};
    nl_value out[NL_MAX_OUT];
    attr->conv.set = true;
    NL_TRY(nl_gradient_append(s->d, NL_OP_CONV_DW, attr, in, 2, out));
    NL_TRY(nl_gradient_add(s->d, s->node.in[1], out[0]));
    return attr->conv.bias ? nl_gradient_add(s->d, s->node.in[2], out[1]) : NL_OK;
}

static nl_status conv_filters(const struct site *s)
{
    const struct nl_value_info *values = s->d->g->values;
    const nl_value in[2] = {s->node.in[0], s->dy};
    union nl_attr attr = s->node.attr;
    nl_value out[2];
    char name[160];
    attr.conv.bias = s->node.in[2] != NL_NONE;
    extent_of(s, s->node.in[1], attr.conv.extent);
    if (values[values[s->node.in[1]].base].kind == NL_VALUE_NODE) return made_filters(s, &attr);
    NL_TRY(nl_gradient_memory(s->d, s->node.in[1], &out[0]));
    if (attr.conv.bias) NL_TRY(nl_gradient_memory(s->d, s->node.in[2], &out[1]));
    snprintf(name, sizeof name, "%.120s_conv_dw%d", s->node.name, s->d->n_names++);
    NL_TRY(nl_graph_append_into(s->d->g, NL_OP_CONV_DW, name, &attr, in, 2, out,
                                attr.conv.bias ? 2 : 1));
    s->d->g->nodes[s->d->g->n_nodes - 1].backward = true;
    return NL_OK;
}

static nl_status conv(const struct site *s)
{
    const nl_value in[2] = {s->dy, s->node.in[1]};
    union nl_attr attr = s->node.attr;
    NL_REQUIRE(s->node.in[3] == NL_NONE && !attr.conv.relu, NL_ENOSUP,
               "%s: a fused convolution has no gradient rule", s->node.name);
    if (nl_gradient_wanted(s->d, s->node.in[1])) NL_TRY(conv_filters(s));
    extent_of(s, s->node.in[0], attr.conv.extent);
    return give(s, NL_OP_CONV_DX, &attr, in, 2, 0);
}

/* The node says more than its builder asked for: a further output. */
static nl_status extend(const struct site *s, const union nl_attr *attr, nl_value *out)
{
    struct nl_node *node = &s->d->g->nodes[s->number];
    if (node->out[1] == NL_NONE) NL_TRY(nl_graph_extend(s->d->g, s->number, attr));
    *out = s->d->g->nodes[s->number].out[1];
    return NL_OK;
}

static nl_status max_pool(const struct site *s)
{
    union nl_attr attr = s->node.attr;
    nl_value in[2] = {s->dy, NL_NONE};
    attr.pool.index = true;
    NL_TRY(extend(s, &attr, &in[1]));
    extent_of(s, s->node.in[0], attr.pool.extent);
    return give(s, NL_OP_MAX_POOL_DX, &attr, in, 2, 0);
}

static nl_status avg_pool(const struct site *s)
{
    union nl_attr attr = s->node.attr;
    extent_of(s, s->node.in[0], attr.pool.extent);
    return give(s, NL_OP_AVG_POOL_DX, &attr, &s->dy, 1, 0);
}

static nl_status affine(const struct site *s)
{
    const nl_value x = s->node.in[0], a = s->node.in[1], b = s->node.in[2];
    const nl_value dx[3] = {s->dy, a, NL_NONE}, both[2] = {x, s->dy};
    nl_value sums[NL_MAX_OUT];
    NL_REQUIRE(s->node.in[3] == NL_NONE && !s->node.attr.pointwise.relu, NL_ENOSUP,
               "%s: a fused affine has no gradient rule", s->node.name);
    NL_TRY(give(s, NL_OP_AFFINE, NULL, dx, 3, 0));
    if (!nl_gradient_wanted(s->d, a) && !nl_gradient_wanted(s->d, b)) return NL_OK;
    NL_TRY(nl_gradient_append(s->d, NL_OP_AFFINE_DAB, NULL, both, 2, sums));
    NL_TRY(nl_gradient_add(s->d, a, sums[0]));
    return b == NL_NONE ? NL_OK : nl_gradient_add(s->d, b, sums[1]);
}

/* Both outputs of a node whose rule needs the gradients of both. */
static nl_status both_gradients(const struct site *s, nl_value dy[2])
{
    for (int i = 0; i < 2; i++) {
        dy[i] = nl_gradient_of(s->d, s->node.out[i]);
        NL_REQUIRE(dy[i] != NL_NONE, NL_ENOSUP, "%s (%s): only one of its outputs has a gradient",
                   s->node.name, nl_op_name(s->node.op));
    }
    return NL_OK;
}

static nl_status bn_fold(const struct site *s)
{
    nl_value in[5] = {s->node.in[0], s->node.in[2], s->node.in[3]}, out[NL_MAX_OUT];
    NL_TRY(both_gradients(s, &in[3]));
    NL_TRY(nl_gradient_append(s->d, NL_OP_BN_FOLD_DX, &s->node.attr, in, 5, out));
    for (int i = 0; i < 4; i++) NL_TRY(nl_gradient_add(s->d, s->node.in[i], out[i]));
    return NL_OK;
}

static nl_status bn_sums(const struct site *s)
{
    const nl_tensor x = tensor_of(s, s->node.in[0]);
    const int64_t rows = nl_tensor_count(&x) / x.dim[x.rank - 1];
    const union nl_attr attr = {.bn_sums = {.count = (double)rows}};
    nl_value in[3] = {s->node.out[0]}, pq[NL_MAX_OUT];
    NL_TRY(both_gradients(s, &in[1]));
    NL_TRY(nl_gradient_append(s->d, NL_OP_BN_SUMS_DX, &attr, in, 3, pq));
    const nl_value dx[3] = {s->node.in[0], pq[0], pq[1]};
    return give(s, NL_OP_AFFINE, NULL, dx, 3, 0);
}

static nl_status add(const struct site *s)
{
    NL_REQUIRE(!s->node.attr.pointwise.relu, NL_ENOSUP, "%s: a fused sum has no gradient rule",
               s->node.name);
    NL_TRY(nl_gradient_add(s->d, s->node.in[0], s->dy));
    return nl_gradient_add(s->d, s->node.in[1], s->dy);
}

static nl_status mul(const struct site *s)
{
    const nl_value one[2] = {s->dy, s->node.in[1]}, two[2] = {s->dy, s->node.in[0]};
    NL_TRY(give(s, NL_OP_MUL, NULL, one, 2, 0));
    return give(s, NL_OP_MUL, NULL, two, 2, 1);
}

static nl_status relu(const struct site *s)
{
    const nl_value in[2] = {s->dy, s->node.out[0]};
    return give(s, NL_OP_RELU_DX, NULL, in, 2, 0);
}

static nl_status softmax(const struct site *s)
{
    const nl_value in[2] = {s->dy, s->node.out[0]};
    return give(s, NL_OP_SOFTMAX_DX, NULL, in, 2, 0);
}

static nl_status map(const struct site *s)
{
    const nl_value in[2] = {s->node.in[0], s->dy};
    return give(s, NL_OP_MAP_DX, &s->node.attr, in, 2, 0);
}

static nl_status cast(const struct site *s)
{
    const union nl_attr attr = {.cast = {.type = tensor_of(s, s->node.in[0]).type}};
    return give(s, NL_OP_CAST, &attr, &s->dy, 1, 0);
}

static nl_status mean(const struct site *s)
{
    union nl_attr attr = {.mean = {.extent = {0}}};
    extent_of(s, s->node.in[0], attr.mean.extent);
    return give(s, NL_OP_MEAN_DX, &attr, &s->dy, 1, 0);
}

static nl_status cross_entropy(const struct site *s)
{
    const nl_value in[3] = {s->node.in[0], s->node.in[1], s->dy};
    return give(s, NL_OP_CROSS_ENTROPY_DX, NULL, in, 3, 0);
}

static nl_status pairwise(const struct site *s)
{
    union nl_attr attr = s->node.attr;
    nl_value in[6] = {s->node.in[0], s->node.in[1], s->node.in[2], s->node.out[0], s->dy, NL_NONE};
    nl_value out[NL_MAX_OUT];
    attr.pairwise.row = attr.pairwise.norm == NL_NORM_SUM;
    if (attr.pairwise.row) NL_TRY(extend(s, &attr, &in[5]));
    NL_TRY(nl_gradient_append(s->d, NL_OP_PAIRWISE_DX, &attr, in, 6, out));
    for (int i = 0; i < 3; i++) NL_TRY(nl_gradient_add(s->d, s->node.in[i], out[i]));
    return NL_OK;
}

/* v with its last two axes exchanged. */
static nl_status transposed(const struct site *s, nl_value v, nl_value *out)
{
    const nl_tensor t = tensor_of(s, v);
    const nl_tensor view = nl_tensor_permute(&t, (const int[]){0, 1, 3, 2});
    return nl_graph_view(s->d->g, v, &view, 0, out);
}

/* da = scale * dc b^T, db = scale * a^T dc */
static nl_status product(const struct site *s)
{
    nl_value one[2] = {s->dy, NL_NONE}, two[2] = {NL_NONE, s->dy};
    NL_TRY(transposed(s, s->node.in[1], &one[1]));
    NL_TRY(transposed(s, s->node.in[0], &two[0]));
    NL_TRY(give(s, NL_OP_PRODUCT, &s->node.attr, one, 2, 0));
    return give(s, NL_OP_PRODUCT, &s->node.attr, two, 2, 1);
}

static nl_status outer_sum(const struct site *s)
{
    nl_value out[NL_MAX_OUT];
    NL_TRY(nl_gradient_append(s->d, NL_OP_OUTER_SUM_DX, NULL, &s->dy, 1, out));
    NL_TRY(nl_gradient_add(s->d, s->node.in[0], out[0]));
    return nl_gradient_add(s->d, s->node.in[1], out[1]);
}

nl_status nl_gradient_rule(struct nl_gradient *d, int node)
{
    static rule_fn *const rules[NL_N_OPS] = {
        [NL_OP_CONV] = conv,         [NL_OP_MAX_POOL] = max_pool,
        [NL_OP_AVG_POOL] = avg_pool, [NL_OP_AFFINE] = affine,
        [NL_OP_ADD] = add,           [NL_OP_RELU] = relu,
        [NL_OP_SOFTMAX] = softmax,   [NL_OP_MEAN] = mean,
        [NL_OP_PAIRWISE] = pairwise, [NL_OP_PRODUCT] = product,
        [NL_OP_MAP] = map,           [NL_OP_OUTER_SUM] = outer_sum,
        [NL_OP_BN_FOLD] = bn_fold,   [NL_OP_BN_SUMS] = bn_sums,
        [NL_OP_MUL] = mul,           [NL_OP_CROSS_ENTROPY] = cross_entropy,
        [NL_OP_CAST] = cast,
    };
    const struct site s = {.d = d,
                           .node = d->g->nodes[node],
                           .number = node,
                           .dy = nl_gradient_of(d, d->g->nodes[node].out[0])};
    NL_REQUIRE(rules[s.node.op], NL_ENOSUP, "%s (%s): has no gradient rule", s.node.name,
               nl_op_name(s.node.op));
    return rules[s.node.op](&s);
}
