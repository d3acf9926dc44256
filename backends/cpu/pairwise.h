/* pairwise.h - what the implementations of op pairwise share. */
#ifndef NL_CPU_PAIRWISE_H
#define NL_CPU_PAIRWISE_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/multiply.h"
#include "backends/cpu/vector.h"

/* One run: extents, and how batch b = b0 * B1 + b1 finds its rows. */
struct nl_cpu_pairwise {
    const nl_tensor *q, *k, *v, *y;
    int64_t batches, queries, keys, depth, width; /* B0 B1, P, M, d, e */
    nl_score score;
    nl_affinity f;
    nl_norm norm;
    float scale;
    float
        *row; /* [batches, queries]: log-sum-exp of exp over its sum, else C; NULL: not asked for */
    const struct nl_cpu_vector *vector;
};

/* Rows of one batch: row i at data + i * ld. */
struct nl_cpu_table {
    float *data;
    int64_t ld;
};

struct nl_cpu_pairwise nl_cpu_pairwise_of(const struct nl_op_desc *desc,
                                          const struct nl_args *args);

/* F32, dense last axes, leading dimensions that CBLAS takes. */
nl_cpu_can_fn nl_cpu_pairwise_can;

/* f is the identity and C the number of keys: sums may be taken in another order. F32 and BF16. */
nl_cpu_can_fn nl_cpu_pairwise_linear;

/* Likewise for the gradient: the forward op's inputs, and y as op pairwise_dx gets it. */
struct nl_cpu_pairwise nl_cpu_pairwise_dx_of(const struct nl_op_desc *desc,
                                             const struct nl_args *args);
nl_cpu_can_fn nl_cpu_pairwise_dx_can;

static inline struct nl_cpu_table nl_cpu_batch(const nl_tensor *t, int64_t b)
{
    const int64_t at = b / t->dim[1] * t->stride[0] + b % t->dim[1] * t->stride[1];
    return (struct nl_cpu_table){(float *)t->data + at, t->dim[2] > 1 ? t->stride[2] : t->dim[3]};
}

#endif
