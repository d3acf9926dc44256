#include "backends/cpu/pairwise.h"
#include "backends/cpu/panels.h"
#include "backends/cpu/vector_train.h"
#include "src/core/memory.h"

#include <assert.h>
#include <string.h>

/* The gradient of pairwise on BF16, where the processor multiplies that. Scores are computed
 * turned, keys in rows: so affinities weigh dy, and gradients of scores queries, as they lie, and a
 * tile has as many rows as keys. Only to weigh keys are they laid out once more, in pairs. Queries
 * are cut into parts, each of which sums its own gradients of keys and values; parts are added in
 * order. A part lays out its queries once and meets one tile of keys after the other, whose rows
 * and sums stay in the second cache meanwhile. A tile of 224 is whole blocks and whole panels of
 * the kernel; batches of fewer than LEAST pairs of positions would fill little of one. */
enum { QUERIES = 224, KEYS = 224, TASKS = 8, ROWS = 64, LINE = 64, LEAST = 64 };

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *q = &desc->in[0], *v = &desc->in[2];
    if (q->type != NL_BF16) return nl_decline(why, "only for bf16");
    if (!nl_cpu_kernel_half()) return nl_decline(why, "the processor multiplies f32 faster");
    if (!nl_cpu_can_half(be, desc, why)) return false;
    if (desc->attr.pairwise.score != NL_SCORE_PRODUCT || q->dim[3] % 2 || v->dim[3] % 2)
        return nl_decline(why, "only for products of an even number of channels");
    if (q->dim[2] * v->dim[2] < LEAST)
        return nl_decline(why, "batches are too small to share panels");
    return true;
}

/* One run, and how queries and keys are cut; a matter of shape alone. */
struct pass {
    struct nl_cpu_pairwise p;
    const nl_tensor *dy, *dq, *dk, *dv;
    const float *row; /* [batches, queries]: log-sum-exp or C; NULL without */
    const struct nl_cpu_kernel *kernel;
    const struct nl_cpu_vector_train *train;
    int64_t rows, columns;    /* of a tile: queries, keys */
    int64_t part, parts;      /* queries of a part, parts of a batch */
    int64_t deep, wide;       /* d and e in whole panels */
    int64_t batch_keys;       /* elements of a batch's keys in panels */
    uint16_t *keys;           /* those of all batches, tile by tile */
    float *dk_sums, *dv_sums; /* [batches, parts, M, d], [.., M, e] */
};

static int64_t up_to(int64_t n, int64_t unit)
{
    return nl_cpu_parts(n, unit) * unit;
}

/* `whole` in as few pieces of at most `most` as there are, all but the last alike. */
static int64_t piece(int64_t whole, int64_t most, int64_t unit)
{
    return up_to(nl_cpu_parts(whole, nl_cpu_parts(whole, most)), unit);
}

static struct pass pass_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct pass s = {.p = nl_cpu_pairwise_dx_of(desc, args),
                     .dy = &args->in[4],
                     .dq = &args->out[0],
                     .dk = &args->out[1],
                     .dv = &args->out[2],
                     .row = args->in[5].rank ? args->in[5].data : NULL,
                     .kernel = nl_cpu_kernel_half(),
                     .train = nl_cpu_vector_train()};
    const int64_t panel = s.kernel->panel;
    const int64_t part = nl_cpu_parts(s.p.queries, nl_cpu_parts(TASKS, s.p.batches));
    s.rows = piece(part, QUERIES, panel);
    s.part = up_to(part, s.rows);
    s.parts = nl_cpu_parts(s.p.queries, s.part);
    s.columns = piece(s.p.keys, KEYS, s.kernel->rows);
    s.deep = up_to(s.p.depth, panel);
    s.wide = up_to(s.p.width, panel);
    s.batch_keys = up_to(s.p.keys, s.columns) * s.deep;
    return s;
}

/* The next `count` elements of some memory. */
static void *take(char *base, size_t *used, int64_t count, size_t size)
{
    void *const at = base ? base + *used : NULL;
    *used += nl_align_up((size_t)count * size);
    return at;
}

/* Bytes shared by all threads; hands them out where there is a workspace. */
static size_t shared(struct pass *s, char *workspace)
{
    const int64_t keys = s->p.batches * s->parts * s->p.keys;
    size_t used = 0;
    s->keys = take(workspace, &used, s->p.batches * s->batch_keys, sizeof *s->keys);
    s->dk_sums = take(workspace, &used, keys * s->p.depth, sizeof(float));
    s->dv_sums = take(workspace, &used, keys * s->p.width, sizeof(float));
    return used;
}

/* A part of a batch's queries, and what a thread has for it. Queries and dy are in panels twice:
 * turned, to meet keys and values, and as they lie, to be weighed. */
struct part {
    const struct pass *s;
    int64_t batch, query, queries; /* which; all below counts from its first query */
    uint16_t *q_turned, *dy_turned, *q_laid, *dy_laid;
    float *dq;                          /* [queries, d] */
    float *shift, *over, *own;          /* [queries]: see nl_cpu_key_dx */
    float *affinities, *gradients;      /* [keys, rows] of a tile; gradients are of scores */
    uint16_t *weights, *slopes, *pairs; /* the same rounded, and slopes once more in pairs */
    float *room;                        /* two rows of values */
    float *dk, *dv;                     /* sums, for all keys */
};

/* Bytes of a thread, as shared(). */
static size_t slice(const struct pass *s, struct part *t, char *scratch)
{
    const int64_t tile = s->rows * s->columns;
    size_t used = 0;
    t->q_turned = take(scratch, &used, s->part * s->p.depth, sizeof(uint16_t));
    t->dy_turned = take(scratch, &used, s->part * s->p.width, sizeof(uint16_t));
    t->q_laid = take(scratch, &used, s->part * s->deep, sizeof(uint16_t));
    t->dy_laid = take(scratch, &used, s->part * s->wide, sizeof(uint16_t));
    t->dq = take(scratch, &used, s->part * s->p.depth, sizeof(float));
    t->shift = take(scratch, &used, s->part, sizeof(float));
    t->over = take(scratch, &used, s->part, sizeof(float));
    t->own = take(scratch, &used, s->part, sizeof(float));
    t->affinities = take(scratch, &used, tile, sizeof(float));
    t->gradients = take(scratch, &used, tile, sizeof(float));
    t->weights = take(scratch, &used, tile, sizeof(uint16_t));
    t->slopes = take(scratch, &used, tile, sizeof(uint16_t));
    t->pairs = take(scratch, &used, tile, sizeof(uint16_t));
    t->room = take(scratch, &used, 2 * s->p.width, sizeof(float));
    return used;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_args views = {.workspace = NULL};
    struct part part;
    for (int i = 0; i < NL_MAX_IN; i++) views.in[i] = desc->in[i];
    for (int i = 0; i < NL_MAX_OUT; i++) views.out[i] = desc->out[i];
    struct pass s = pass_of(desc, &views);
    (void)prepared;
    NL_TRY(nl_cpu_slices(be, slice(&s, &part, NULL), &need->workspace));
    return nl_size_add(need->workspace, shared(&s, NULL), &need->workspace);
}

/* Rows of one batch from row `row` on: row i at data + i * ld. */
struct table {
    uint16_t *data;
    int64_t ld;
};

static struct table rows_of(const nl_tensor *t, int64_t batch, int64_t row)
{
    const int64_t at = batch / t->dim[1] * t->stride[0] + batch % t->dim[1] * t->stride[1];
    return (struct table){(uint16_t *)t->data + at + row * t->stride[2], t->stride[2]};
}

static void lay_keys(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    const int64_t tiles = nl_cpu_parts(s->p.keys, s->columns);
    assert(tiles > 0); /* or no tile would be asked for */
    const int64_t batch = number / tiles, key = number % tiles * s->columns;
    const struct table k = rows_of(s->p.k, batch, key);
    (void)scratch;
    nl_cpu_lay_half(s->kernel, k.data, k.ld, nl_cpu_least(s->columns, s->p.keys - key), s->p.depth,
                    s->keys + batch * s->batch_keys + key * s->deep);
}

/* What the gradients of a query's scores share. */
static void find_shared(const struct part *t, int64_t i)
{
    const struct nl_cpu_pairwise *p = &t->s->p;
    const bool sum = p->norm == NL_NORM_SUM, softmax = sum && p->f == NL_F_EXP;
    const float row = t->s->row ? t->s->row[t->batch * p->queries + t->query + i] : 0;
    float *const y = t->room, *const dy = t->room + p->width;
    t->shift[i] = softmax ? row : 0;
    t->over[i] = softmax ? 1.0f : 1.0f / (t->s->row ? row : (float)p->keys);
    p->vector->widen(y, rows_of(p->y, t->batch, t->query + i).data, p->width);
    p->vector->widen(dy, rows_of(t->s->dy, t->batch, t->query + i).data, p->width);
    t->own[i] = sum ? p->vector->dot(y, dy, p->width) : 0;
}

/* Panels are made of pieces of rows, which nothing foresees: the rows come into a cache whole
 * first, those of dy by being read. */
static void fetch(const struct part *t, int64_t i)
{
    const char *const q = (const char *)rows_of(t->s->p.q, t->batch, t->query + i).data;
    const int64_t bytes = t->s->p.depth * (int64_t)sizeof(uint16_t);
    for (int64_t at = 0; at < bytes; at += LINE) __builtin_prefetch(q + at, 0, 2);
    find_shared(t, i);
}

static void lay_queries(const struct part *t, int64_t i)
{
    const struct pass *s = t->s;
    const int64_t rows = nl_cpu_least(s->rows, t->queries - i), d = s->p.depth, e = s->p.width;
    const struct table q = rows_of(s->p.q, t->batch, t->query + i),
                       dy = rows_of(s->dy, t->batch, t->query + i);
    for (int64_t k = i; k < i + rows; k++) fetch(t, k);
    nl_cpu_turn_half(s->kernel, q.data, q.ld, rows, d, t->q_turned + i * d);
    nl_cpu_lay_half(s->kernel, q.data, q.ld, rows, d, t->q_laid + i * s->deep);
    nl_cpu_turn_half(s->kernel, dy.data, dy.ld, rows, e, t->dy_turned + i * e);
    nl_cpu_lay_half(s->kernel, dy.data, dy.ld, rows, e, t->dy_laid + i * s->wide);
}

/* One tile of keys with one of queries. */
struct tile {
    int64_t key, keys, query, queries;
};

/* Rows of the tile's keys or values with rows of its queries or dy. */
static void meet(const struct part *t, const struct tile *at, const nl_tensor *a,
                 const uint16_t *panels, float *y)
{
    const struct table from = rows_of(a, t->batch, at->key);
    const struct nl_cpu_block block = {.rows = at->keys,
                                       .columns = at->queries,
                                       .depth = a->dim[3],
                                       .a = from.data,
                                       .lda = from.ld,
                                       .ldy = t->s->rows};
    nl_cpu_multiply_panels(t->s->kernel, block, panels + at->query * a->dim[3], y, false);
}

/* Rows of dy or queries, weighed, are added to the sums of the tile's keys. */
static void add_to_keys(const struct part *t, const struct tile *at, const uint16_t *weights,
                        int64_t columns, const uint16_t *panels, float *sums)
{
    const struct nl_cpu_block block = {.rows = at->keys,
                                       .columns = columns,
                                       .depth = at->queries,
                                       .a = weights,
                                       .lda = t->s->rows,
                                       .ldy = columns};
    nl_cpu_multiply_panels(t->s->kernel, block,
                           panels + at->query * up_to(columns, t->s->kernel->panel),
                           sums + at->key * columns, at->query > 0);
}

static void add_to_queries(const struct part *t, const struct tile *at)
{
    const struct pass *s = t->s;
    const int64_t d = s->p.depth;
    const struct nl_cpu_block block = {.rows = at->queries,
                                       .columns = d,
                                       .depth = at->keys,
                                       .a = t->pairs,
                                       .lda = s->rows,
                                       .turned = true,
                                       .ldy = d};
    nl_cpu_multiply_panels(s->kernel, block, s->keys + t->batch * s->batch_keys + at->key * s->deep,
                           t->dq + at->query * d, at->key > 0);
}

/* Products become affinities over C and gradients of scores. The step that the last query or key
 * begins is filled up. */
static void differentiate(const struct part *t, const struct tile *at)
{
    const struct nl_cpu_vector *vector = t->s->p.vector;
    const int64_t ld = t->s->rows, n = at->queries;
    const struct nl_cpu_key_dx given = {.shift = t->shift + at->query,
                                        .over = t->over + at->query,
                                        .own = t->own + at->query,
                                        .f = t->s->p.f,
                                        .scale = t->s->p.scale};
    for (int64_t j = 0; j < at->keys; j++) {
        float *const w = t->affinities + j * ld, *const s = t->gradients + j * ld;
        t->s->train->key_dx(w, s, &given, n);
        vector->narrow(t->weights + j * ld, w, n);
        vector->narrow(t->slopes + j * ld, s, n);
        if (n % 2) t->weights[j * ld + n] = t->slopes[j * ld + n] = 0;
    }
    if (at->keys % 2) memset(t->slopes + at->keys * ld, 0, (size_t)n * sizeof *t->slopes);
    for (int64_t j = 0; j < at->keys; j += 2)
        vector->pair(t->pairs + j * ld, t->slopes + j * ld, t->slopes + (j + 1) * ld, n);
}

static void run_tile(const struct part *t, const struct tile *at)
{
    const struct nl_cpu_pairwise *p = &t->s->p;
    meet(t, at, p->k, t->q_turned, t->affinities);
    meet(t, at, p->v, t->dy_turned, t->gradients);
    differentiate(t, at);
    add_to_keys(t, at, t->weights, p->width, t->dy_laid, t->dv);
    add_to_keys(t, at, t->slopes, p->depth, t->q_laid, t->dk);
    add_to_queries(t, at);
}

static void part_task(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    const struct nl_cpu_pairwise *p = &s->p;
    struct part t = {.s = s, .batch = number / s->parts, .query = number % s->parts * s->part};
    struct tile at;
    slice(s, &t, scratch);
    t.queries = nl_cpu_least(s->part, p->queries - t.query);
    t.dk = s->dk_sums + number * p->keys * p->depth;
    t.dv = s->dv_sums + number * p->keys * p->width;
    for (int64_t i = 0; i < t.queries; i += s->rows) lay_queries(&t, i);
    for (at.key = 0; at.key < p->keys; at.key += s->columns)
        for (at.query = 0; at.query < t.queries; at.query += s->rows) {
            at.keys = nl_cpu_least(s->columns, p->keys - at.key);
            at.queries = nl_cpu_least(s->rows, t.queries - at.query);
            run_tile(&t, &at);
        }
    for (int64_t i = 0; i < t.queries; i++)
        p->vector->narrow(rows_of(s->dq, t.batch, t.query + i).data, t.dq + i * p->depth, p->depth);
}

/* Adds the parts of one key's gradient, in order, in the first one's place. */
static void add_parts(const struct pass *s, float *sums, const nl_tensor *to, int64_t batch,
                      int64_t key)
{
    const int64_t n = to->dim[3], step = s->p.keys * n;
    float *const sum = sums + batch * s->parts * step + key * n;
    for (int64_t part = 1; part < s->parts; part++)
        s->p.vector->add_scaled(sum, sum + part * step, 1, n);
    s->p.vector->narrow(rows_of(to, batch, key).data, sum, n);
}

static void key_task(const void *job, int64_t number, void *scratch)
{
    const struct pass *s = job;
    const int64_t tasks = nl_cpu_parts(s->p.keys, ROWS), batch = number / tasks;
    const int64_t from = number % tasks * ROWS, end = nl_cpu_least(from + ROWS, s->p.keys);
    (void)scratch;
    for (int64_t key = from; key < end; key++) {
        add_parts(s, s->dk_sums, s->dk, batch, key);
        add_parts(s, s->dv_sums, s->dv, batch, key);
    }
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct pass s = pass_of(desc, args);
    struct part part;
    char *const slices = (char *)args->workspace + shared(&s, args->workspace);
    (void)prepared;
    nl_cpu_for_tiles(be, s.p.batches * nl_cpu_parts(s.p.keys, s.columns), lay_keys, &s, NULL, 0);
    nl_cpu_for_tiles(be, s.p.batches * s.parts, part_task, &s, slices, slice(&s, &part, NULL));
    nl_cpu_for_tiles(be, s.p.batches * nl_cpu_parts(s.p.keys, ROWS), key_task, &s, NULL, 0);
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_dx_half = {
    .name = "paired", .can = can, .prepare = prepare, .run = run};
