#include "src/graph/carry.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a number of a sweep over sorted scores costs, in multiply-adds of a product. */
enum { OF_A_SWEEP = 64 };

static bool is_for_each_position(const struct nl_graph *g, const struct nl_node *conv)
{
    if (conv->op != NL_OP_CONV || conv->attr.conv.relu || conv->attr.conv.sums) return false;
    for (int i = 0; i < 3; i++)
        if (g->values[conv->in[1]].tensor.dim[i + 1] != 1 || conv->attr.conv.stride[i] != 1 ||
            conv->attr.conv.pad[i] != 0)
            return false;
    return true;
}

/* The pairwise node whose output is all that `conv`, a product for each position, takes; NULL where
 * there is none, or something else reads it. */
static const struct nl_node *related(const struct nl_graph *g, const struct nl_node *conv,
                                     const bool *dead, const int *uses)
{
    if (!is_for_each_position(g, conv)) return NULL;
    const struct nl_value_info *in = &g->values[conv->in[0]], *y = &g->values[in->base];
    const bool whole = nl_tensor_is_dense(&in->tensor) && in->offset == 0 &&
                       nl_tensor_count(&in->tensor) == nl_tensor_count(&y->tensor);
    if (!whole || uses[in->base] != 1 || y->kind != NL_VALUE_NODE) return NULL;
    const struct nl_node *pairwise = &g->nodes[y->node];
    const bool plain = pairwise->op == NL_OP_PAIRWISE && pairwise->in[3] == NL_NONE &&
                       pairwise->in[4] == NL_NONE && !pairwise->attr.pairwise.row;
    return plain && !dead[pairwise - g->nodes] ? pairwise : NULL;
}

/* Whether v shows positions of a dense list, each with all of its channels. */
static bool is_dense_view(const struct nl_graph *g, nl_value v, int64_t channels)
{
    const struct nl_value_info *view = &g->values[v], *base = &g->values[view->base];
    for (int i = 0; i < 3; i++)
        if (view->tensor.stride[i] % channels != 0) return false;
    return base->tensor.rank == 5 && nl_tensor_is_dense(&base->tensor) && view->offset == 0 &&
           base->tensor.dim[4] == channels && view->tensor.dim[3] == channels;
}

/* The same positions with other channels. */
static nl_tensor with_channels(const nl_tensor *t, int64_t channels)
{
    nl_tensor wide = *t;
    const int64_t had = t->dim[t->rank - 1];
    for (int i = 0; i < t->rank - 1; i++) wide.stride[i] = t->stride[i] / had * channels;
    wide.dim[t->rank - 1] = channels;
    return wide;
}

/* Multiply-adds of the best of the ways that there are; `direct`: of no other than pair by pair. Of
 * more positions than memory holds, too. */
static double cost_of(const struct nl_op_desc *desc, bool direct)
{
    const nl_tensor *q = &desc->in[0], *v = &desc->in[2];
    const double batches = (double)(q->dim[0] * q->dim[1]), depth = (double)q->dim[3];
    const double queries = (double)q->dim[2], keys = (double)v->dim[2], width = (double)v->dim[3];
    const bool product = desc->attr.pairwise.score == NL_SCORE_PRODUCT;
    const nl_affinity f = desc->attr.pairwise.f;
    double each = queries * keys * (product ? depth + width : width);
    if (!direct && desc->attr.pairwise.norm == NL_NORM_COUNT &&
        f == (product ? NL_F_IDENTITY : NL_F_RELU))
        each = fmin(each, (queries + keys) * width * (product ? depth : OF_A_SWEEP));
    return batches * each;
}

/* By a tenth, since wider values go through memory, too. In BF16 it was slower (decisions/0009). */
static bool pays(const struct nl_graph *g, const struct nl_node *conv,
                 const struct nl_node *pairwise)
{
    const bool direct =
        strcmp(pairwise->force, "tiled") == 0 || strcmp(pairwise->force, "plain") == 0;
    const struct nl_op_desc now = nl_graph_desc(g, pairwise);
    const nl_tensor *w = &g->values[conv->in[1]].tensor, *y = &now.out[0], *v = &now.in[2];
    const int64_t queries = nl_tensor_count(y) / y->dim[3], keys = nl_tensor_count(v) / v->dim[3];
    const double product = (double)(w->dim[0] * w->dim[4]);
    struct nl_op_desc then = now;
    then.in[2] = with_channels(v, w->dim[0]);
    return y->type != NL_BF16 && cost_of(&then, direct) + product * (double)keys <
                                     0.9 * (cost_of(&now, direct) + product * (double)queries);
}

/* W_z of the values, laid out as they were. */
static nl_status widen_values(struct nl_graph *g, const struct nl_node *conv, nl_value v,
                              nl_value *wide)
{
    const nl_tensor view =
        with_channels(&g->values[v].tensor, g->values[conv->in[1]].tensor.dim[0]);
    const nl_value in[2] = {g->values[v].base, conv->in[1]};
    const union nl_attr attr = {.conv = {.stride = {1, 1, 1}}};
    nl_value made;
    char name[160];
    snprintf(name, sizeof name, "%s (values)", conv->name);
    NL_TRY(nl_graph_append(g, NL_OP_CONV, name, &attr, in, 2, &made));
    return nl_graph_view(g, made, &view, 0, wide);
}

/* Node `i`, the convolution, becomes pairwise node `from`, which makes z of wider values. */
static nl_status merge(struct nl_graph *g, int i, int from)
{
    const struct nl_node conv = g->nodes[i];
    struct nl_node pairwise = g->nodes[from];
    const nl_tensor view =
        with_channels(&g->values[pairwise.out[0]].tensor, g->values[conv.out[0]].tensor.dim[4]);
    NL_TRY(widen_values(g, &conv, pairwise.in[2], &pairwise.in[2]));
    if (conv.in[3] != NL_NONE) NL_TRY(nl_graph_view(g, conv.in[3], &view, 0, &pairwise.in[4]));
    NL_TRY(nl_graph_view(g, conv.out[0], &view, 0, &pairwise.out[0]));
    pairwise.in[3] = conv.in[2];
    pairwise.name = conv.name;
    g->nodes[i] = pairwise;
    for (int n = 0; n < g->n_notes; n++)
        if (g->notes[n].node == from) g->notes[n].node = i;
    return NL_OK;
}

nl_status nl_carry(struct nl_graph *g, int i, bool *dead, const int *uses)
{
    const struct nl_node *conv = &g->nodes[i];
    const struct nl_node *pairwise = dead[i] ? NULL : related(g, conv, dead, uses);
    if (!pairwise || !is_dense_view(g, pairwise->in[2], g->values[conv->in[1]].tensor.dim[4]) ||
        (conv->in[3] != NL_NONE && !nl_tensor_is_dense(&g->values[conv->in[3]].tensor)) ||
        !pays(g, conv, pairwise))
        return NL_OK;
    const int from = (int)(pairwise - g->nodes);
    NL_TRY(merge(g, i, from));
    dead[from] = true;
    return NL_OK;
}
