/* gradient.h - the gradient of a graph, as further nodes of it.
 *
 * Every primitive states its rule as nodes (gradient_rules.c); fused ones have none, since rewrites
 * come after. What the backward nodes read of the forward ones is kept, or computed again, as
 * src/graph/recompute.h decides.
 */
#ifndef NL_GRADIENT_H
#define NL_GRADIENT_H

#include "src/graph/graph.h"

/* Appends the gradient of sum(y * dy): of every parameter that is trained, added to params->grads,
 * and of wrt[i] into dwrt[i] (NL_NONE where y does not depend on it). NL_ENOSUP and the node's name
 * where a node has no rule. */
nl_status nl_graph_differentiate(struct nl_graph *g, nl_value y, nl_value dy, const nl_value *wrt,
                                 nl_value *dwrt, int n_wrt) NL_MUST_CHECK;

/* What rules work on. */
struct nl_gradient {
    struct nl_graph *g;
    nl_value *of; /* per value: its gradient, laid out as it; views have none of their own */
    bool *wanted; /* per value: a gradient of it is asked for, or leads to one */
    int n_values; /* values before the gradient; later ones are never asked about */
    int n_names;
    const char *node; /* name of the node whose rule runs */
};

bool nl_gradient_wanted(const struct nl_gradient *d, nl_value v);
nl_value nl_gradient_of(const struct nl_gradient *d, nl_value v); /* NL_NONE: none */

/* One more contribution to the gradient of `v`. */
nl_status nl_gradient_add(struct nl_gradient *d, nl_value v, nl_value dv);

/* The memory that gradients of parameter `v`, or of the part that view `v` shows, are added to.
 * NL_ENOSUP where `v` is no parameter. */
nl_status nl_gradient_memory(struct nl_gradient *d, nl_value v, nl_value *out);

/* Appends a node of the backward list under a name of its own. */
nl_status nl_gradient_append(struct nl_gradient *d, nl_op op, const union nl_attr *attr,
                             const nl_value *in, int n_in, nl_value *out);

/* The rule of node number `node`, some output of which has a gradient. */
nl_status nl_gradient_rule(struct nl_gradient *d, int node);

#endif
