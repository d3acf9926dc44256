/* Batch norm's sums, the loss, and what the optimizer does. */
#include "backends/ref/ref.h"

#include <math.h>
#include <string.h>

nl_status nl_ref_mul(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const nl_tensor *a = &args->in[0], *b = &args->in[1], *y = &args->out[0];
    const int64_t rows = nl_ref_rows(y);
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < y->dim[y->rank - 1]; c++)
            nl_ref_put(y, nl_ref_row(y, row) + c,
                       nl_ref_get(a, nl_ref_row(a, row) + c) *
                           nl_ref_get(b, nl_ref_row(b, row) + c));
    return NL_OK;
}

nl_status nl_ref_bn_sums(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0];
    const int64_t rows = nl_ref_rows(x), channels = x->dim[x->rank - 1];
    (void)prepared;
    (void)desc;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t c = 0; c < channels; c++) {
        double sum = 0, squares = 0;
        for (int64_t row = 0; row < rows; row++) sum += nl_ref_get(x, nl_ref_row(x, row) + c);
        const double mean = sum / (double)rows;
        for (int64_t row = 0; row < rows; row++) {
            const double off = nl_ref_get(x, nl_ref_row(x, row) + c) - mean;
            squares += off * off;
        }
        nl_ref_put(&args->out[0], c, mean);
        nl_ref_put(&args->out[1], c, squares / (double)rows);
    }
    return NL_OK;
}

nl_status nl_ref_bn_sums_dx(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *in = args->in;
    const double n = desc->attr.bn_sums.count;
    (void)be;
    (void)prepared;
    for (int64_t c = 0; c < in[0].dim[0]; c++) {
        const double p = 2 * nl_ref_get(&in[2], c) / n;
        nl_ref_put(&args->out[0], c, p);
        nl_ref_put(&args->out[1], c, nl_ref_get(&in[1], c) / n - p * nl_ref_get(&in[0], c));
    }
    return NL_OK;
}

nl_status nl_ref_bn_fold_dx(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *in = args->in, *out = args->out;
    (void)be;
    (void)prepared;
    for (int64_t c = 0; c < in[0].dim[0]; c++) {
        const double gamma = nl_ref_get(&in[0], c), mean = nl_ref_get(&in[1], c);
        const double r = 1 / sqrt(nl_ref_get(&in[2], c) + desc->attr.bn_fold.epsilon);
        const double da = nl_ref_get(&in[3], c), db = nl_ref_get(&in[4], c);
        const double off = da - mean * db;
        nl_ref_put(&out[0], c, r * off);
        nl_ref_put(&out[1], c, db);
        nl_ref_put(&out[2], c, -gamma * r * db);
        nl_ref_put(&out[3], c, -gamma * r * r * r / 2 * off);
    }
    return NL_OK;
}

/* Largest logit of row `n`, and log of the sum of exp of the others against it. */
static double log_sum_exp(const nl_tensor *logits, int64_t n)
{
    const int64_t from = nl_ref_row(logits, n);
    double top = -INFINITY, sum = 0;
    for (int64_t c = 0; c < logits->dim[1]; c++) top = fmax(top, nl_ref_get(logits, from + c));
    for (int64_t c = 0; c < logits->dim[1]; c++) sum += exp(nl_ref_get(logits, from + c) - top);
    /* cppcheck-suppress invalidFunctionArg ; there is at least one class */
    return top + log(sum);
}

nl_status nl_ref_cross_entropy(struct nl_backend *be, const void *prepared,
                               const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *logits = &args->in[0];
    const int64_t *label = args->in[1].data;
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t n = 0; n < logits->dim[0]; n++) {
        const bool known = label[n] >= 0 && label[n] < logits->dim[1];
        nl_ref_put(&args->out[0], n,
                   known ? log_sum_exp(logits, n) -
                               nl_ref_get(logits, nl_ref_row(logits, n) + label[n])
                         : (double)NAN);
    }
    return NL_OK;
}

nl_status nl_ref_cross_entropy_dx(struct nl_backend *be, const void *prepared,
                                  const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *logits = &args->in[0], *dx = &args->out[0];
    const int64_t *label = args->in[1].data;
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t n = 0; n < logits->dim[0]; n++) {
        const double all = log_sum_exp(logits, n), weight = nl_ref_get(&args->in[2], n);
        for (int64_t c = 0; c < logits->dim[1]; c++) {
            const double p = exp(nl_ref_get(logits, nl_ref_row(logits, n) + c) - all);
            nl_ref_put(dx, nl_ref_row(dx, n) + c, weight * (p - (c == label[n])));
        }
    }
    return NL_OK;
}

nl_status nl_ref_accumulate(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *y = &args->out[0];
    const int64_t rows = nl_ref_rows(y);
    (void)be;
    (void)prepared;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < y->dim[y->rank - 1]; c++) {
            const int64_t at = nl_ref_row(y, row) + c * y->stride[y->rank - 1];
            nl_ref_put(y, at,
                       nl_ref_get(y, at) +
                           desc->attr.accumulate.scale *
                               nl_ref_get(x, nl_ref_row(x, row) + c * x->stride[x->rank - 1]));
        }
    return NL_OK;
}

nl_status nl_ref_square_sum(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const int64_t count = nl_tensor_count(&args->in[0]);
    double sum = 0;
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t i = 0; i < count; i++) {
        const double value = nl_ref_get(&args->in[0], i);
        sum += value * value;
    }
    nl_ref_put(&args->out[0], 0, sum);
    return NL_OK;
}

nl_status nl_ref_sgd(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const nl_tensor *hyper = &args->in[0], *p = &args->out[0], *v = &args->out[1],
                    *g = &args->out[2];
    const double rate = nl_ref_get(hyper, 0), momentum = nl_ref_get(hyper, 1),
                 decay = nl_ref_get(hyper, 2), scale = nl_ref_get(hyper, 3);
    const int64_t count = nl_tensor_count(p);
    (void)prepared;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t i = 0; i < count; i++) {
        const double d = scale * nl_ref_get(g, i) + decay * nl_ref_get(p, i);
        const double velocity = momentum * nl_ref_get(v, i) + d;
        nl_ref_put(v, i, velocity);
        nl_ref_put(p, i,
                   nl_ref_get(p, i) -
                       rate * (desc->attr.sgd.nesterov ? d + momentum * velocity : velocity));
        nl_ref_put(g, i, 0);
    }
    return NL_OK;
}

nl_status nl_ref_average(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *p = &args->out[0], *g = &args->out[1];
    const double momentum = nl_ref_get(&args->in[0], 0);
    const int64_t count = nl_tensor_count(p);
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t i = 0; i < count; i++) {
        nl_ref_put(p, i, momentum * nl_ref_get(p, i) + (1 - momentum) * nl_ref_get(g, i));
        nl_ref_put(g, i, 0);
    }
    return NL_OK;
}
