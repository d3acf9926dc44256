#include "backends/cpu/sorted.h"
#include "src/core/memory.h"

/* The gradient where f = max(scale (q_i + k_j), 0) over the number of keys. With c_i keys that count
 * for query i, and n_j queries that count for key j, both in falling order,
 *     dq_i = scale / M  dy_i . sum_{j<c_i} v_j
 *     dk_j = scale / M  v_j . sum_{i<n_j} dy_i
 *     dv_j = scale / M  (k_j sum_{i<n_j} dy_i + sum_{i<n_j} q_i dy_i),
 * sums that queries and keys take from two sweeps. A sweep has some of the columns, so it gives
 * parts of the dot products, which are added in order. */

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return nl_cpu_pairwise_dx_can(be, desc, why) && nl_cpu_sorted_can(desc, false, why);
}

struct job {
    struct nl_cpu_orders orders;
    const nl_tensor *dy, *dq, *dk, *dv;
    int64_t tiles; /* of columns */
    double *parts; /* [batches, tiles, P + M]: of dq, then of dk */
    double scale;
};

static nl_status part_bytes(const struct nl_cpu_pairwise *p, size_t *bytes)
{
    const int64_t tiles = nl_cpu_parts(p->width, NL_CPU_SWEEP);
    NL_TRY(nl_size_mul((size_t)(p->batches * tiles), (size_t)(p->queries + p->keys), bytes));
    return nl_size_mul(*bytes, sizeof(double), bytes);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_args views = {.workspace = NULL};
    size_t parts;
    (void)be;
    (void)prepared;
    for (int i = 0; i < 4; i++) views.in[i] = desc->in[i];
    const struct nl_cpu_pairwise p = nl_cpu_pairwise_dx_of(desc, &views);
    NL_TRY(nl_cpu_orders_bytes(&p, &need->workspace));
    NL_TRY(part_bytes(&p, &parts));
    return nl_size_add(nl_align_up(need->workspace), parts, &need->workspace);
}

/* What one sweep's takers read and write, at the sweep's first column. */
struct taken {
    struct nl_cpu_table row;   /* dotted with the plain sum: of dy for queries, of v for keys */
    struct nl_cpu_table score; /* of the takers; keys only */
    struct nl_cpu_table dv;    /* keys only */
    double *part;
    int64_t columns;
    double scale;
    const struct nl_cpu_vector_sweep *sweep;
};

static void take_query(const void *user, int64_t row, const double *plain, const double *weighted)
{
    const struct taken *t = user;
    (void)weighted;
    t->part[row] = t->sweep->dot(plain, t->row.data + row * t->row.ld, t->columns) * t->scale;
}

static void take_key(const void *user, int64_t row, const double *plain, const double *weighted)
{
    const struct taken *t = user;
    const double key = (double)t->score.data[row * t->score.ld];
    take_query(user, row, plain, weighted);
    t->sweep->take(t->dv.data + row * t->dv.ld, plain, weighted, key, t->scale, t->columns);
}

static struct nl_cpu_table at_column(struct nl_cpu_table table, int64_t column)
{
    return (struct nl_cpu_table){table.data + column, table.ld};
}

/* Even tiles are swept for queries, odd ones for keys. */
static void sweep_tile(const void *job, int64_t tile, void *scratch)
{
    const struct job *j = job;
    const struct nl_cpu_pairwise *p = &j->orders.p;
    const int64_t number = tile / 2, batch = number / j->tiles;
    const int64_t from = number % j->tiles * NL_CPU_SWEEP;
    const struct nl_cpu_table v = nl_cpu_batch(p->v, batch), dy = nl_cpu_batch(j->dy, batch);
    struct nl_cpu_order queries = nl_cpu_order_of_queries(&j->orders, batch),
                        keys = nl_cpu_order_of_keys(&j->orders, batch);
    const bool for_keys = tile % 2;
    struct taken taken = {.row = at_column(for_keys ? v : dy, from),
                          .score = nl_cpu_batch(p->k, batch),
                          .dv = at_column(nl_cpu_batch(j->dv, batch), from),
                          .part = j->parts + number * (p->queries + p->keys),
                          .columns = nl_cpu_least(NL_CPU_SWEEP, p->width - from),
                          .scale = j->scale,
                          .sweep = nl_cpu_vector_sweep()};
    (void)scratch;
    if (for_keys) taken.part += p->queries;
    nl_cpu_sweep_run(&(struct nl_cpu_sweep){.items = for_keys ? queries : keys,
                                            .takers = for_keys ? keys : queries,
                                            .rows = for_keys ? dy : v,
                                            .from = from,
                                            .columns = taken.columns,
                                            .take = for_keys ? take_key : take_query,
                                            .user = &taken,
                                            .vector = taken.sweep});
}

/* One batch's dot products from their parts. */
static void sum_tile(const void *job, int64_t batch, void *scratch)
{
    const struct job *j = job;
    const int64_t queries = j->orders.p.queries, all = queries + j->orders.p.keys;
    const double *parts = j->parts + batch * j->tiles * all;
    const struct nl_cpu_table dq = nl_cpu_batch(j->dq, batch), dk = nl_cpu_batch(j->dk, batch);
    (void)scratch;
    for (int64_t i = 0; i < all; i++) {
        double sum = 0;
        for (int64_t tile = 0; tile < j->tiles; tile++) sum += parts[tile * all + i];
        if (i < queries)
            dq.data[i * dq.ld] = (float)sum;
        else
            dk.data[(i - queries) * dk.ld] = (float)sum;
    }
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct job job = {.orders = {nl_cpu_pairwise_dx_of(desc, args), args->workspace},
                      .dy = &args->in[4],
                      .dq = &args->out[0],
                      .dk = &args->out[1],
                      .dv = &args->out[2]};
    const struct nl_cpu_pairwise *p = &job.orders.p;
    size_t bytes;
    (void)prepared;
    NL_TRY(nl_cpu_orders_bytes(p, &bytes));
    job.parts = (void *)((char *)args->workspace + nl_align_up(bytes));
    job.tiles = nl_cpu_parts(p->width, NL_CPU_SWEEP);
    job.scale = (double)p->scale / (double)p->keys;
    nl_cpu_orders_sort(be, &job.orders);
    nl_cpu_for_tiles(be, 2 * p->batches * job.tiles, sweep_tile, &job, NULL, 0);
    nl_cpu_for_tiles(be, p->batches, sum_tile, &job, NULL, 0);
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_dx_sorted = {
    .name = "sorted", .can = can, .prepare = prepare, .run = run};
