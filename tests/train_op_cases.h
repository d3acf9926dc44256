/* train_op_cases.h - shapes and attributes on which the ops of training are tested. */
#ifndef NL_TESTS_TRAIN_OP_CASES_H
#define NL_TESTS_TRAIN_OP_CASES_H

#include "src/tensor/ops.h"

/* Dense descriptions; strides are filled in. Index inputs are U8, labels I64. */
struct train_op_case {
    nl_op op;
    union nl_attr attr;
    nl_tensor in[NL_MAX_IN], out[NL_MAX_OUT];
};

extern const struct train_op_case train_op_cases[];
extern const int train_op_n_cases;

#endif
