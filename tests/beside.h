/* beside.h - which types the tensors of an op have where activations are BF16 (ops.h). */
#ifndef NL_TESTS_BESIDE_H
#define NL_TESTS_BESIDE_H

#include "src/tensor/half.h"
#include "src/tensor/ops.h"

/* Whether the op knows BF16 at all: parameters, loss and optimizer do not. */
static inline bool has_bf16(nl_op op)
{
    static const nl_op never[] = {NL_OP_BN_FOLD,    NL_OP_CONV_FOLD,        NL_OP_CROSS_ENTROPY,
                                  NL_OP_BN_SUMS_DX, NL_OP_BN_FOLD_DX,       NL_OP_ACCUMULATE,
                                  NL_OP_SQUARE_SUM, NL_OP_CROSS_ENTROPY_DX, NL_OP_SGD,
                                  NL_OP_AVERAGE};
    for (size_t i = 0; i < NL_COUNT(never); i++)
        if (never[i] == op) return false;
    return true;
}

static inline bool are_filters(nl_op op, bool out, int i)
{
    if (out) return op == NL_OP_CONV_DW && i == 0;
    return (op == NL_OP_CONV || op == NL_OP_CONV_DX) && i == 1;
}

/* The type of tensor `t`, number `i` of the op's inputs or outputs, where activations are `real`:
 * vectors, filters and the rows of pairwise are F32 beside BF16. */
static inline nl_type type_beside(nl_op op, const nl_tensor *t, bool out, int i, nl_type real)
{
    const bool beside = are_filters(op, out, i) || t->rank == 1 || t->rank == 3;
    return beside ? nl_type_of_sums(real) : real;
}

/* Whether its numbers are to be such that BF16 holds them: activations, and inputs that kernels may
 * round to BF16, so that runs in BF16 and in double see the same numbers. */
static inline bool is_rounded(nl_op op, const nl_tensor *t, bool out, int i)
{
    return type_beside(op, t, out, i, NL_BF16) == NL_BF16 || (!out && are_filters(op, out, i));
}

static inline double to_bf16(double value)
{
    return (double)nl_bf16_to_float(nl_float_to_bf16((float)value));
}

#endif
