/* rewrite.h - the same network with fewer nodes. Works on any node list, forward or backward.
 *
 * Values in `keep` stay what they are: nothing that makes them is folded away. Nodes that no kept
 * value needs are dropped. Node numbers change, value numbers stay.
 */
#ifndef NL_REWRITE_H
#define NL_REWRITE_H

#include "src/graph/graph.h"

/* Whether a node of that description is worth having: an implementation loses nothing. */
typedef bool nl_rewrite_can_fn(void *user, const struct nl_op_desc *desc);

/* In this order: an affine of constants goes into the convolution before it (BN folding); an add
 * takes over as the residual of a convolution or affine; a ReLU goes into what makes its input; W_z
 * is carried to the values of a pairwise op (carry.h), unless the graph trains; the moments of a
 * batch go into the convolution that makes it, where `can` (NULL: nowhere) says so.
 * Bits change only as the rounding of folded weights and moments does. */
nl_status nl_rewrite(struct nl_graph *g, const nl_value *keep, int n_keep, nl_rewrite_can_fn *can,
                     void *user) NL_MUST_CHECK;

/* Fills constant[v] for every value: true where it depends on parameters only. */
void nl_find_constants(const struct nl_graph *g, bool *constant);

#endif
