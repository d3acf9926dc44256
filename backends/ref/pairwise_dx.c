/* The gradient of pairwise: scores and affinities are computed anew, row by row. */
#include "backends/ref/ref.h"

#include "src/core/memory.h"

#include <math.h>

static int64_t batch_of(const nl_tensor *t, int64_t b)
{
    return b / t->dim[1] * t->stride[0] + b % t->dim[1] * t->stride[1];
}

/* One batch: rows of tensor `t` start at element `at`, `ld` apart. */
struct rows {
    const nl_tensor *t;
    int64_t at, ld;
};

static struct rows rows_of(const nl_tensor *t, int64_t b)
{
    return (struct rows){t, batch_of(t, b), t->stride[2]};
}

static double get(const struct rows *r, int64_t row, int64_t c)
{
    return nl_ref_get(r->t, r->at + row * r->ld + c);
}

static void put(const struct rows *r, int64_t row, int64_t c, double value)
{
    nl_ref_put(r->t, r->at + row * r->ld + c, value);
}

/* What is at hand for one batch. */
struct batch {
    const struct nl_op_desc *desc;
    struct rows q, k, v, y, dy, dq, dk, dv;
    const nl_tensor *row; /* read where norm is sum */
    int64_t first_row, queries, keys, depth, width;
    double *weights, *scores; /* [queries, keys]: affinities over C; gradients of scores */
};

static double score(const struct batch *s, int64_t i, int64_t j)
{
    double sum = 0;
    if (s->desc->attr.pairwise.score == NL_SCORE_SUM) sum = get(&s->q, i, 0) + get(&s->k, j, 0);
    for (int64_t c = 0; s->desc->attr.pairwise.score != NL_SCORE_SUM && c < s->depth; c++)
        sum += get(&s->q, i, c) * get(&s->k, j, c);
    return sum * s->desc->attr.pairwise.scale;
}

/* Affinity over C of pair (i, j), and its derivative by the score. */
static double affinity(const struct batch *s, int64_t i, double score_of_pair, double *slope)
{
    const nl_affinity f = s->desc->attr.pairwise.f;
    const bool sums = s->desc->attr.pairwise.norm == NL_NORM_SUM;
    const double row = sums ? nl_ref_get(s->row, s->first_row + i) : (double)s->keys;
    if (sums && f == NL_F_EXP) return *slope = exp(score_of_pair - row);
    *slope = nl_affinity_slope(f, score_of_pair) / row;
    return nl_affinity_value(f, score_of_pair) / row;
}

/* Row i of both tables. */
static void row_of_scores(const struct batch *s, int64_t i)
{
    double own = 0;
    if (s->desc->attr.pairwise.norm == NL_NORM_SUM)
        for (int64_t c = 0; c < s->width; c++) own += get(&s->y, i, c) * get(&s->dy, i, c);
    for (int64_t j = 0; j < s->keys; j++) {
        double slope, through = 0;
        s->weights[i * s->keys + j] = affinity(s, i, score(s, i, j), &slope);
        for (int64_t c = 0; c < s->width; c++) through += get(&s->dy, i, c) * get(&s->v, j, c);
        s->scores[i * s->keys + j] = slope * (through - own) * s->desc->attr.pairwise.scale;
    }
}

static void to_queries(const struct batch *s, bool sum)
{
    for (int64_t i = 0; i < s->queries; i++)
        for (int64_t c = 0; c < s->depth; c++) {
            double total = 0;
            for (int64_t j = 0; j < s->keys; j++)
                total += s->scores[i * s->keys + j] * (sum ? 1 : get(&s->k, j, c));
            put(&s->dq, i, c, total);
        }
}

static void to_keys(const struct batch *s, bool sum)
{
    for (int64_t j = 0; j < s->keys; j++)
        for (int64_t c = 0; c < s->depth; c++) {
            double total = 0;
            for (int64_t i = 0; i < s->queries; i++)
                total += s->scores[i * s->keys + j] * (sum ? 1 : get(&s->q, i, c));
            put(&s->dk, j, c, total);
        }
}

static void to_values(const struct batch *s)
{
    for (int64_t j = 0; j < s->keys; j++)
        for (int64_t c = 0; c < s->width; c++) {
            double total = 0;
            for (int64_t i = 0; i < s->queries; i++)
                total += s->weights[i * s->keys + j] * get(&s->dy, i, c);
            put(&s->dv, j, c, total);
        }
}

nl_status nl_ref_pairwise_dx_prepare(struct nl_backend *be, const struct nl_op_desc *desc,
                                     void **prepared, struct nl_need *need)
{
    (void)prepared;
    NL_TRY(nl_size_mul((size_t)be->threads, (size_t)desc->in[0].dim[2], &need->workspace));
    NL_TRY(nl_size_mul(need->workspace, (size_t)desc->in[1].dim[2], &need->workspace));
    return nl_size_mul(need->workspace, 2 * sizeof(double), &need->workspace);
}

static void one_batch(const struct nl_op_desc *desc, const struct nl_args *args, int64_t b,
                      double *tables)
{
    const bool sum = desc->attr.pairwise.score == NL_SCORE_SUM;
    const nl_tensor *in = args->in, *out = args->out;
    const struct batch s = {.desc = desc,
                            .q = rows_of(&in[0], b),
                            .k = rows_of(&in[1], b),
                            .v = rows_of(&in[2], b),
                            .y = rows_of(&in[3], b),
                            .dy = rows_of(&in[4], b),
                            .dq = rows_of(&out[0], b),
                            .dk = rows_of(&out[1], b),
                            .dv = rows_of(&out[2], b),
                            .row = &in[5],
                            .first_row = b * in[0].dim[2],
                            .queries = in[0].dim[2],
                            .keys = in[1].dim[2],
                            .depth = in[0].dim[3],
                            .width = in[2].dim[3],
                            .weights = tables,
                            .scores = tables + in[0].dim[2] * in[1].dim[2]};
    for (int64_t i = 0; i < s.queries; i++) row_of_scores(&s, i);
    to_queries(&s, sum);
    to_keys(&s, sum);
    to_values(&s);
}

nl_status nl_ref_pairwise_dx(struct nl_backend *be, const void *prepared,
                             const struct nl_op_desc *desc, const struct nl_args *args)
{
    const int64_t batches = args->in[0].dim[0] * args->in[0].dim[1], threads = be->threads;
    const int64_t pairs = args->in[0].dim[2] * args->in[1].dim[2];
    (void)prepared;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t slice = 0; slice < threads; slice++)
        for (int64_t b = slice; b < batches; b += threads)
            one_batch(desc, args, b, (double *)args->workspace + 2 * slice * pairs);
    return NL_OK;
}

/* Sum of batch `b` along the other of its two axes, at `i` of `axis`. */
static double line_sum(const nl_tensor *t, int64_t b, int axis, int64_t i)
{
    const int other = axis == 2 ? 3 : 2;
    double sum = 0;
    for (int64_t k = 0; k < t->dim[other]; k++)
        sum += nl_ref_get(t, batch_of(t, b) + i * t->stride[axis] + k * t->stride[other]);
    return sum;
}

nl_status nl_ref_outer_sum_dx(struct nl_backend *be, const void *prepared,
                              const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *dc = &args->in[0];
    const int64_t batches = dc->dim[0] * dc->dim[1];
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t b = 0; b < batches; b++) {
        const struct rows da = rows_of(&args->out[0], b), db = rows_of(&args->out[1], b);
        for (int64_t i = 0; i < dc->dim[2]; i++) put(&da, i, 0, line_sum(dc, b, 2, i));
        for (int64_t j = 0; j < dc->dim[3]; j++) put(&db, j, 0, line_sum(dc, b, 3, j));
    }
    return NL_OK;
}
