#include "backends/ref/ref.h"

#include "src/core/memory.h"

#include <math.h>

static int64_t batch_of(const nl_tensor *t, int64_t b)
{
    return b / t->dim[1] * t->stride[0] + b % t->dim[1] * t->stride[1];
}

/* Scores of query `i` with every key, into row[0..M). */
static void score_row(const struct nl_op_desc *desc, const struct nl_args *args, int64_t b,
                      int64_t i, double *row)
{
    const nl_tensor *q = &args->in[0], *k = &args->in[1];
    const int64_t query = batch_of(q, b) + i * q->stride[2];
    for (int64_t j = 0; j < k->dim[2]; j++) {
        const int64_t key = batch_of(k, b) + j * k->stride[2];
        double s = 0;
        if (desc->attr.pairwise.score == NL_SCORE_SUM)
            s = nl_ref_get(q, query) + nl_ref_get(k, key);
        else
            for (int64_t c = 0; c < q->dim[3]; c++)
                s += nl_ref_get(q, query + c) * nl_ref_get(k, key + c);
        row[j] = s * desc->attr.pairwise.scale;
    }
}

/* f of every score, divided by C. Returns what attr.row asks for: log C of exp, else C. */
static double affinity_row(const struct nl_op_desc *desc, int64_t keys, double *row)
{
    const nl_affinity f = desc->attr.pairwise.f;
    double top = 0, sum = 0;
    if (f == NL_F_EXP && desc->attr.pairwise.norm == NL_NORM_SUM) {
        top = row[0]; /* divides out */
        for (int64_t j = 1; j < keys; j++) top = fmax(top, row[j]);
    }
    for (int64_t j = 0; j < keys; j++) sum += row[j] = nl_affinity_value(f, row[j] - top);
    const double c = desc->attr.pairwise.norm == NL_NORM_SUM ? sum : (double)keys;
    for (int64_t j = 0; j < keys; j++) row[j] /= c;
    return f == NL_F_EXP && desc->attr.pairwise.norm == NL_NORM_SUM ? top + log(c) : c;
}

nl_status nl_ref_pairwise_prepare(struct nl_backend *be, const struct nl_op_desc *desc,
                                  void **prepared, struct nl_need *need)
{
    (void)prepared;
    NL_TRY(nl_size_mul((size_t)be->threads, (size_t)desc->in[1].dim[2], &need->workspace));
    return nl_size_mul(need->workspace, sizeof(double), &need->workspace);
}

static void attend(const struct nl_op_desc *desc, const struct nl_args *args, int64_t b, int64_t i,
                   double *row)
{
    const nl_tensor *v = &args->in[2], *bias = &args->in[3], *residual = &args->in[4];
    const nl_tensor *y = &args->out[0];
    const int64_t to = batch_of(y, b) + i * y->stride[2];
    const int64_t from = residual->rank ? batch_of(residual, b) + i * residual->stride[2] : 0;
    score_row(desc, args, b, i, row);
    const double all = affinity_row(desc, v->dim[2], row);
    if (args->out[1].rank) nl_ref_put(&args->out[1], b * y->dim[2] + i, all);
    for (int64_t c = 0; c < v->dim[3]; c++) {
        double sum = 0;
        for (int64_t j = 0; j < v->dim[2]; j++)
            sum += row[j] * nl_ref_get(v, batch_of(v, b) + j * v->stride[2] + c);
        if (bias->rank) sum += nl_ref_get(bias, c);
        if (residual->rank) sum += nl_ref_get(residual, from + c);
        nl_ref_put(y, to + c, sum);
    }
}

nl_status nl_ref_pairwise(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    const int64_t queries = args->in[0].dim[2], keys = args->in[1].dim[2];
    const int64_t total = args->in[0].dim[0] * args->in[0].dim[1] * queries, threads = be->threads;
    (void)prepared;
    /* Each slice has a row of its own; which slice a query falls into changes no sum. */
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t slice = 0; slice < threads; slice++) {
        double *row = (double *)args->workspace + slice * keys;
        for (int64_t i = total * slice / threads; i < total * (slice + 1) / threads; i++)
            attend(desc, args, i / queries, i % queries, row);
    }
    return NL_OK;
}
