#include "backends/ref/ref.h"

#include <math.h>

nl_status nl_ref_affine(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                        const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *a = &args->in[1], *b = &args->in[2],
                    *residual = &args->in[3];
    const nl_tensor *y = &args->out[0];
    const int64_t rows = nl_ref_rows(y);
    (void)be;
    (void)prepared;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < y->dim[y->rank - 1]; c++) {
            double value = nl_ref_get(x, nl_ref_row(x, row) + c) * nl_ref_get(a, c);
            if (b->rank) value += nl_ref_get(b, c);
            if (residual->rank) value += nl_ref_get(residual, nl_ref_row(residual, row) + c);
            nl_ref_put(y, nl_ref_row(y, row) + c, nl_ref_act(desc->attr.pointwise.relu, value));
        }
    return NL_OK;
}

nl_status nl_ref_add(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const nl_tensor *x0 = &args->in[0], *x1 = &args->in[1], *y = &args->out[0];
    const int64_t rows = nl_ref_rows(y);
    (void)be;
    (void)prepared;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < y->dim[y->rank - 1]; c++) {
            const double sum =
                nl_ref_get(x0, nl_ref_row(x0, row) + c) + nl_ref_get(x1, nl_ref_row(x1, row) + c);
            nl_ref_put(y, nl_ref_row(y, row) + c, nl_ref_act(desc->attr.pointwise.relu, sum));
        }
    return NL_OK;
}

/* y = f(x) * scale for every element; the last axis may have any stride here. */
static void each(const nl_tensor *x, const nl_tensor *y, nl_affinity f, double scale)
{
    const int64_t rows = nl_ref_rows(y);
    const int last = y->rank - 1;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < y->dim[last]; c++) {
            const double value = nl_ref_get(x, nl_ref_row(x, row) + c * x->stride[last]);
            nl_ref_put(y, nl_ref_row(y, row) + c * y->stride[last],
                       nl_affinity_value(f, value) * scale);
        }
}

nl_status nl_ref_relu(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args)
{
    (void)be;
    (void)prepared;
    (void)desc;
    each(&args->in[0], &args->out[0], NL_F_RELU, 1);
    return NL_OK;
}

nl_status nl_ref_map(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    (void)be;
    (void)prepared;
    each(&args->in[0], &args->out[0], desc->attr.map.f, desc->attr.map.scale);
    return NL_OK;
}

nl_status nl_ref_cast(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args)
{
    (void)be;
    (void)prepared;
    (void)desc;
    each(&args->in[0], &args->out[0], NL_F_IDENTITY, 1);
    return NL_OK;
}

nl_status nl_ref_softmax(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *y = &args->out[0];
    const int64_t rows = nl_ref_rows(y), n = y->dim[y->rank - 1];
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t from = nl_ref_row(x, row), to = nl_ref_row(y, row);
        double top = -INFINITY, sum = 0;
        for (int64_t c = 0; c < n; c++) top = fmax(top, nl_ref_get(x, from + c));
        for (int64_t c = 0; c < n; c++) sum += exp(nl_ref_get(x, from + c) - top);
        for (int64_t c = 0; c < n; c++)
            nl_ref_put(y, to + c, exp(nl_ref_get(x, from + c) - top) / sum);
    }
    return NL_OK;
}

nl_status nl_ref_bn_fold(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *in = args->in;
    (void)be;
    (void)prepared;
    for (int64_t c = 0; c < in[0].dim[0]; c++) {
        const double a =
            nl_ref_get(&in[0], c) / sqrt(nl_ref_get(&in[3], c) + desc->attr.bn_fold.epsilon);
        nl_ref_put(&args->out[0], c, a);
        nl_ref_put(&args->out[1], c, nl_ref_get(&in[1], c) - nl_ref_get(&in[2], c) * a);
    }
    return NL_OK;
}
