#include "backends/ref/ref.h"

/* The sum over one window of x and filter k. `at` is the window's corner in x: t, h, w. */
static double window_sum(const nl_tensor *x, const nl_tensor *w, int64_t n, const int64_t *at,
                         int64_t k)
{
    double sum = 0;
    for (int64_t dt = 0; dt < w->dim[1]; dt++)
        for (int64_t dh = 0; dh < w->dim[2]; dh++)
            for (int64_t dw = 0; dw < w->dim[3]; dw++) {
                const int64_t t = at[0] + dt, h = at[1] + dh, v = at[2] + dw;
                if (t < 0 || t >= x->dim[1] || h < 0 || h >= x->dim[2] || v < 0 || v >= x->dim[3])
                    continue;
                const int64_t from =
                    n * x->stride[0] + t * x->stride[1] + h * x->stride[2] + v * x->stride[3];
                const int64_t filter =
                    k * w->stride[0] + dt * w->stride[1] + dh * w->stride[2] + dw * w->stride[3];
                for (int64_t c = 0; c < x->dim[4]; c++)
                    sum += nl_ref_get(x, from + c) * nl_ref_get(w, filter + c);
            }
    return sum;
}

nl_status nl_ref_conv(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *w = &args->in[1], *bias = &args->in[2],
                    *residual = &args->in[3];
    const nl_tensor *y = &args->out[0];
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    const int64_t rows = nl_ref_rows(y);
    (void)prepared;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const int64_t v = row % y->dim[3], h = row / y->dim[3] % y->dim[2];
        const int64_t t = row / y->dim[3] / y->dim[2] % y->dim[1],
                      n = row / y->dim[3] / y->dim[2] / y->dim[1];
        const int64_t at[3] = {t * stride[0] - pad[0], h * stride[1] - pad[1],
                               v * stride[2] - pad[2]};
        for (int64_t k = 0; k < w->dim[0]; k++) {
            double sum = window_sum(x, w, n, at, k);
            if (bias->rank) sum += nl_ref_get(bias, k);
            if (residual->rank) sum += nl_ref_get(residual, nl_ref_row(residual, row) + k);
            nl_ref_put(y, nl_ref_row(y, row) + k, nl_ref_act(desc->attr.conv.relu, sum));
        }
    }
    if (!desc->attr.conv.sums) return NL_OK;
    const struct nl_args of_y = {.in = {*y}, .out = {args->out[1], args->out[2]}};
    return nl_ref_bn_sums(be, NULL, desc, &of_y);
}

nl_status nl_ref_conv_fold(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *w = &args->in[0], *bias = &args->in[1], *a = &args->in[2], *b = &args->in[3];
    const int64_t filters = w->dim[0], taps = filters ? nl_tensor_count(w) / filters : 0;
    (void)prepared;
    (void)desc;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t k = 0; k < filters; k++) {
        const double scale = nl_ref_get(a, k), own = bias->rank ? nl_ref_get(bias, k) : 0;
        for (int64_t i = 0; i < taps; i++)
            nl_ref_put(&args->out[0], k * taps + i, nl_ref_get(w, k * taps + i) * scale);
        nl_ref_put(&args->out[1], k, own * scale + nl_ref_get(b, k));
    }
    return NL_OK;
}
