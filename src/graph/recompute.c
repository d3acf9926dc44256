#include "src/graph/recompute.h"

#include "src/core/memory.h"

#include <stdio.h>

/* The values of the list as it was, and what stands for each in the backward part. */
struct copies {
    struct nl_graph *g;
    size_t kept;  /* bytes of forward activations that backward nodes read as things stand */
    nl_value *of; /* per value: its second copy, NL_NONE: none yet */
    int n_values;
    bool *any;
};

static size_t bytes_of(const struct nl_graph *g, nl_value v)
{
    const nl_tensor *t = &g->values[v].tensor;
    return (size_t)nl_tensor_count(t) * nl_type_size(t->type);
}

/* Affines of activations, their ReLU included, are one pass over what is kept. With a residual it is
 * two, which may have to be made again first: worth it for what is a good part of all that is kept. */
static bool is_cheap(const struct copies *c, const struct nl_node *node)
{
    enum { PART = 100 };
    if (node->op != NL_OP_AFFINE) return false;
    return node->in[3] == NL_NONE || bytes_of(c->g, node->out[0]) * PART >= c->kept;
}

/* What lies between the outputs of residual blocks: those end in a sum or an affine with one. */
static bool is_inside(const struct nl_node *node)
{
    switch (node->op) {
    case NL_OP_CONV:
        return node->in[3] == NL_NONE;
    case NL_OP_MAX_POOL:
    case NL_OP_PAIRWISE:
    case NL_OP_BN_SUMS:
    case NL_OP_BN_FOLD:
        return true;
    default:
        return false;
    }
}

static bool is_made_again(const struct copies *c, const struct nl_node *node)
{
    if (node->backward) return false;
    if (c->g->training.recompute)
        return is_inside(node) || (node->op == NL_OP_AFFINE && node->in[3] == NL_NONE);
    return is_cheap(c, node);
}

static nl_status again(struct copies *c, nl_value v, nl_value *out);

/* A second node like forward node `number`, reading second copies where there are some. */
static nl_status clone(struct copies *c, int number)
{
    const struct nl_node node = c->g->nodes[number];
    nl_value in[NL_MAX_IN], out[NL_MAX_OUT];
    char name[192];
    for (int k = 0; k < NL_MAX_IN; k++) NL_TRY(again(c, node.in[k], &in[k]));
    snprintf(name, sizeof name, "%.160s_again", node.name);
    NL_TRY(nl_graph_append(c->g, node.op, name, &node.attr, in, NL_MAX_IN, out));
    struct nl_node *made = &c->g->nodes[c->g->n_nodes - 1];
    made->backward = true;
    snprintf(made->force, sizeof made->force, "%s", node.force);
    for (int k = 0; k < NL_MAX_OUT; k++)
        if (node.out[k] != NL_NONE) c->of[node.out[k]] = out[k];
    return NL_OK;
}

/* What the backward part reads for `v`: a second copy, or `v` where it is kept. */
static nl_status again(struct copies *c, nl_value v, nl_value *out)
{
    struct nl_graph *g = c->g;
    const nl_value base = v == NL_NONE ? NL_NONE : g->values[v].base;
    *out = v;
    if (v == NL_NONE || base >= c->n_values || g->values[base].kind != NL_VALUE_NODE) return NL_OK;
    if (!is_made_again(c, &g->nodes[g->values[base].node])) return NL_OK;
    if (c->of[base] == NL_NONE) NL_TRY(clone(c, g->values[base].node));
    *c->any = true;
    *out = c->of[base];
    if (v == base) return NL_OK;
    const nl_tensor tensor = g->values[v].tensor;
    return nl_graph_view(g, c->of[base], &tensor, g->values[v].offset, out);
}

/* Each forward activation that a backward node reads, once. */
static size_t kept_bytes(const struct copies *c)
{
    const struct nl_graph *g = c->g;
    size_t bytes = 0;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; g->nodes[i].backward && k < NL_MAX_IN; k++) {
            const nl_value v =
                g->nodes[i].in[k] == NL_NONE ? NL_NONE : g->values[g->nodes[i].in[k]].base;
            if (v == NL_NONE || c->of[v] != NL_NONE || g->values[v].kind != NL_VALUE_NODE) continue;
            if (g->nodes[g->values[v].node].backward) continue;
            c->of[v] = v; /* counted */
            bytes += bytes_of(g, v);
        }
    for (int v = 0; v < c->n_values; v++) c->of[v] = NL_NONE;
    return bytes;
}

nl_status nl_recompute(struct nl_graph *g, bool *any)
{
    const int n_nodes = g->n_nodes;
    struct copies c = {.g = g, .n_values = g->n_values, .any = any};
    nl_status st = NL_OK;
    *any = false;
    NL_TRY(nl_calloc((size_t)c.n_values + 1, sizeof *c.of, &c.of));
    for (int v = 0; v < c.n_values; v++) c.of[v] = NL_NONE;
    c.kept = kept_bytes(&c);
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; st == NL_OK && g->nodes[i].backward && k < NL_MAX_IN; k++) {
            nl_value read = NL_NONE;
            st = again(&c, g->nodes[i].in[k], &read);
            g->nodes[i].in[k] = read;
        }
    nl_free(c.of);
    return st;
}
