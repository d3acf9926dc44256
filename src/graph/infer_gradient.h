/* infer_gradient.h - the shape rules of what training adds to a graph. */
#ifndef NL_INFER_GRADIENT_H
#define NL_INFER_GRADIENT_H

#include "src/tensor/ops.h"

typedef nl_status nl_infer_rule(struct nl_op_desc *desc);

/* Never NULL for an op that infer.c has no rule for. */
nl_infer_rule *nl_infer_gradient_rule(nl_op op);

#endif
