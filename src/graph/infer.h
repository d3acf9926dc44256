/* infer.h - the shape rule of each op: what ops.h says, checked once when a node is appended. */
#ifndef NL_INFER_H
#define NL_INFER_H

#include "src/tensor/ops.h"

/* Fills desc->out from desc->op, attr and in; *n_out says how many. NL_ESHAPE with the op's
 * wanted and found shapes. */
nl_status nl_infer(struct nl_op_desc *desc, int *n_out) NL_MUST_CHECK;

#endif
