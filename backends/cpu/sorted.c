#include "backends/cpu/sorted.h"

#include "src/core/memory.h"

#include <math.h>

bool nl_cpu_sorted_can(const struct nl_op_desc *desc, bool forced, nl_reason *why)
{
    const int64_t queries = desc->in[0].dim[2], keys = desc->in[1].dim[2];
    int64_t log = 1;
    if (desc->attr.pairwise.row) return nl_decline(why, "keeps no sum of a row");
    if (desc->attr.pairwise.f != NL_F_RELU || desc->attr.pairwise.norm != NL_NORM_COUNT ||
        desc->attr.pairwise.score != NL_SCORE_SUM || !(desc->attr.pairwise.scale > 0))
        return nl_decline(why, "only for relu of sums, divided by their number");
    while ((keys >> log) > 0) log++;
    if (!forced && (double)queries * (double)keys <= 8 * (double)(queries + keys) * (double)log)
        return nl_decline(why, "too few keys to sort (%lld)", (long long)keys);
    return true;
}

/* A score, and two places: where it came from, and scratch of the sort. */
static size_t order_bytes(int64_t count)
{
    return nl_align_up((size_t)count * sizeof(float)) +
           nl_align_up((size_t)count * 2 * sizeof(int64_t));
}

static size_t batch_bytes(const struct nl_cpu_pairwise *p)
{
    return order_bytes(p->queries) + order_bytes(p->keys);
}

nl_status nl_cpu_orders_bytes(const struct nl_cpu_pairwise *p, size_t *bytes)
{
    return nl_size_mul((size_t)p->batches, batch_bytes(p), bytes);
}

/* Where the order of a batch's queries, or keys, is kept; it may not be made yet. */
static struct nl_cpu_order room_of(const struct nl_cpu_orders *orders, int64_t batch, bool keys)
{
    const struct nl_cpu_pairwise *p = &orders->p;
    const int64_t count = keys ? p->keys : p->queries;
    char *const at =
        orders->memory + (size_t)batch * batch_bytes(p) + (keys ? order_bytes(p->queries) : 0);
    return (struct nl_cpu_order){.count = count,
                                 .score = (void *)at,
                                 .place =
                                     (void *)(at + nl_align_up((size_t)count * sizeof(float)))};
}

static struct nl_cpu_order with_numbers(struct nl_cpu_order order)
{
    for (order.numbers = order.count; order.numbers && isnan(order.score[order.numbers - 1]);)
        order.numbers--;
    return order;
}

struct nl_cpu_order nl_cpu_order_of_queries(const struct nl_cpu_orders *orders, int64_t batch)
{
    return with_numbers(room_of(orders, batch, false));
}

struct nl_cpu_order nl_cpu_order_of_keys(const struct nl_cpu_orders *orders, int64_t batch)
{
    return with_numbers(room_of(orders, batch, true));
}

static bool before(float a, float b)
{
    return a > b || (isnan(b) && !isnan(a));
}

/* Merges two sorted runs of places by their scores; equal scores stay in order. */
static void merge(struct nl_cpu_table t, const int64_t *from, int64_t *to, int64_t low,
                  int64_t middle, int64_t high)
{
    int64_t a = low, b = middle;
    for (int64_t i = low; i < high; i++) {
        const bool second =
            a >= middle || (b < high && before(t.data[from[b] * t.ld], t.data[from[a] * t.ld]));
        to[i] = second ? from[b++] : from[a++];
    }
}

static void sort(struct nl_cpu_order order, struct nl_cpu_table t)
{
    const int64_t n = order.count;
    int64_t *from = order.place, *to = order.place + n;
    for (int64_t i = 0; i < n; i++) from[i] = i;
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t low = 0; low < n; low += 2 * run) {
            const int64_t middle = nl_cpu_least(low + run, n);
            merge(t, from, to, low, middle, nl_cpu_least(middle + run, n));
        }
        int64_t *const swap = from;
        from = to;
        to = swap;
    }
    for (int64_t i = 0; i < n; i++) {
        order.score[i] = t.data[from[i] * t.ld];
        order.place[i] = from[i];
    }
}

static void sort_tile(const void *job, int64_t tile, void *scratch)
{
    const struct nl_cpu_orders *orders = job;
    const int64_t batch = tile / 2;
    const bool keys = tile % 2 != 0;
    (void)scratch;
    sort(room_of(orders, batch, keys), nl_cpu_batch(keys ? orders->p.k : orders->p.q, batch));
}

void nl_cpu_orders_sort(const struct nl_backend *be, const struct nl_cpu_orders *orders)
{
    nl_cpu_for_tiles(be, 2 * orders->p.batches, sort_tile, orders, NULL, 0);
}

/* Adds items `done` to `end` to both sums. */
static void add_items(const struct nl_cpu_sweep *s, int64_t done, int64_t end, double *plain,
                      double *weighted)
{
    for (int64_t i = done; i < end; i++)
        s->vector->add(plain, weighted, s->rows.data + s->items.place[i] * s->rows.ld + s->from,
                       (double)s->items.score[i], s->columns);
}

/* Takers go by in rising order. Where a score is NaN everything counts, so that it shows. */
void nl_cpu_sweep_run(const struct nl_cpu_sweep *s)
{
    double plain[NL_CPU_SWEEP] = {0}, weighted[NL_CPU_SWEEP] = {0};
    const struct nl_cpu_order *items = &s->items, *takers = &s->takers;
    int64_t done = 0;
    for (int64_t n = 0; n < takers->count; n++) {
        const int64_t at = n < takers->numbers ? takers->numbers - 1 - n : n;
        const bool all = n >= takers->numbers || items->numbers < items->count;
        int64_t end = all ? items->count : done;
        while (end < items->count && takers->score[at] + items->score[end] > 0) end++;
        add_items(s, done, end, plain, weighted);
        done = end;
        s->take(s->user, takers->place[at], plain, weighted);
    }
}
