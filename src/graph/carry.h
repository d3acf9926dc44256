/* carry.h - W_z carried from what a pairwise op makes to the values that it takes.
 *
 * z = W_z (1/C sum_j f_j g_j) + b + x is 1/C sum_j f_j (W_z g_j) + b + x: one product for each key
 * in place of one for each query, against wider values. Keys are fewer where they are pooled.
 */
#ifndef NL_CARRY_H
#define NL_CARRY_H

#include "src/graph/graph.h"

/* The most values that carrying over one node appends; it appends one node. */
enum { NL_CARRY_VALUES = 4 };

/* Where node `i` is such a convolution of what only it reads, and counted cheaper so, appends that
 * of the values, under a name that only the plan knows, and lets the pairwise op make z. Marks
 * dead[]; `uses` as in rewrite.c. */
nl_status nl_carry(struct nl_graph *g, int i, bool *dead, const int *uses) NL_MUST_CHECK;

#endif
