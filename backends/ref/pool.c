#include "backends/ref/ref.h"

#include <math.h>

/* The largest value (and its place), or the mean, of the window whose corner is element `from` of
 * x. */
static double window(const nl_tensor *x, const int *kernel, int64_t from, bool largest, int *place)
{
    double sum = largest ? -INFINITY : 0;
    *place = 0;
    for (int t = 0; t < kernel[0]; t++)
        for (int h = 0; h < kernel[1]; h++)
            for (int w = 0; w < kernel[2]; w++) {
                const double value =
                    nl_ref_get(x, from + t * x->stride[1] + h * x->stride[2] + w * x->stride[3]);
                if (!largest)
                    sum += value;
                else if (value > sum || isnan(value)) {
                    sum = value;
                    *place = (t * kernel[1] + h) * kernel[2] + w;
                }
            }
    return largest ? sum : sum / ((double)kernel[0] * kernel[1] * kernel[2]);
}

static nl_status pool(const struct nl_backend *be, const struct nl_op_desc *desc,
                      const struct nl_args *args, bool largest)
{
    const nl_tensor *x = &args->in[0], *y = &args->out[0];
    const int *stride = desc->attr.pool.stride;
    const int64_t rows = nl_ref_rows(y);
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        const int64_t w = row % y->dim[3], h = row / y->dim[3] % y->dim[2];
        const int64_t t = row / y->dim[3] / y->dim[2] % y->dim[1],
                      n = row / y->dim[3] / y->dim[2] / y->dim[1];
        const int64_t from = n * x->stride[0] + t * stride[0] * x->stride[1] +
                             h * stride[1] * x->stride[2] + w * stride[2] * x->stride[3];
        for (int64_t c = 0; c < y->dim[4]; c++) {
            int place;
            nl_ref_put(y, nl_ref_row(y, row) + c,
                       window(x, desc->attr.pool.kernel, from + c, largest, &place));
            if (args->out[1].rank) /* dense */
                ((uint8_t *)args->out[1].data)[row * y->dim[4] + c] = (uint8_t)place;
        }
    }
    return NL_OK;
}

nl_status nl_ref_max_pool(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    return pool(be, desc, args, true);
}

nl_status nl_ref_avg_pool(struct nl_backend *be, const void *prepared,
                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    return pool(be, desc, args, false);
}

nl_status nl_ref_mean(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *y = &args->out[0];
    const int64_t positions = x->dim[1] * x->dim[2] * x->dim[3];
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t n = 0; n < y->dim[0]; n++)
        for (int64_t c = 0; c < y->dim[1]; c++) {
            double sum = 0;
            for (int64_t p = 0; p < positions; p++)
                sum += nl_ref_get(x, nl_ref_row(x, n * positions + p) + c);
            nl_ref_put(y, n * y->stride[0] + c, sum / (double)positions);
        }
    return NL_OK;
}
