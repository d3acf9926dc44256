/* pairwise_dx.h - the gradient of pairwise, a tile of scores at a time. */
#ifndef NL_CPU_PAIRWISE_DX_H
#define NL_CPU_PAIRWISE_DX_H

#include "backends/cpu/pairwise.h"
#include "backends/cpu/panels.h"
#include "backends/cpu/vector_train.h"

/* One run, and how its queries and keys are cut; a matter of shape and processor alone. */
struct nl_cpu_dx {
    struct nl_cpu_pairwise p;
    const nl_tensor *dy, *dq, *dk, *dv;
    const float *row;      /* [batches, queries]: log-sum-exp or C; NULL without */
    int64_t rows, columns; /* of a tile of scores */
    int64_t parts, part;   /* parts of a batch's queries, queries of one */
    float *keys, *values;  /* partial sums: [batches, parts, keys, d], [.., keys, e] */
    const struct nl_cpu_vector_train *train;

    const struct nl_cpu_kernel *kernel; /* NULL: CBLAS multiplies, and nothing is laid out */
    float *panels;                      /* of keys and values, by batch */
};

/* One tile of queries and what its batch has. */
struct nl_cpu_dx_tile {
    const struct nl_cpu_dx *dx;
    struct nl_cpu_table q, k, v, dy, y, dq, dk, dv; /* k, v: at the tile's first key */
    int64_t batch, query, key, rows, columns;
    float *weights, *slopes;     /* [rows, columns]: affinities over C, then gradients of scores */
    float *own;                  /* [rows]: sum of y dy */
    float *q_panels, *dy_panels; /* of this tile of queries; with a kernel */
};

/* Floats of the panels of keys and values of all batches, and of one tile of queries. */
size_t nl_cpu_dx_panel_floats(const struct nl_cpu_dx *dx);
size_t nl_cpu_dx_query_floats(const struct nl_cpu_dx *dx);

/* Lays out keys and values of all batches; queries and dy of one tile. Nothing without a kernel. */
void nl_cpu_dx_lay_keys(const struct nl_backend *be, const struct nl_cpu_dx *dx);
void nl_cpu_dx_lay_queries(const struct nl_cpu_dx_tile *t);

/* weights = scale q k^T (score product); slopes = dy v^T. */
void nl_cpu_dx_scores(const struct nl_cpu_dx_tile *t);
void nl_cpu_dx_slopes(const struct nl_cpu_dx_tile *t);

/* dv += weights^T dy; and for score product dq += slopes k (= at the first key), dk += slopes^T q. */
void nl_cpu_dx_add_values(const struct nl_cpu_dx_tile *t);
void nl_cpu_dx_add_products(const struct nl_cpu_dx_tile *t);

#endif
