/* recompute.h - what the backward nodes read is kept, or made once more when it is read.
 *
 * Kept is one tensor a convolution: its output. The BN and ReLU after it are cheap, so backward
 * nodes read a second copy of them, made just before, and the first is gone after the forward pass.
 * So are the large sums that end residual blocks: one after the other of a stage is made again when
 * the backward pass comes to it, and what later stages kept is gone by then.
 * With training.recompute kept are only the outputs of residual and non-local blocks; what lies
 * between is made again, a block at a time (Chen et al. 2016, "Training deep nets with sublinear
 * memory cost").
 */
#ifndef NL_RECOMPUTE_H
#define NL_RECOMPUTE_H

#include "src/graph/graph.h"

/* Appends the copies at the end of the list; *any says whether there are some, so that the list
 * must be put in order. */
nl_status nl_recompute(struct nl_graph *g, bool *any) NL_MUST_CHECK;

#endif
