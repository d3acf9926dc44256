#include "backends/cpu/lines.h"
#include "backends/cpu/pairwise.h"
#include "backends/cpu/panels.h"
#include "src/core/memory.h"

#include <math.h>
#include <string.h>

/* The tiled pairwise op on BF16, where the processor multiplies that. Keys and values of a batch
 * are packed once; each tile of queries then meets them a tile of keys at a time. Scores and what
 * is summed are F32, affinities are rounded before they meet the values. Every further tile of keys
 * costs a pass over what is summed, so few tiles are better than small ones. */
enum { KEYS = 1024, QUERIES = 112, TILES = 16, PAD = 32, WORTH = 1 << 16 };

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *q = &desc->in[0], *v = &desc->in[2];
    if (q->type != NL_BF16) return nl_decline(why, "only for bf16");
    if (!nl_cpu_kernel_half()) return nl_decline(why, "the processor multiplies f32 faster");
    if (!nl_cpu_can_half(be, desc, why)) return false;
    if (desc->attr.pairwise.score != NL_SCORE_PRODUCT || q->dim[3] % 2)
        return nl_decline(why, "only for products of an even number of channels");
    if ((double)q->dim[2] * (double)v->dim[2] * (double)(q->dim[3] + v->dim[3]) < WORTH)
        return nl_decline(why, "batches are too small to share packed keys");
    return true;
}

/* Rows of one batch: row i at data + i * ld. */
struct table {
    uint16_t *data;
    int64_t ld;
};

static struct table batch_of(const nl_tensor *t, int64_t b)
{
    return (struct table){(uint16_t *)t->data + nl_cpu_batch_at(t, b), t->stride[2]};
}

/* One run, and how queries and keys are cut; a matter of shape alone. */
struct pass {
    struct nl_cpu_pairwise p;
    const struct nl_cpu_kernel *kernel;
    int64_t rows, columns, ld, wide; /* of a tile of scores; wide: floats of a row of sums */
    int64_t batch;
    uint16_t *keys, *values; /* packed: all panels of keys; those of values by tile of keys */
};

static struct pass pass_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct pass s = {.p = nl_cpu_pairwise_of(desc, args), .kernel = nl_cpu_kernel_half()};
    const int64_t rows = s.kernel->rows, panel = s.kernel->panel;
    int64_t most = QUERIES / rows * rows;
    while (nl_cpu_parts(s.p.queries, most) < TILES && most >= 4 * rows) most /= 2;
    s.rows = nl_cpu_parts(s.p.queries, nl_cpu_parts(s.p.queries, most));
    s.rows = nl_cpu_parts(s.rows, rows) * rows;
    s.columns = nl_cpu_parts(s.p.keys, nl_cpu_parts(s.p.keys, KEYS));
    s.columns = nl_cpu_parts(s.columns, panel) * panel;
    s.ld = s.columns + PAD;
    s.wide = nl_cpu_parts(s.p.width, panel) * panel;
    return s;
}

/* Bytes of a thread's tile: sums, scores, and those as BF16. */
static size_t slice(const struct pass *s)
{
    return (size_t)(s->rows * (s->wide + s->ld)) * sizeof(float) +
           (size_t)(s->rows * s->ld) * sizeof(uint16_t);
}

/* Bytes shared by all threads; hands them out where there is a workspace. */
static size_t shared(struct pass *s, void *workspace)
{
    const size_t keys = nl_align_up(
        (size_t)nl_cpu_panel_elements(s->kernel, s->p.depth, s->p.keys) * sizeof(uint16_t));
    const size_t values = nl_align_up(
        (size_t)nl_cpu_panel_elements(s->kernel, s->p.keys, s->p.width) * sizeof(uint16_t));
    s->keys = workspace;
    s->values = workspace ? (uint16_t *)(void *)((char *)workspace + keys) : NULL;
    return keys + values;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_args views = {.in = {desc->in[0], desc->in[1], desc->in[2]},
                                  .out = {desc->out[0]}};
    struct pass s = pass_of(desc, &views);
    (void)prepared;
    NL_TRY(nl_cpu_slices(be, slice(&s), &need->workspace));
    return nl_size_add(need->workspace, shared(&s, NULL), &need->workspace);
}

/* One tile of keys, turned, or its values. */
static void pack_tile(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    const struct table k = batch_of(s->p.k, s->batch), v = batch_of(s->p.v, s->batch);
    const int64_t key = number / 2 * s->columns, keys = nl_cpu_least(s->columns, s->p.keys - key);
    (void)scratch;
    if (number % 2)
        nl_cpu_turn_half(s->kernel, k.data + key * k.ld, k.ld, keys, s->p.depth,
                         s->keys + key * s->p.depth);
    else
        nl_cpu_lay_half(s->kernel, v.data + key * v.ld, v.ld, keys, s->p.width,
                        s->values + key * s->wide);
}

/* One tile of queries. */
struct tile {
    const struct pass *s;
    struct table q;
    int64_t query, rows, key, columns;
    float *sums, *scores; /* [rows, wide], [rows, ld] */
    uint16_t *weights;    /* [rows, ld] */
    float top[QUERIES], sum[QUERIES];
};

static void make_scores(const struct tile *t)
{
    const struct pass *s = t->s;
    const struct nl_cpu_block block = {.rows = t->rows,
                                       .columns = t->columns,
                                       .depth = s->p.depth,
                                       .a = t->q.data,
                                       .lda = t->q.ld,
                                       .ldy = s->ld};
    nl_cpu_multiply_panels(s->kernel, block, s->keys + t->key * s->p.depth, t->scores, false);
}

/* Scores of row `i` become f of scores. Where it has a new largest score, what was summed before it
 * shrinks accordingly (Milakov and Gimelshein 2018, online softmax). */
static void apply(struct tile *t, int64_t i)
{
    const struct nl_cpu_pairwise *p = &t->s->p;
    float *const row = t->scores + i * t->s->ld, shift = 0;
    p->vector->scale(row, row, p->scale, t->columns);
    if (p->f == NL_F_EXP && p->norm == NL_NORM_SUM) {
        const float seen = t->top[i], here = p->vector->largest(row, t->columns);
        t->top[i] = here > seen ? here : seen;
        shift = t->top[i] == -INFINITY ? 0 : t->top[i]; /* -inf - -inf is NaN */
        if (t->key && here > seen) {
            float *const sums = t->sums + i * t->s->wide;
            const float shrink = expf(seen - shift);
            t->sum[i] *= shrink;
            p->vector->scale(sums, sums, shrink, p->width);
        }
    }
    t->sum[i] += p->vector->affinity(row, row, p->f, shift, t->columns);
}

/* The step that the last key begins is filled up. */
static void round_off(const struct tile *t, int64_t i)
{
    uint16_t *const to = t->weights + i * t->s->ld;
    t->s->p.vector->narrow(to, t->scores + i * t->s->ld, t->columns);
    if (t->columns % 2) to[t->columns] = 0;
}

static void add_values(const struct tile *t)
{
    const struct pass *s = t->s;
    const struct nl_cpu_block block = {.rows = t->rows,
                                       .columns = s->p.width,
                                       .depth = t->columns,
                                       .a = t->weights,
                                       .lda = s->ld,
                                       .ldy = s->wide};
    nl_cpu_multiply_panels(s->kernel, block, s->values + t->key * s->wide, t->sums, t->key > 0);
}

static void finish(const struct tile *t, int64_t i)
{
    const struct nl_cpu_pairwise *p = &t->s->p;
    const struct table y = batch_of(p->y, t->s->batch);
    const float c = p->norm == NL_NORM_SUM ? t->sum[i] : (float)p->keys;
    float *const sums = t->sums + i * t->s->wide;
    if (p->row)
        p->row[t->s->batch * p->queries + t->query + i] =
            p->f == NL_F_EXP && p->norm == NL_NORM_SUM ? t->top[i] + logf(c) : c;
    nl_cpu_pairwise_end(p, t->s->batch, t->query + i, 1.0f / c, sums);
    p->vector->narrow(y.data + (t->query + i) * y.ld, sums, p->width);
}

static void query_tile(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    struct tile t = {.s = s, .q = batch_of(s->p.q, s->batch), .query = number * s->rows};
    t.rows = nl_cpu_least(s->rows, s->p.queries - t.query);
    t.q.data += t.query * t.q.ld;
    t.sums = scratch;
    t.scores = t.sums + s->rows * s->wide;
    t.weights = (uint16_t *)(void *)(t.scores + s->rows * s->ld);
    for (int64_t i = 0; i < t.rows; i++) t.top[i] = -INFINITY;
    for (; t.key < s->p.keys; t.key += t.columns) {
        t.columns = nl_cpu_least(s->columns, s->p.keys - t.key);
        make_scores(&t);
        for (int64_t i = 0; i < t.rows; i++) {
            apply(&t, i);
            round_off(&t, i);
        }
        add_values(&t);
    }
    for (int64_t i = 0; i < t.rows; i++) finish(&t, i);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct pass s = pass_of(desc, args);
    char *const slices = (char *)args->workspace + shared(&s, args->workspace);
    (void)prepared;
    for (s.batch = 0; s.batch < s.p.batches; s.batch++) {
        nl_cpu_for_tiles(be, 2 * nl_cpu_parts(s.p.keys, s.columns), pack_tile, &s, NULL, 0);
        nl_cpu_for_tiles(be, nl_cpu_parts(s.p.queries, s.rows), query_tile, &s, slices, slice(&s));
    }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_half = {
    .name = "tiled", .can = can, .prepare = prepare, .run = run};
