/* ref.h - the plain backend: loops that define what is correct, in F32, F64 and BF16.
 *
 * Every element is read as a double, computed in double and rounded once when it is stored.
 * Loops over independent outputs run in parallel; each output is one thread's sum in a fixed order.
 */
#ifndef NL_REF_H
#define NL_REF_H

#include "src/tensor/backend.h"
#include "src/tensor/half.h"

typedef nl_status nl_ref_run(struct nl_backend *be, const void *prepared,
                             const struct nl_op_desc *desc, const struct nl_args *args);

/* Accepts F32, F64 and BF16. */
bool nl_ref_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why);

nl_ref_run nl_ref_conv, nl_ref_max_pool, nl_ref_avg_pool, nl_ref_affine, nl_ref_add, nl_ref_relu,
    nl_ref_softmax, nl_ref_mean, nl_ref_pairwise, nl_ref_product, nl_ref_outer_sum, nl_ref_map, nl_ref_cast,
    nl_ref_bn_fold, nl_ref_conv_fold;

/* Training: train.c, gradient.c, pairwise_dx.c. */
nl_ref_run nl_ref_mul, nl_ref_bn_sums, nl_ref_cross_entropy, nl_ref_conv_dx, nl_ref_conv_dw,
    nl_ref_max_pool_dx, nl_ref_avg_pool_dx, nl_ref_affine_dab, nl_ref_bn_dx, nl_ref_bn_sums_dx, nl_ref_bn_fold_dx,
    nl_ref_relu_dx, nl_ref_softmax_dx, nl_ref_mean_dx, nl_ref_pairwise_dx, nl_ref_outer_sum_dx,
    nl_ref_map_dx, nl_ref_cross_entropy_dx, nl_ref_accumulate, nl_ref_square_sum, nl_ref_sgd,
    nl_ref_average;

/* One table of scores for each thread. */
nl_status nl_ref_pairwise_dx_prepare(struct nl_backend *be, const struct nl_op_desc *desc,
                                     void **prepared, struct nl_need *need);

/* One row of scores for each thread. */
nl_status nl_ref_pairwise_prepare(struct nl_backend *be, const struct nl_op_desc *desc,
                                  void **prepared, struct nl_need *need);

/* Element `at` (counted from t->data) as a double, and back. */
static inline double nl_ref_get(const nl_tensor *t, int64_t at)
{
    if (t->type == NL_BF16) return (double)nl_bf16_to_float(((const uint16_t *)t->data)[at]);
    return t->type == NL_F64 ? ((const double *)t->data)[at] : (double)((const float *)t->data)[at];
}

static inline void nl_ref_put(const nl_tensor *t, int64_t at, double value)
{
    if (t->type == NL_BF16)
        ((uint16_t *)t->data)[at] = nl_float_to_bf16((float)value);
    else if (t->type == NL_F64)
        ((double *)t->data)[at] = value;
    else
        ((float *)t->data)[at] = (float)value;
}

static inline double nl_ref_act(bool relu, double value)
{
    return relu && value < 0 ? 0 : value; /* NaN stays NaN */
}

/* Offset of row `row` (all axes but the last, in order) of a tensor. */
static inline int64_t nl_ref_row(const nl_tensor *t, int64_t row)
{
    int64_t at = 0;
    for (int i = t->rank - 2; i >= 0; i--) {
        at += row % t->dim[i] * t->stride[i];
        row /= t->dim[i];
    }
    return at;
}

/* Rows: elements of all axes but the last. */
static inline int64_t nl_ref_rows(const nl_tensor *t)
{
    return t->rank && t->dim[t->rank - 1] ? nl_tensor_count(t) / t->dim[t->rank - 1] : 0;
}

#endif
