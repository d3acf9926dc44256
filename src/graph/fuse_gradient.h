/* fuse_gradient.h - the backward pass of batch norm and the ReLU after it in two passes over memory.
 *
 * Built by rules it is six: the ReLU's mask, two sums, dy * a, x * p + q, and their sum.
 */
#ifndef NL_FUSE_GRADIENT_H
#define NL_FUSE_GRADIENT_H

#include "src/graph/graph.h"

/* Marks nodes that are no longer needed in dead[]; `uses` as in rewrite.c, kept up to date. */
void nl_fuse_gradient(struct nl_graph *g, bool *dead, int *uses);

#endif
