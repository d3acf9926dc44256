#include "backends/cpu/pairwise.h"
#include "backends/cpu/vector_train.h"
#include "src/core/memory.h"

#include <math.h>
#include <string.h>

/* The gradient of pairwise, a tile of scores at a time: scores are computed anew, and what they
 * weigh follows from the row sums that the forward pass kept. Queries are cut into parts, each of
 * which sums its own gradients of keys and values; parts are added in order. */
enum { QUERIES = 96, KEYS = 512, TASKS = 16 };

struct cut {
    struct nl_cpu_pairwise p;
    const nl_tensor *dy, *dq, *dk, *dv;
    const float *row;      /* [batches, queries]: log-sum-exp or C; NULL without */
    const float *y;        /* unused without rows */
    int64_t rows, columns; /* of a tile of scores */
    int64_t parts, part;   /* parts of a batch's queries, queries of one */
    float *keys, *values;  /* partial sums: [batches, parts, keys, d], [.., keys, e] */
    const struct nl_cpu_vector_train *train;
};

bool nl_cpu_pairwise_dx_can(const struct nl_backend *be, const struct nl_op_desc *desc,
                            nl_reason *why)
{
    (void)be;
    for (int i = 0; i < 8; i++) {
        const nl_tensor *t = i < 5 ? &desc->in[i] : &desc->out[i - 5];
        if (t->type != NL_F32)
            return nl_decline(why, "computes f32, not %s", nl_type_name(t->type));
        if (t->dim[3] > 1 && t->stride[3] != 1)
            return nl_decline(why, "the last axis is not dense");
        if (t->dim[2] > 1 && (t->stride[2] < t->dim[3] || t->stride[2] > NL_CPU_MULTIPLY_MAX))
            return nl_decline(why, "rows overlap or are too far apart for CBLAS");
    }
    return true;
}

struct nl_cpu_pairwise nl_cpu_pairwise_dx_of(const struct nl_op_desc *desc,
                                             const struct nl_args *args)
{
    const struct nl_args forward = {.in = {args->in[0], args->in[1], args->in[2]},
                                    .out = {args->in[3]}};
    struct nl_cpu_pairwise p = nl_cpu_pairwise_of(desc, &forward);
    p.q = &args->in[0];
    p.k = &args->in[1];
    p.v = &args->in[2];
    p.y = &args->in[3];
    return p;
}

static struct cut cut_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct cut c = {.p = nl_cpu_pairwise_dx_of(desc, args),
                    .dy = &args->in[4],
                    .dq = &args->out[0],
                    .dk = &args->out[1],
                    .dv = &args->out[2],
                    .row = args->in[5].rank ? args->in[5].data : NULL,
                    .train = nl_cpu_vector_train()};
    c.rows = nl_cpu_parts(c.p.queries, nl_cpu_parts(c.p.queries, QUERIES));
    c.columns = nl_cpu_parts(c.p.keys, nl_cpu_parts(c.p.keys, KEYS));
    const int64_t tiles = nl_cpu_parts(c.p.queries, c.rows);
    c.parts = nl_cpu_least(tiles, nl_cpu_parts(TASKS, c.p.batches));
    c.part = nl_cpu_parts(tiles, c.parts) * c.rows;
    c.parts = nl_cpu_parts(c.p.queries, c.part);
    return c;
}

static size_t slice(const struct cut *c)
{
    return (size_t)(2 * c->rows * c->columns + c->rows) * sizeof(float);
}

/* Where gradients of keys and values are summed; none where a batch is one part. */
static size_t shared(struct cut *c, float *at)
{
    const size_t keys = (size_t)(c->p.batches * c->parts * c->p.keys);
    if (c->parts == 1) return 0;
    c->keys = at;
    c->values = at ? at + keys * (size_t)c->p.depth : NULL;
    return keys * (size_t)(c->p.depth + c->p.width) * sizeof(float);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_args views = {.workspace = NULL};
    for (int i = 0; i < NL_MAX_IN; i++) views.in[i] = desc->in[i];
    for (int i = 0; i < NL_MAX_OUT; i++) views.out[i] = desc->out[i];
    struct cut c = cut_of(desc, &views);
    (void)prepared;
    nl_cpu_multiply_alone();
    NL_TRY(nl_cpu_slices(be, slice(&c), &need->workspace));
    return nl_size_add(need->workspace, nl_align_up(shared(&c, NULL)), &need->workspace);
}

/* One tile of queries and what its batch has. */
struct tile {
    const struct cut *c;
    struct nl_cpu_table q, k, v, dy, y, dq, dk, dv;
    int64_t batch, query, rows, columns;
    float *weights, *slopes; /* [rows, columns]: affinities over C, then gradients of scores */
    float *own;              /* [rows]: sum of y dy */
};

static struct nl_cpu_matrix plain(const float *data, int64_t ld)
{
    return (struct nl_cpu_matrix){data, ld, false};
}

static struct nl_cpu_matrix turned(const float *data, int64_t ld)
{
    return (struct nl_cpu_matrix){data, ld, true};
}

static void make_scores(const struct tile *t)
{
    const struct nl_cpu_pairwise *p = &t->c->p;
    if (p->score == NL_SCORE_PRODUCT) {
        nl_cpu_multiply(t->rows, t->columns, p->depth, p->scale, plain(t->q.data, t->q.ld),
                        turned(t->k.data, t->k.ld), 0, t->weights, t->columns);
        return;
    }
    for (int64_t i = 0; i < t->rows; i++) {
        const float own = t->q.data[i * t->q.ld];
        for (int64_t j = 0; j < t->columns; j++)
            t->weights[i * t->columns + j] = (own + t->k.data[j * t->k.ld]) * p->scale;
    }
}

/* Scores become affinities over C, and slopes (which hold dy . v) gradients of scores. */
static void differentiate(const struct tile *t)
{
    const struct nl_cpu_pairwise *p = &t->c->p;
    const bool softmax = p->f == NL_F_EXP && p->norm == NL_NORM_SUM;
    for (int64_t i = 0; i < t->rows; i++) {
        float *w = t->weights + i * t->columns, *s = t->slopes + i * t->columns;
        const float row = t->c->row ? t->c->row[t->batch * p->queries + t->query + i] : 0;
        const float over = softmax ? 1.0f : 1.0f / (t->c->row ? row : (float)p->keys);
        p->vector->affinity(w, w, p->f, softmax ? row : 0, t->columns);
        if (over != 1.0f) p->vector->scale(w, w, over, t->columns);
        t->c->train->score_dx(s, w, p->f, over, t->own[i], p->scale, t->columns);
    }
}

static void add_sums(const struct tile *t, int64_t key)
{
    const struct nl_cpu_pairwise *p = &t->c->p;
    float *dk = t->dk.data + key * t->dk.ld;
    for (int64_t i = 0; i < t->rows; i++) {
        const float *s = t->slopes + i * t->columns;
        float sum = 0;
        for (int64_t j = 0; j < t->columns; j++) {
            sum += s[j];
            dk[j * t->dk.ld] += s[j];
        }
        t->dq.data[i * t->dq.ld] += sum;
    }
    (void)p;
}

/* dv += w^T dy, dq += s k, dk += s^T q; `first` tiles of keys begin dq. */
static void add_products(const struct tile *t, int64_t key, bool first)
{
    const struct nl_cpu_pairwise *p = &t->c->p;
    nl_cpu_multiply(t->columns, p->width, t->rows, 1, turned(t->weights, t->columns),
                    plain(t->dy.data, t->dy.ld), 1, t->dv.data + key * t->dv.ld, t->dv.ld);
    if (p->score == NL_SCORE_SUM) {
        add_sums(t, key);
        return;
    }
    nl_cpu_multiply(t->rows, p->depth, t->columns, 1, plain(t->slopes, t->columns),
                    plain(t->k.data, t->k.ld), first ? 0 : 1, t->dq.data, t->dq.ld);
    nl_cpu_multiply(t->columns, p->depth, t->rows, 1, turned(t->slopes, t->columns),
                    plain(t->q.data, t->q.ld), 1, t->dk.data + key * t->dk.ld, t->dk.ld);
}

/* Sums of y dy, which the sum in C takes off every gradient of a score. */
static void find_own(const struct tile *t)
{
    const struct nl_cpu_pairwise *p = &t->c->p;
    for (int64_t i = 0; i < t->rows; i++)
        t->own[i] = p->norm == NL_NORM_SUM ? p->vector->dot(t->y.data + i * t->y.ld,
                                                            t->dy.data + i * t->dy.ld, p->width)
                                           : 0;
}

static void run_tile(struct tile *t, struct nl_cpu_table keys, struct nl_cpu_table values)
{
    const struct cut *c = t->c;
    find_own(t);
    if (c->p.score == NL_SCORE_SUM)
        for (int64_t i = 0; i < t->rows; i++) t->dq.data[i * t->dq.ld] = 0;
    for (int64_t key = 0; key < c->p.keys; key += c->columns) {
        t->columns = nl_cpu_least(c->columns, c->p.keys - key);
        t->k = (struct nl_cpu_table){keys.data + key * keys.ld, keys.ld};
        t->v = (struct nl_cpu_table){values.data + key * values.ld, values.ld};
        make_scores(t);
        nl_cpu_multiply(t->rows, t->columns, c->p.width, 1, plain(t->dy.data, t->dy.ld),
                        turned(t->v.data, t->v.ld), 0, t->slopes, t->columns);
        differentiate(t);
        add_products(t, key, key == 0);
    }
}

static void clear(struct nl_cpu_table table, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        memset(table.data + i * table.ld, 0, (size_t)columns * sizeof(float));
}

static struct nl_cpu_table from(struct nl_cpu_table table, int64_t row)
{
    return (struct nl_cpu_table){table.data + row * table.ld, table.ld};
}

static void part_task(const void *job, int64_t number, void *scratch)
{
    const struct cut *c = job;
    const struct nl_cpu_pairwise *p = &c->p;
    const int64_t batch = number / c->parts, part = number % c->parts;
    const int64_t end = nl_cpu_least((part + 1) * c->part, p->queries);
    struct tile t = {.c = c, .batch = batch, .weights = scratch};
    t.slopes = t.weights + c->rows * c->columns;
    t.own = t.slopes + c->rows * c->columns;
    t.dk = nl_cpu_batch(c->dk, batch);
    t.dv = nl_cpu_batch(c->dv, batch);
    if (c->parts > 1) {
        t.dk = (struct nl_cpu_table){c->keys + number * p->keys * p->depth, p->depth};
        t.dv = (struct nl_cpu_table){c->values + number * p->keys * p->width, p->width};
    }
    clear(t.dk, p->keys, p->depth);
    clear(t.dv, p->keys, p->width);
    for (t.query = part * c->part; t.query < end; t.query += c->rows) {
        t.rows = nl_cpu_least(c->rows, end - t.query);
        t.q = from(nl_cpu_batch(p->q, batch), t.query);
        t.y = from(nl_cpu_batch(p->y, batch), t.query);
        t.dy = from(nl_cpu_batch(c->dy, batch), t.query);
        t.dq = from(nl_cpu_batch(c->dq, batch), t.query);
        run_tile(&t, nl_cpu_batch(p->k, batch), nl_cpu_batch(p->v, batch));
    }
}

/* Adds the parts of one key's gradients, in order. */
static void add_parts(const float *parts, int64_t n_parts, int64_t step, float *to, int64_t n)
{
    memcpy(to, parts, (size_t)n * sizeof *to);
    for (int64_t part = 1; part < n_parts; part++)
        for (int64_t c = 0; c < n; c++) to[c] += parts[part * step + c];
}

static void key_task(const void *job, int64_t number, void *scratch)
{
    const struct cut *c = job;
    const int64_t keys = c->p.keys, d = c->p.depth, e = c->p.width;
    const int64_t batch = number / keys, key = number % keys;
    const struct nl_cpu_table dk = nl_cpu_batch(c->dk, batch), dv = nl_cpu_batch(c->dv, batch);
    (void)scratch;
    add_parts(c->keys + (batch * c->parts * keys + key) * d, c->parts, keys * d,
              dk.data + key * dk.ld, d);
    add_parts(c->values + (batch * c->parts * keys + key) * e, c->parts, keys * e,
              dv.data + key * dv.ld, e);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct cut c = cut_of(desc, args);
    const size_t slices = (size_t)be->threads * nl_align_up(slice(&c));
    (void)prepared;
    shared(&c, (float *)(void *)((char *)args->workspace + slices));
    nl_cpu_for_tiles(be, c.p.batches * c.parts, part_task, &c, args->workspace, slice(&c));
    if (c.parts > 1) nl_cpu_for_tiles(be, c.p.batches * c.p.keys, key_task, &c, NULL, 0);
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_dx = {
    .name = "tiled", .can = nl_cpu_pairwise_dx_can, .prepare = prepare, .run = run};
