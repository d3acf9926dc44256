/* Gradients of convolution, pooling and what works element by element. */
#include "backends/ref/ref.h"

#include <math.h>

/* The index of `row` as n, t, h, w. */
static void position_of(const nl_tensor *t, int64_t row, int64_t at[4])
{
    for (int i = 3; i >= 0; i--) {
        at[i] = row % t->dim[i];
        row /= t->dim[i];
    }
}

static int64_t element(const nl_tensor *t, const int64_t at[4])
{
    return at[0] * t->stride[0] + at[1] * t->stride[1] + at[2] * t->stride[2] +
           at[3] * t->stride[3];
}

/* The output whose window meets input `at` at kernel place `tap`; false where there is none. */
static bool output_at(const nl_tensor *y, const int64_t at[4], const int64_t tap[3],
                      const int *stride, const int *pad, int64_t out[4])
{
    out[0] = at[0];
    for (int i = 0; i < 3; i++) {
        const int64_t from = at[i + 1] + (pad ? pad[i] : 0) - tap[i];
        if (from < 0 || from % stride[i]) return false;
        out[i + 1] = from / stride[i];
        if (out[i + 1] >= y->dim[i + 1]) return false;
    }
    return true;
}

static double conv_dx_sum(const struct nl_op_desc *desc, const struct nl_args *args,
                          const int64_t at[4], int64_t c)
{
    const nl_tensor *dy = &args->in[0], *w = &args->in[1];
    double sum = 0;
    int64_t tap[3], out[4];
    for (tap[0] = 0; tap[0] < w->dim[1]; tap[0]++)
        for (tap[1] = 0; tap[1] < w->dim[2]; tap[1]++)
            for (tap[2] = 0; tap[2] < w->dim[3]; tap[2]++) {
                if (!output_at(dy, at, tap, desc->attr.conv.stride, desc->attr.conv.pad, out))
                    continue;
                const int64_t from = element(dy, out), filter = tap[0] * w->stride[1] +
                                                                tap[1] * w->stride[2] +
                                                                tap[2] * w->stride[3] + c;
                for (int64_t k = 0; k < w->dim[0]; k++)
                    sum += nl_ref_get(dy, from + k) * nl_ref_get(w, filter + k * w->stride[0]);
            }
    return sum;
}

nl_status nl_ref_conv_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *residual = &args->in[3], *dx = &args->out[0];
    const int64_t rows = nl_ref_rows(dx);
    (void)prepared;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int64_t at[4];
        position_of(dx, row, at);
        for (int64_t c = 0; c < dx->dim[4]; c++) {
            double sum = conv_dx_sum(desc, args, at, c);
            if (residual->rank) sum += nl_ref_get(residual, nl_ref_row(residual, row) + c);
            nl_ref_put(dx, element(dx, at) + c, sum);
        }
    }
    return NL_OK;
}

/* Sum over all outputs of dy[k] times the x that kernel place `tap` sees. */
static double conv_dw_sum(const struct nl_op_desc *desc, const struct nl_args *args,
                          const int64_t tap[3], int64_t k, int64_t c)
{
    const nl_tensor *x = &args->in[0], *dy = &args->in[1];
    const int64_t rows = nl_ref_rows(dy);
    double sum = 0;
    for (int64_t row = 0; row < rows; row++) {
        int64_t at[4];
        bool inside = true;
        position_of(dy, row, at);
        const int64_t from = element(dy, at);
        for (int i = 0; i < 3; i++) {
            at[i + 1] = at[i + 1] * desc->attr.conv.stride[i] - desc->attr.conv.pad[i] + tap[i];
            inside = inside && at[i + 1] >= 0 && at[i + 1] < x->dim[i + 1];
        }
        if (inside) sum += nl_ref_get(dy, from + k) * nl_ref_get(x, element(x, at) + c);
    }
    return sum;
}

static void add_to(const nl_tensor *t, int64_t at, double value, bool set)
{
    nl_ref_put(t, at, set ? value : nl_ref_get(t, at) + value);
}

nl_status nl_ref_conv_dw(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *dy = &args->in[1], *dw = &args->out[0], *db = &args->out[1];
    const int64_t count = nl_tensor_count(dw), c = dw->dim[4], rows = nl_ref_rows(dy);
    (void)prepared;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t i = 0; i < count; i++) {
        const int64_t spot = i / c, kw = dw->dim[3], kh = dw->dim[2], kt = dw->dim[1];
        const int64_t tap[3] = {spot / kw / kh % kt, spot / kw % kh, spot % kw};
        add_to(dw, i, conv_dw_sum(desc, args, tap, spot / kw / kh / kt, i % c), desc->attr.conv.set);
    }
    for (int64_t k = 0; db->rank && k < db->dim[0]; k++) {
        double sum = 0;
        for (int64_t row = 0; row < rows; row++) sum += nl_ref_get(dy, nl_ref_row(dy, row) + k);
        add_to(db, k, sum, desc->attr.conv.set);
    }
    return NL_OK;
}

/* What the windows that meet input `at` give it: all of dy of those whose largest it was, or an
 * equal share (index NULL). */
static double pool_dx_sum(const struct nl_op_desc *desc, const nl_tensor *dy,
                          const nl_tensor *index, const int64_t at[4], int64_t c)
{
    const int *kernel = desc->attr.pool.kernel;
    double sum = 0;
    int64_t tap[3], out[4];
    for (tap[0] = 0; tap[0] < kernel[0]; tap[0]++)
        for (tap[1] = 0; tap[1] < kernel[1]; tap[1]++)
            for (tap[2] = 0; tap[2] < kernel[2]; tap[2]++) {
                if (!output_at(dy, at, tap, desc->attr.pool.stride, NULL, out)) continue;
                const int64_t place = (tap[0] * kernel[1] + tap[1]) * kernel[2] + tap[2];
                if (index && ((const uint8_t *)index->data)[element(index, out) + c] != place)
                    continue;
                sum += nl_ref_get(dy, element(dy, out) + c);
            }
    return index ? sum : sum / ((double)kernel[0] * kernel[1] * kernel[2]);
}

static nl_status pool_dx(const struct nl_backend *be, const struct nl_op_desc *desc,
                         const struct nl_args *args, const nl_tensor *index)
{
    const nl_tensor *dx = &args->out[0];
    const int64_t rows = nl_ref_rows(dx);
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++) {
        int64_t at[4];
        position_of(dx, row, at);
        for (int64_t c = 0; c < dx->dim[4]; c++)
            nl_ref_put(dx, element(dx, at) + c, pool_dx_sum(desc, &args->in[0], index, at, c));
    }
    return NL_OK;
}

nl_status nl_ref_max_pool_dx(struct nl_backend *be, const void *prepared,
                             const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    return pool_dx(be, desc, args, &args->in[1]);
}

nl_status nl_ref_avg_pool_dx(struct nl_backend *be, const void *prepared,
                             const struct nl_op_desc *desc, const struct nl_args *args)
{
    (void)prepared;
    return pool_dx(be, desc, args, NULL);
}

nl_status nl_ref_mean_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *dy = &args->in[0], *dx = &args->out[0];
    const int64_t positions = dx->dim[1] * dx->dim[2] * dx->dim[3], rows = nl_ref_rows(dx);
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < dx->dim[4]; c++)
            nl_ref_put(dx, nl_ref_row(dx, row) + c,
                       nl_ref_get(dy, row / positions * dy->stride[0] + c) / (double)positions);
    return NL_OK;
}

/* Whether the ReLU after x * a + b lets element `value` of channel `c` through; b absent: it does. */
static bool lets_through(const nl_tensor *a, const nl_tensor *b, double value, int64_t c)
{
    return !b->rank || value * nl_ref_get(a, c) + nl_ref_get(b, c) > 0;
}

nl_status nl_ref_affine_dab(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *dy = &args->in[1];
    const int64_t rows = nl_ref_rows(x);
    (void)prepared;
    (void)desc;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t c = 0; c < x->dim[x->rank - 1]; c++) {
        double da = 0, db = 0;
        for (int64_t row = 0; row < rows; row++) {
            const double value = nl_ref_get(x, nl_ref_row(x, row) + c);
            if (!lets_through(&args->in[2], &args->in[3], value, c)) continue;
            const double d = nl_ref_get(dy, nl_ref_row(dy, row) + c);
            da += d * value;
            db += d;
        }
        nl_ref_put(&args->out[0], c, da);
        nl_ref_put(&args->out[1], c, db);
    }
    return NL_OK;
}

nl_status nl_ref_bn_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                       const struct nl_args *args)
{
    const nl_tensor *dy = &args->in[0], *x = &args->in[1], *a = &args->in[2], *dx = &args->out[0];
    const int64_t rows = nl_ref_rows(dx);
    (void)prepared;
    (void)desc;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < dx->dim[dx->rank - 1]; c++) {
            const double value = nl_ref_get(x, nl_ref_row(x, row) + c);
            double sum = value * nl_ref_get(&args->in[3], c) + nl_ref_get(&args->in[4], c);
            if (lets_through(a, &args->in[5], value, c))
                sum += nl_ref_get(dy, nl_ref_row(dy, row) + c) * nl_ref_get(a, c);
            nl_ref_put(dx, nl_ref_row(dx, row) + c, sum);
        }
    return NL_OK;
}

nl_status nl_ref_relu_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *dy = &args->in[0], *y = &args->in[1], *dx = &args->out[0];
    const int64_t rows = nl_ref_rows(dx);
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < dx->dim[dx->rank - 1]; c++) {
            const bool on = nl_ref_get(y, nl_ref_row(y, row) + c) > 0;
            nl_ref_put(dx, nl_ref_row(dx, row) + c,
                       on ? nl_ref_get(dy, nl_ref_row(dy, row) + c) : 0);
        }
    return NL_OK;
}

nl_status nl_ref_map_dx(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                        const struct nl_args *args)
{
    const nl_tensor *x = &args->in[0], *dy = &args->in[1], *dx = &args->out[0];
    const int64_t rows = nl_ref_rows(dx);
    const int last = dx->rank - 1;
    (void)be;
    (void)prepared;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t c = 0; c < dx->dim[last]; c++)
            nl_ref_put(
                dx, nl_ref_row(dx, row) + c * dx->stride[last],
                nl_ref_get(dy, nl_ref_row(dy, row) + c * dy->stride[last]) * desc->attr.map.scale *
                    nl_affinity_slope(desc->attr.map.f,
                                      nl_ref_get(x, nl_ref_row(x, row) + c * x->stride[last])));
    return NL_OK;
}

nl_status nl_ref_softmax_dx(struct nl_backend *be, const void *prepared,
                            const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *dy = &args->in[0], *y = &args->in[1], *dx = &args->out[0];
    const int64_t rows = nl_ref_rows(dx), n = dx->dim[dx->rank - 1];
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t row = 0; row < rows; row++) {
        const int64_t from = nl_ref_row(dy, row), own = nl_ref_row(y, row);
        double dot = 0;
        for (int64_t c = 0; c < n; c++) dot += nl_ref_get(dy, from + c) * nl_ref_get(y, own + c);
        for (int64_t c = 0; c < n; c++)
            nl_ref_put(dx, nl_ref_row(dx, row) + c,
                       nl_ref_get(y, own + c) * (nl_ref_get(dy, from + c) - dot));
    }
    return NL_OK;
}
