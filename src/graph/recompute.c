#include "src/graph/recompute.h"

#include "src/core/memory.h"

#include <stdio.h>
#include <string.h>

/* Affines of activations without residual, their ReLU included: one pass over what is kept. */
static bool is_cheap(const struct nl_graph *g, const struct nl_node *node)
{
    return !node->backward && node->op == NL_OP_AFFINE && node->in[3] == NL_NONE &&
           g->values[g->values[node->in[0]].base].kind == NL_VALUE_NODE;
}

/* `copy`[v] becomes the second copy of v, which forward node `number` makes. */
static nl_status clone(struct nl_graph *g, int number, nl_value *copy)
{
    const struct nl_node node = g->nodes[number];
    char name[192];
    nl_value out[NL_MAX_OUT];
    snprintf(name, sizeof name, "%.160s_again", node.name);
    NL_TRY(nl_graph_append(g, node.op, name, &node.attr, node.in, NL_MAX_IN, out));
    g->nodes[g->n_nodes - 1].backward = true;
    copy[node.out[0]] = out[0];
    return NL_OK;
}

/* The input `k` of backward node `i`, read from a copy where that is cheap. */
static nl_status redirect(struct nl_graph *g, int i, int k, nl_value *copy, bool *any)
{
    const nl_value v = g->nodes[i].in[k], base = v == NL_NONE ? NL_NONE : g->values[v].base;
    if (v == NL_NONE || g->values[base].kind != NL_VALUE_NODE) return NL_OK;
    const int maker = g->values[base].node;
    if (!is_cheap(g, &g->nodes[maker])) return NL_OK;
    if (copy[base] == NL_NONE) NL_TRY(clone(g, maker, copy));
    *any = true;
    if (v == base) {
        g->nodes[i].in[k] = copy[base];
        return NL_OK;
    }
    const nl_tensor tensor = g->values[v].tensor;
    return nl_graph_view(g, copy[base], &tensor, g->values[v].offset, &g->nodes[i].in[k]);
}

nl_status nl_recompute(struct nl_graph *g, bool *any)
{
    const int n_nodes = g->n_nodes, n_values = g->n_values;
    nl_status st = NL_OK;
    nl_value *copy = NULL, read;
    *any = false;
    NL_TRY(nl_calloc((size_t)n_values + 1, sizeof *copy, &copy));
    for (int v = 0; v < n_values; v++) copy[v] = NL_NONE;
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; st == NL_OK && g->nodes[i].backward && k < NL_MAX_IN; k++) {
            read = g->nodes[i].in[k];
            if (read == NL_NONE || g->values[read].base < n_values)
                st = redirect(g, i, k, copy, any);
        }
    nl_free(copy);
    return st;
}
