/* sorted.h - sums over all pairs (i, j) with q_i + k_j > 0, in time that grows with the number of
 * queries and keys, not of pairs.
 *
 * With the keys in falling order those that count for query i are the first c_i, and c_i grows with
 * q_i: one sweep over the keys, in which each query takes the sums when its c_i have gone by. The
 * same with queries and keys exchanged. Nothing but the orders is kept.
 */
#ifndef NL_SORTED_H
#define NL_SORTED_H

#include "backends/cpu/pairwise.h"
#include "backends/cpu/vector_sweep.h"

/* Columns of a sweep: one tile sums them from first to last, so threads change nothing. */
enum { NL_CPU_SWEEP = 64 };

/* Scores of one side in falling order, NaN last. */
struct nl_cpu_order {
    int64_t count, numbers; /* numbers: those that are not NaN */
    float *score;           /* [count] */
    int64_t *place;         /* [2, count]: which row that is; the second half is scratch */
};

/* Queries and keys of all batches. */
struct nl_cpu_orders {
    struct nl_cpu_pairwise p;
    char *memory;
};

/* Bytes for the orders of all batches. NL_ENOMEM where they are too many to count. */
nl_status nl_cpu_orders_bytes(const struct nl_cpu_pairwise *p, size_t *bytes) NL_MUST_CHECK;

/* Sorts all batches into orders->memory. */
void nl_cpu_orders_sort(const struct nl_backend *be, const struct nl_cpu_orders *orders);

struct nl_cpu_order nl_cpu_order_of_queries(const struct nl_cpu_orders *orders, int64_t batch);
struct nl_cpu_order nl_cpu_order_of_keys(const struct nl_cpu_orders *orders, int64_t batch);

/* `row` takes the sums of rows r_i and of score_i r_i over what counts for it, in double:
 * `columns` of each, from column `from` on. */
typedef void nl_cpu_take_fn(const void *user, int64_t row, const double *plain,
                            const double *weighted);

struct nl_cpu_sweep {
    struct nl_cpu_order items, takers;
    struct nl_cpu_table rows; /* of the items */
    int64_t from, columns;    /* at most NL_CPU_SWEEP of them */
    nl_cpu_take_fn *take;
    const void *user;
    const struct nl_cpu_vector_sweep *vector;
};

void nl_cpu_sweep_run(const struct nl_cpu_sweep *sweep);

/* Whether sorting is worth it and possible: relu of sums over their number. `forced`: possible. */
bool nl_cpu_sorted_can(const struct nl_op_desc *desc, bool forced, nl_reason *why);

#endif
