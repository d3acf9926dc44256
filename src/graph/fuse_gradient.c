#include "src/graph/fuse_gradient.h"

#include <string.h>

/* The live node that makes `v` whole, of op `op`; NULL if there is none. */
static struct nl_node *maker(const struct nl_graph *g, const bool *dead, nl_value v, nl_op op)
{
    if (v == NL_NONE || g->values[v].kind != NL_VALUE_NODE) return NULL;
    const int node = g->values[v].node;
    return !dead[node] && g->nodes[node].op == op ? &g->nodes[node] : NULL;
}

/* x * p + q + (dy * a) becomes bn_dx(dy, x, a, p, q). */
static bool join(struct nl_graph *g, struct nl_node *node, bool *dead, const int *uses)
{
    struct nl_node *scaled = maker(g, dead, node->in[3], NL_OP_AFFINE);
    const bool fits = node->op == NL_OP_AFFINE && node->backward && node->in[2] != NL_NONE &&
                      scaled && scaled->backward && scaled->in[2] == NL_NONE &&
                      scaled->in[3] == NL_NONE && uses[node->in[3]] == 1;
    if (!fits) return false;
    const nl_value in[NL_MAX_IN] = {scaled->in[0], node->in[0], scaled->in[1],
                                    node->in[1],   node->in[2], NL_NONE};
    dead[scaled - g->nodes] = true;
    node->op = NL_OP_BN_DX;
    memset(&node->attr, 0, sizeof node->attr);
    memcpy(node->in, in, sizeof in);
    return true;
}

/* The sums that go with the gradient `d` of `x`; NULL if something else reads `d` too. */
static struct nl_node *sums_of(struct nl_graph *g, const bool *dead, const int *uses, nl_value d,
                               nl_value x)
{
    if (uses[d] != 2) return NULL;
    for (int i = 0; i < g->n_nodes; i++)
        if (!dead[i] && g->nodes[i].op == NL_OP_AFFINE_DAB && g->nodes[i].in[1] == d &&
            g->nodes[i].in[0] == x)
            return &g->nodes[i];
    return NULL;
}

/* Where dy comes through the ReLU of relu(x * a + b), both passes find the mask from x. */
static void take_mask(struct nl_graph *g, struct nl_node *node, bool *dead, int *uses)
{
    const nl_value d = node->in[0], x = node->in[1], a = node->in[2];
    struct nl_node *masked = maker(g, dead, d, NL_OP_RELU_DX);
    struct nl_node *forward = masked ? maker(g, dead, masked->in[1], NL_OP_AFFINE) : NULL;
    struct nl_node *sums = masked ? sums_of(g, dead, uses, d, x) : NULL;
    const bool fits = forward && sums && forward->attr.pointwise.relu && forward->in[0] == x &&
                      forward->in[1] == a && forward->in[2] != NL_NONE && forward->in[3] == NL_NONE;
    if (!fits) return;
    node->in[0] = sums->in[1] = masked->in[0];
    node->in[5] = sums->in[3] = forward->in[2];
    sums->in[2] = a;
    uses[masked->in[0]]++; /* two readers now, where the mask was one */
    uses[masked->in[1]]--;
    dead[masked - g->nodes] = true;
}

void nl_fuse_gradient(struct nl_graph *g, bool *dead, int *uses)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (!dead[i] && join(g, &g->nodes[i], dead, uses)) take_mask(g, &g->nodes[i], dead, uses);
}
