#include "backends/cpu/pairwise.h"
#include "src/core/memory.h"

#include <math.h>

/* f = max(scale (q_i + k_j), 0) over the number of keys. With keys in falling order, the keys that
 * count for query i are the first c_i, so
 *     y_i = scale (q_i sum_{j<c_i} v_j + sum_{j<c_i} k_j v_j) / M,
 * two rows of prefix sums. Those are kept in double: q_i and k_j may cancel. A column of values
 * is summed by one tile from first to last, so threads change nothing. */
enum { COLUMNS = 32, ROWS = 64 };

static bool exact(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_pairwise_can(be, desc, why)) return false;
    if (desc->attr.pairwise.f != NL_F_RELU || desc->attr.pairwise.norm != NL_NORM_COUNT ||
        desc->attr.pairwise.score != NL_SCORE_SUM || !(desc->attr.pairwise.scale > 0))
        return nl_decline(why, "only for relu of sums, divided by their number");
    return true;
}

/* Queries read two rows of doubles each, and keys write as many. */
static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const int64_t queries = desc->in[0].dim[2], keys = desc->in[1].dim[2];
    int64_t log = 1;
    while ((keys >> log) > 0) log++;
    if (!exact(be, desc, why)) return false;
    if (queries * keys <= 8 * (queries + keys) * log)
        return nl_decline(why, "too few keys to sort (%lld)", (long long)keys);
    return true;
}

struct sorted {
    struct nl_cpu_pairwise p;
    int64_t batch;
    double *prefix; /* [M + 1, 2, e]: sums of v and of k v over the first keys */
    float *key;     /* [M] in falling order; NaN last */
    int64_t *place; /* [2, M]: which key that is; the second half is scratch of the sort */
};

/* Bytes of the first two arrays; the third follows. */
struct sizes {
    size_t prefix, key;
};

static struct sizes sizes_of(const struct nl_cpu_pairwise *p)
{
    const size_t keys = (size_t)p->keys, width = (size_t)p->width;
    return (struct sizes){nl_align_up((keys + 1) * 2 * width * sizeof(double)),
                          nl_align_up(keys * sizeof(float))};
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_args views = {.in = {desc->in[0], desc->in[1], desc->in[2]},
                                  .out = {desc->out[0]}};
    const struct nl_cpu_pairwise p = nl_cpu_pairwise_of(desc, &views);
    size_t cells;
    (void)be;
    (void)prepared;
    NL_TRY(nl_size_mul((size_t)p.keys + 1, (size_t)p.width, &cells));
    NL_TRY(nl_size_mul(cells, 4 * sizeof(double), &cells)); /* more than the sum below */
    const struct sizes sizes = sizes_of(&p);
    need->workspace = sizes.prefix + sizes.key + (size_t)p.keys * 2 * sizeof(int64_t);
    return NL_OK;
}

static bool before(float a, float b)
{
    return a > b || (isnan(b) && !isnan(a));
}

/* Merges two sorted runs of places by their keys; equal keys stay in order. */
static void merge(const struct nl_cpu_table *k, const int64_t *from, int64_t *to, int64_t low,
                  int64_t middle, int64_t high)
{
    int64_t a = low, b = middle;
    for (int64_t i = low; i < high; i++) {
        const bool second =
            a >= middle || (b < high && before(k->data[from[b] * k->ld], k->data[from[a] * k->ld]));
        to[i] = second ? from[b++] : from[a++];
    }
}

static void sort(struct sorted *s)
{
    const struct nl_cpu_table k = nl_cpu_batch(s->p.k, s->batch);
    const int64_t n = s->p.keys;
    int64_t *from = s->place, *to = s->place + n;
    for (int64_t i = 0; i < n; i++) from[i] = i;
    for (int64_t run = 1; run < n; run *= 2) {
        for (int64_t low = 0; low < n; low += 2 * run) {
            const int64_t middle = low + run < n ? low + run : n;
            merge(&k, from, to, low, middle, middle + run < n ? middle + run : n);
        }
        int64_t *const swap = from;
        from = to;
        to = swap;
    }
    for (int64_t i = 0; i < n; i++) {
        s->key[i] = k.data[from[i] * k.ld];
        s->place[i] = from[i];
    }
}

static void prefix_tile(const void *job, int64_t tile, void *scratch)
{
    const struct sorted *s = job;
    const struct nl_cpu_table v = nl_cpu_batch(s->p.v, s->batch);
    const int64_t width = s->p.width, from = tile * COLUMNS;
    const int64_t columns = width - from < COLUMNS ? width - from : COLUMNS;
    double plain[COLUMNS] = {0}, weighted[COLUMNS] = {0};
    (void)scratch;
    for (int64_t i = 0; i <= s->p.keys; i++) {
        double *row = s->prefix + i * 2 * width + from;
        for (int64_t c = 0; c < columns; c++) row[c] = plain[c];
        for (int64_t c = 0; c < columns; c++) row[width + c] = weighted[c];
        if (i == s->p.keys) break;
        const float *value = v.data + s->place[i] * v.ld + from;
        const double key = (double)s->key[i];
        for (int64_t c = 0; c < columns; c++) plain[c] += (double)value[c];
        for (int64_t c = 0; c < columns; c++) weighted[c] += key * (double)value[c];
    }
}

/* How many keys, in falling order, are above -query. NaN counts, so that it shows. */
static int64_t reach(const struct sorted *s, float query)
{
    int64_t low = 0, high = s->p.keys;
    if (isnan(query) || (high && isnan(s->key[high - 1]))) return high;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (query + s->key[middle] > 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void query_tile(const void *job, int64_t tile, void *scratch)
{
    const struct sorted *s = job;
    const struct nl_cpu_table q = nl_cpu_batch(s->p.q, s->batch),
                              y = nl_cpu_batch(s->p.y, s->batch);
    const int64_t width = s->p.width,
                  end = (tile + 1) * ROWS < s->p.queries ? (tile + 1) * ROWS : s->p.queries;
    const double scale = (double)s->p.scale / (double)s->p.keys;
    (void)scratch;
    for (int64_t i = tile * ROWS; i < end; i++) {
        const double query = (double)q.data[i * q.ld];
        const double *plain = s->prefix + reach(s, q.data[i * q.ld]) * 2 * width,
                     *weighted = plain + width;
        float *to = y.data + i * y.ld;
        for (int64_t c = 0; c < width; c++)
            to[c] = (float)((query * plain[c] + weighted[c]) * scale);
    }
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct sorted s = {.p = nl_cpu_pairwise_of(desc, args), .prefix = args->workspace};
    const struct sizes sizes = sizes_of(&s.p);
    (void)prepared;
    s.key = (void *)((char *)args->workspace + sizes.prefix);
    s.place = (void *)((char *)args->workspace + sizes.prefix + sizes.key);
    for (s.batch = 0; s.batch < s.p.batches; s.batch++) {
        sort(&s);
        nl_cpu_for_tiles(be, (s.p.width + COLUMNS - 1) / COLUMNS, prefix_tile, &s, NULL, 0);
        nl_cpu_for_tiles(be, (s.p.queries + ROWS - 1) / ROWS, query_tile, &s, NULL, 0);
    }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_sorted = {
    .name = "sorted", .can = can, .prepare = prepare, .run = run};
const struct nl_impl nl_cpu_pairwise_sorted_forced = {
    .name = "sorted", .can = exact, .prepare = prepare, .run = run};
