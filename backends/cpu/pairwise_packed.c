#include "backends/cpu/pairwise.h"
#include "backends/cpu/panels.h"
#include "src/core/memory.h"

#include <math.h>

/* The tiled pairwise op with kernels of our own. Keys go by in tiles that all threads share: a
 * tile's keys and values are packed in panels once, then every tile of queries meets it. What a
 * row has seen so far is its largest score, its sum, and y itself. Every further tile of keys costs
 * a pass over y, so few tiles are better than small ones. */
enum { KEYS = 1024, QUERIES = 112, TILES = 16, PAD = 16, WORTH = 1 << 20 };

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *q = &desc->in[0], *v = &desc->in[2];
    if (!nl_cpu_kernel_best()) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (!nl_cpu_pairwise_can(be, desc, why)) return false;
    if ((double)q->dim[2] * (double)v->dim[2] * (double)(q->dim[3] + v->dim[3]) < WORTH)
        return nl_decline(why, "batches are too small to share packed keys");
    return true;
}

struct pass {
    struct nl_cpu_pairwise p;
    const struct nl_cpu_kernel *kernel;
    int64_t rows, most_columns, ld; /* of a tile of scores */
    int64_t batch, key, columns;    /* the tile of keys at hand */
    int64_t key_panels, value_panels;
    float *keys, *values; /* packed: [panels, d, panel], [panels, columns, panel] */
    float *top, *sum;     /* [P]: of each query so far */
};

/* Floats of a panel of keys, and of values. */
static int64_t panel_of_keys(const struct pass *s)
{
    return s->kernel->panel * nl_cpu_kernel_depth(s->kernel, s->p.depth);
}

static int64_t panel_of_values(const struct pass *s)
{
    return s->kernel->panel * nl_cpu_kernel_depth(s->kernel, s->columns);
}

static struct pass pass_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct pass s = {.p = nl_cpu_pairwise_of(desc, args), .kernel = nl_cpu_kernel_best()};
    int64_t most = QUERIES;
    while (nl_cpu_parts(s.p.queries, most) < TILES && most >= 4 * (int64_t)s.kernel->rows)
        most /= 2;
    s.rows =
        nl_cpu_parts(nl_cpu_parts(s.p.queries, nl_cpu_parts(s.p.queries, most)), s.kernel->rows) *
        s.kernel->rows;
    s.most_columns = nl_cpu_parts(s.p.keys, nl_cpu_parts(s.p.keys, KEYS));
    s.key_panels = nl_cpu_parts(s.most_columns, s.kernel->panel);
    s.value_panels = nl_cpu_parts(s.p.width, s.kernel->panel);
    s.ld = s.key_panels * s.kernel->panel + PAD;
    return s;
}

static size_t slice(const struct pass *s)
{
    return (size_t)s->rows * (size_t)s->ld * sizeof(float);
}

/* Floats shared by all threads; hands them out where there is a workspace. */
static size_t shared(struct pass *s, float *workspace)
{
    const size_t keys = (size_t)nl_cpu_panel_elements(s->kernel, s->p.depth, s->most_columns);
    const size_t values = (size_t)nl_cpu_panel_elements(s->kernel, s->most_columns, s->p.width);
    const size_t queries = nl_align_up((size_t)s->p.queries * sizeof(float)) / sizeof(float);
    if (workspace) {
        s->keys = workspace;
        s->values = s->keys + keys;
        s->top = s->values + values;
        s->sum = s->top + queries;
    }
    return keys + values + 2 * queries;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_args views = {.in = {desc->in[0], desc->in[1], desc->in[2]},
                                  .out = {desc->out[0]}};
    struct pass s = pass_of(desc, &views);
    (void)prepared;
    NL_TRY(nl_cpu_slices(be, slice(&s), &need->workspace));
    return nl_size_add(need->workspace, shared(&s, NULL) * sizeof(float), &need->workspace);
}

/* One panel of keys, turned, or of values. The scale goes into the keys. */
static void pack_keys(const struct pass *s, int64_t number)
{
    const struct nl_cpu_table k = nl_cpu_batch(s->p.k, s->batch);
    const int64_t first = number * s->kernel->panel;
    nl_cpu_turn_panels(s->kernel, k.data + (s->key + first) * k.ld, k.ld,
                       nl_cpu_least(s->kernel->panel, s->columns - first), s->p.depth, s->p.scale,
                       s->keys + number * panel_of_keys(s));
}

static void pack_values(const struct pass *s, int64_t number)
{
    const struct nl_cpu_table v = nl_cpu_batch(s->p.v, s->batch);
    const int64_t first = number * s->kernel->panel;
    nl_cpu_lay_panels(s->kernel, v.data + s->key * v.ld + first, v.ld, s->columns,
                      nl_cpu_least(s->kernel->panel, s->p.width - first),
                      s->values + number * panel_of_values(s));
}

static void pack_tile(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    (void)scratch;
    if (number < s->value_panels)
        pack_values(s, number);
    else
        pack_keys(s, number - s->value_panels);
}

static void make_scores(const struct pass *s, int64_t query, int64_t rows, float *scores)
{
    const struct nl_cpu_table q = nl_cpu_batch(s->p.q, s->batch),
                              k = nl_cpu_batch(s->p.k, s->batch);
    if (s->p.score == NL_SCORE_SUM) {
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < s->columns; j++)
                scores[i * s->ld + j] =
                    s->p.scale * (q.data[(query + i) * q.ld] + k.data[(s->key + j) * k.ld]);
        return;
    }
    const struct nl_cpu_block block = {.rows = rows,
                                       .columns = s->columns,
                                       .depth = s->p.depth,
                                       .a = q.data + query * q.ld,
                                       .lda = q.ld,
                                       .ldy = s->ld};
    nl_cpu_multiply_panels(s->kernel, block, s->keys, scores, false);
}

/* Scores of one query become f of scores. Where a row has a new largest score, what was summed
 * before it shrinks accordingly (Milakov and Gimelshein 2018, online softmax). */
static void apply(const struct pass *s, int64_t query, float *row, float *y)
{
    const struct nl_cpu_vector *vector = s->p.vector;
    float shift = 0, sum = s->key ? s->sum[query] : 0;
    if (s->p.f == NL_F_EXP && s->p.norm == NL_NORM_SUM) {
        const float seen = s->key ? s->top[query] : -INFINITY,
                    here = vector->largest(row, s->columns);
        const float top = here > seen ? here : seen;
        shift = top == -INFINITY ? 0 : top; /* -inf - -inf is NaN */
        s->top[query] = top;
        if (s->key && here > seen) {
            const float shrink = expf(seen - shift);
            sum *= shrink;
            vector->scale(y, y, shrink, s->p.width);
        }
    }
    s->sum[query] = sum + vector->affinity(row, row, s->p.f, shift, s->columns);
}

static void add_values(const struct pass *s, int64_t rows, const float *scores, float *y,
                       int64_t ldy)
{
    const struct nl_cpu_block block = {.rows = rows,
                                       .columns = s->p.width,
                                       .depth = s->columns,
                                       .a = scores,
                                       .lda = s->ld,
                                       .ldy = ldy};
    nl_cpu_multiply_panels(s->kernel, block, s->values, y, s->key > 0);
}

static void query_tile(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    const struct nl_cpu_table y = nl_cpu_batch(s->p.y, s->batch);
    const int64_t query = number * s->rows, rows = nl_cpu_least(s->rows, s->p.queries - query);
    const bool last = s->key + s->columns == s->p.keys;
    float *scores = scratch, *to = y.data + query * y.ld;
    make_scores(s, query, rows, scores);
    for (int64_t i = 0; i < rows; i++) apply(s, query + i, scores + i * s->ld, to + i * y.ld);
    add_values(s, rows, scores, to, y.ld);
    for (int64_t i = 0; last && i < rows; i++) {
        const float c = s->p.norm == NL_NORM_SUM ? s->sum[query + i] : (float)s->p.keys;
        if (s->p.row)
            s->p.row[s->batch * s->p.queries + query + i] =
                s->p.f == NL_F_EXP && s->p.norm == NL_NORM_SUM ? s->top[query + i] + logf(c) : c;
        nl_cpu_pairwise_end(&s->p, s->batch, query + i, 1.0f / c, to + i * y.ld);
    }
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct pass s = pass_of(desc, args);
    (void)prepared;
    float *slices = (float *)args->workspace + shared(&s, args->workspace);
    for (s.batch = 0; s.batch < s.p.batches; s.batch++)
        for (s.key = 0; s.key < s.p.keys; s.key += s.columns) {
            s.columns = nl_cpu_least(s.most_columns, s.p.keys - s.key);
            const int64_t turned =
                s.p.score == NL_SCORE_SUM ? 0 : nl_cpu_parts(s.columns, s.kernel->panel);
            nl_cpu_for_tiles(be, s.value_panels + turned, pack_tile, &s, NULL, 0);
            nl_cpu_for_tiles(be, nl_cpu_parts(s.p.queries, s.rows), query_tile, &s, slices,
                             slice(&s));
        }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_packed = {
    .name = "tiled", .can = can, .prepare = prepare, .run = run};
