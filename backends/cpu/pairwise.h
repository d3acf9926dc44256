/* pairwise.h - what the implementations of op pairwise share. */
#ifndef NL_CPU_PAIRWISE_H
#define NL_CPU_PAIRWISE_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/multiply.h"
#include "backends/cpu/vector.h"

/* One run: extents, and how batch b = b0 * B1 + b1 finds its rows. */
struct nl_cpu_pairwise {
    const nl_tensor *q, *k, *v, *y;
    const float *bias;                            /* [e], or NULL */
    const nl_tensor *residual;                    /* like y, or NULL */
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

/* How a row of y ends: its sums, floats, times `factor`, with bias and residual if there are any. */
void nl_cpu_pairwise_end(const struct nl_cpu_pairwise *p, int64_t batch, int64_t query,
                         float factor, float *sums);

/* F32, dense last axes, leading dimensions that CBLAS takes. */
nl_cpu_can_fn nl_cpu_pairwise_can;

/* f is the identity and C the number of keys: sums may be taken in another order. F32 and BF16. */
nl_cpu_can_fn nl_cpu_pairwise_linear;

/* Likewise for the gradient: the forward op's inputs, and y as op pairwise_dx gets it. */
struct nl_cpu_pairwise nl_cpu_pairwise_dx_of(const struct nl_op_desc *desc,
                                             const struct nl_args *args);
nl_cpu_can_fn nl_cpu_pairwise_dx_can;

/* Elements before batch b. */
static inline int64_t nl_cpu_batch_at(const nl_tensor *t, int64_t b)
{
    return b / t->dim[1] * t->stride[0] + b % t->dim[1] * t->stride[1];
}

static inline struct nl_cpu_table nl_cpu_batch(const nl_tensor *t, int64_t b)
{
    return (struct nl_cpu_table){(float *)t->data + nl_cpu_batch_at(t, b),
                                 t->dim[2] > 1 ? t->stride[2] : t->dim[3]};
}

#endif
