#include "backends/cpu/pairwise.h"
#include "backends/cpu/lines.h"

#include <math.h>

/* Sizes by measurement. A tile of scores is at most QUERIES x KEYS floats, whatever the number of
 * keys. Up to SMALL pairs, as over time alone, a call of the library costs more than its work:
 * loops over channels serve those, TOGETHER batches a tile. TILES keep four threads busy. */
enum { QUERIES = 96, KEYS = 512, SMALL = 256, TOGETHER = 16, TILES = 16 };

bool nl_cpu_pairwise_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_can(be, desc, why)) return false;
    for (int i = 0; i < 4; i++) {
        const nl_tensor *t = i < 3 ? &desc->in[i] : &desc->out[0];
        if (t->dim[2] > 1 && (t->stride[2] < t->dim[3] || t->stride[2] > NL_CPU_MULTIPLY_MAX))
            return nl_decline(why, "rows overlap or are too far apart for CBLAS");
    }
    return true;
}

struct nl_cpu_pairwise nl_cpu_pairwise_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *q = &args->in[0], *k = &args->in[1], *v = &args->in[2];
    return (struct nl_cpu_pairwise){.q = q,
                                    .k = k,
                                    .v = v,
                                    .y = &args->out[0],
                                    .bias = args->in[3].rank ? args->in[3].data : NULL,
                                    .residual = args->in[4].rank ? &args->in[4] : NULL,
                                    .batches = q->dim[0] * q->dim[1],
                                    .queries = q->dim[2],
                                    .keys = k->dim[2],
                                    .depth = q->dim[3],
                                    .width = v->dim[3],
                                    .score = desc->attr.pairwise.score,
                                    .f = desc->attr.pairwise.f,
                                    .norm = desc->attr.pairwise.norm,
                                    .scale = (float)desc->attr.pairwise.scale,
                                    .row = args->out[1].rank ? args->out[1].data : NULL,
                                    .vector = nl_cpu_vector()};
}

static void add_residual(const struct nl_cpu_pairwise *p, int64_t at, float *sums)
{
    enum { SOME = 256 };
    float room[SOME];
    for (int64_t c = 0; c < p->width; c += SOME) {
        const int64_t n = nl_cpu_least(SOME, p->width - c);
        const struct nl_cpu_after after = {
            .bias = p->bias ? p->bias + c : NULL,
            .residual = nl_cpu_read(p->residual->data, p->residual->type, at + c, n, room)};
        p->vector->combine(sums + c, sums + c, &after, n);
    }
}

void nl_cpu_pairwise_end(const struct nl_cpu_pairwise *p, int64_t batch, int64_t query,
                         float factor, float *sums)
{
    const struct nl_cpu_after after = {.bias = p->bias};
    p->vector->scale(sums, sums, factor, p->width);
    if (p->residual)
        add_residual(p, nl_cpu_batch_at(p->residual, batch) + query * p->residual->stride[2], sums);
    else if (p->bias)
        p->vector->combine(sums, sums, &after, p->width);
}

/* One tile of queries against all keys: `rows` queries, keys in turn `columns` at a time. */
struct tile {
    const struct nl_cpu_pairwise *p;
    struct nl_cpu_table q, k, v, y;
    int64_t batch, query; /* the first */
    int64_t rows, columns;
    float *scores; /* [rows, ld] */
    int64_t ld;
    bool small;
    float *row;         /* of this tile's queries, NULL where not asked for */
    float top[QUERIES]; /* largest score of each row so far, where f is exp over its sum */
    float sum[QUERIES]; /* of f so far */
};

static bool is_softmax(const struct nl_cpu_pairwise *p)
{
    return p->f == NL_F_EXP && p->norm == NL_NORM_SUM;
}

static void sum_scores(const struct tile *t)
{
    for (int64_t i = 0; i < t->rows; i++) {
        const float own = t->q.data[i * t->q.ld];
        float *row = t->scores + i * t->ld;
        for (int64_t j = 0; j < t->columns; j++)
            row[j] = (own + t->k.data[j * t->k.ld]) * t->p->scale;
    }
}

static void small_scores(const struct tile *t)
{
    for (int64_t i = 0; i < t->rows; i++)
        for (int64_t j = 0; j < t->columns; j++)
            t->scores[i * t->ld + j] =
                t->p->scale *
                t->p->vector->dot(t->q.data + i * t->q.ld, t->k.data + j * t->k.ld, t->p->depth);
}

static void make_scores(const struct tile *t)
{
    if (t->p->score == NL_SCORE_SUM)
        sum_scores(t);
    else if (t->small)
        small_scores(t);
    else
        nl_cpu_multiply(t->rows, t->columns, t->p->depth, t->p->scale,
                        (struct nl_cpu_matrix){t->q.data, t->q.ld, false},
                        (struct nl_cpu_matrix){t->k.data, t->k.ld, true}, 0, t->scores, t->ld);
}

/* Scores become f of scores. Where a row has a new largest score, what was summed before it
 * shrinks accordingly (Milakov and Gimelshein 2018, online softmax). */
static void apply(struct tile *t, bool first)
{
    const struct nl_cpu_vector *vector = t->p->vector;
    for (int64_t i = 0; i < t->rows; i++) {
        float *row = t->scores + i * t->ld, shift = 0;
        if (first) {
            t->top[i] = -INFINITY;
            t->sum[i] = 0;
        }
        if (is_softmax(t->p)) {
            const float seen = t->top[i], here = vector->largest(row, t->columns);
            t->top[i] = here > seen ? here : seen;
            shift = t->top[i] == -INFINITY ? 0 : t->top[i]; /* -inf - -inf is NaN */
            if (!first && here > seen) {
                const float shrink = seen == -INFINITY ? 0 : expf(seen - shift);
                t->sum[i] *= shrink;
                vector->scale(t->y.data + i * t->y.ld, t->y.data + i * t->y.ld, shrink,
                              t->p->width);
            }
        }
        t->sum[i] += vector->affinity(row, row, t->p->f, shift, t->columns);
    }
}

static void small_gather(const struct tile *t, bool first)
{
    const struct nl_cpu_vector *vector = t->p->vector;
    for (int64_t i = 0; i < t->rows; i++) {
        float *y = t->y.data + i * t->y.ld;
        for (int64_t j = 0; j < t->columns; j++)
            if (first && j == 0)
                vector->scale(y, t->v.data, t->scores[i * t->ld], t->p->width);
            else
                vector->add_scaled(y, t->v.data + j * t->v.ld, t->scores[i * t->ld + j],
                                   t->p->width);
    }
}

static void add_values(const struct tile *t, bool first)
{
    if (t->small)
        small_gather(t, first);
    else
        nl_cpu_multiply(
            t->rows, t->p->width, t->columns, 1, (struct nl_cpu_matrix){t->scores, t->ld, false},
            (struct nl_cpu_matrix){t->v.data, t->v.ld, false}, first ? 0 : 1, t->y.data, t->y.ld);
}

static void normalise(const struct tile *t)
{
    for (int64_t i = 0; i < t->rows; i++) {
        const float c = t->p->norm == NL_NORM_SUM ? t->sum[i] : (float)t->p->keys;
        if (t->row) t->row[i] = is_softmax(t->p) ? t->top[i] + logf(c) : c;
        nl_cpu_pairwise_end(t->p, t->batch, t->query + i, 1.0f / c, t->y.data + i * t->y.ld);
    }
}

/* How queries and keys are cut; a matter of shape alone. */
struct cut {
    struct nl_cpu_pairwise p;
    int64_t rows, columns;       /* of one tile of scores */
    int64_t query_tiles, groups; /* groups of batches */
    int64_t together;            /* batches in a group */
};

static struct cut cut_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct cut cut = {.p = nl_cpu_pairwise_of(desc, args), .together = 1};
    if ((double)cut.p.queries * (double)cut.p.keys <= SMALL) cut.together = TOGETHER;
    cut.groups = nl_cpu_parts(cut.p.batches, cut.together);
    int64_t most = QUERIES;
    while (cut.groups * nl_cpu_parts(cut.p.queries, most) < TILES && most >= 64) most /= 2;
    cut.rows = nl_cpu_parts(cut.p.queries, nl_cpu_parts(cut.p.queries, most));
    cut.columns = nl_cpu_parts(cut.p.keys, nl_cpu_parts(cut.p.keys, KEYS));
    cut.query_tiles = nl_cpu_parts(cut.p.queries, cut.rows);
    return cut;
}

static void attend(const struct cut *cut, int64_t batch, int64_t query, float *scores)
{
    const struct nl_cpu_pairwise *p = &cut->p;
    const struct nl_cpu_table keys = nl_cpu_batch(p->k, batch), values = nl_cpu_batch(p->v, batch);
    struct tile t = {.p = p,
                     .k = keys,
                     .v = values,
                     .batch = batch,
                     .query = query,
                     .scores = scores,
                     .ld = cut->columns};
    t.small = (double)p->queries * (double)p->keys <= SMALL;
    t.rows = p->queries - query < cut->rows ? p->queries - query : cut->rows;
    t.q = nl_cpu_batch(p->q, batch);
    t.y = nl_cpu_batch(p->y, batch);
    if (p->row) t.row = p->row + batch * p->queries + query;
    t.q.data += query * t.q.ld;
    t.y.data += query * t.y.ld;
    for (int64_t key = 0; key < p->keys; key += cut->columns) {
        t.columns = p->keys - key < cut->columns ? p->keys - key : cut->columns;
        t.k.data = keys.data + key * keys.ld;
        t.v.data = values.data + key * values.ld;
        make_scores(&t);
        apply(&t, key == 0);
        add_values(&t, key == 0);
    }
    normalise(&t);
}

static void pairwise_tile(const void *job, int64_t tile, void *scratch)
{
    const struct cut *cut = job;
    const int64_t from = tile / cut->query_tiles * cut->together;
    const int64_t query = tile % cut->query_tiles * cut->rows;
    for (int64_t b = from; b < from + cut->together && b < cut->p.batches; b++)
        attend(cut, b, query, scratch);
}

static size_t slice(const struct cut *cut)
{
    return (size_t)cut->rows * (size_t)cut->columns * sizeof(float);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_args views = {.in = {desc->in[0], desc->in[1], desc->in[2]},
                                  .out = {desc->out[0]}};
    const struct cut cut = cut_of(desc, &views);
    (void)prepared;
    nl_cpu_multiply_alone();
    return nl_cpu_slices(be, slice(&cut), &need->workspace);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct cut cut = cut_of(desc, args);
    (void)prepared;
    nl_cpu_for_tiles(be, cut.groups * cut.query_tiles, pairwise_tile, &cut, args->workspace,
                     slice(&cut));
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_tiled = {
    .name = "tiled", .can = nl_cpu_pairwise_can, .prepare = prepare, .run = run};
