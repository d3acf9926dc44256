#include "backends/cpu/sorted.h"
#include "src/core/memory.h"

/* f = max(scale (q_i + k_j), 0) over the number of keys: with the first c_i keys in falling order
 *     y_i = scale (q_i sum_{j<c_i} v_j + sum_{j<c_i} k_j v_j) / M,
 * two sums that each query takes from a sweep over the keys. They are kept in double: q_i and k_j
 * may cancel. */

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return nl_cpu_pairwise_can(be, desc, why) && nl_cpu_sorted_can(desc, false, why);
}

static bool exact(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return nl_cpu_pairwise_can(be, desc, why) && nl_cpu_sorted_can(desc, true, why);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_args views = {.in = {desc->in[0], desc->in[1], desc->in[2]},
                                  .out = {desc->out[0]}};
    const struct nl_cpu_pairwise p = nl_cpu_pairwise_of(desc, &views);
    (void)be;
    (void)prepared;
    return nl_cpu_orders_bytes(&p, &need->workspace);
}

/* Where the queries of one sweep put what they take. */
struct taken {
    struct nl_cpu_table q, y, residual;
    struct nl_cpu_after after; /* bias, at the sweep's first column */
    int64_t columns;
    double scale;
    const struct nl_cpu_vector *vector;
    const struct nl_cpu_vector_sweep *sweep;
};

static void take(const void *user, int64_t row, const double *plain, const double *weighted)
{
    const struct taken *t = user;
    const double query = (double)t->q.data[row * t->q.ld];
    float *const y = t->y.data + row * t->y.ld;
    struct nl_cpu_after after = t->after;
    t->sweep->take(y, plain, weighted, query, t->scale, t->columns);
    if (t->residual.data) after.residual = t->residual.data + row * t->residual.ld;
    if (after.bias || after.residual) t->vector->combine(y, y, &after, t->columns);
}

static void sweep_tile(const void *job, int64_t tile, void *scratch)
{
    const struct nl_cpu_orders *orders = job;
    const struct nl_cpu_pairwise *p = &orders->p;
    const int64_t tiles = nl_cpu_parts(p->width, NL_CPU_SWEEP), batch = tile / tiles;
    const int64_t from = tile % tiles * NL_CPU_SWEEP;
    struct taken taken = {.q = nl_cpu_batch(p->q, batch),
                          .y = nl_cpu_batch(p->y, batch),
                          .columns = nl_cpu_least(NL_CPU_SWEEP, p->width - from),
                          .scale = (double)p->scale / (double)p->keys,
                          .vector = p->vector,
                          .sweep = nl_cpu_vector_sweep()};
    (void)scratch;
    taken.y.data += from;
    if (p->bias) taken.after.bias = p->bias + from;
    if (p->residual) taken.residual = nl_cpu_batch(p->residual, batch);
    if (p->residual) taken.residual.data += from;
    nl_cpu_sweep_run(&(struct nl_cpu_sweep){.items = nl_cpu_order_of_keys(orders, batch),
                                            .takers = nl_cpu_order_of_queries(orders, batch),
                                            .rows = nl_cpu_batch(p->v, batch),
                                            .from = from,
                                            .columns = taken.columns,
                                            .take = take,
                                            .user = &taken,
                                            .vector = taken.sweep});
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct nl_cpu_orders orders = {nl_cpu_pairwise_of(desc, args), args->workspace};
    const int64_t tiles = nl_cpu_parts(orders.p.width, NL_CPU_SWEEP);
    (void)prepared;
    nl_cpu_orders_sort(be, &orders);
    nl_cpu_for_tiles(be, orders.p.batches * tiles, sweep_tile, &orders, NULL, 0);
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_sorted = {
    .name = "sorted", .can = can, .prepare = prepare, .run = run};
const struct nl_impl nl_cpu_pairwise_sorted_forced = {
    .name = "sorted", .can = exact, .prepare = prepare, .run = run};
