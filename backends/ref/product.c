#include "backends/ref/ref.h"

/* Offset of element (b0, b1, i, j). */
static int64_t at(const nl_tensor *t, int64_t b, int64_t i, int64_t j)
{
    return b / t->dim[1] * t->stride[0] + b % t->dim[1] * t->stride[1] + i * t->stride[2] +
           j * t->stride[3];
}

/* Row i of batch n of c = scale * a b. */
static void product_row(const struct nl_args *args, double scale, int64_t n, int64_t i)
{
    const nl_tensor *a = &args->in[0], *b = &args->in[1], *c = &args->out[0];
    for (int64_t j = 0; j < c->dim[3]; j++) {
        double sum = 0;
        for (int64_t k = 0; k < a->dim[3]; k++)
            sum += nl_ref_get(a, at(a, n, i, k)) * nl_ref_get(b, at(b, n, k, j));
        nl_ref_put(c, at(c, n, i, j), sum * scale);
    }
}

nl_status nl_ref_product(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                         const struct nl_args *args)
{
    const nl_tensor *c = &args->out[0];
    const int64_t rows = c->dim[0] * c->dim[1] * c->dim[2];
    (void)prepared;
#pragma omp parallel for num_threads(be->threads) schedule(static)
    for (int64_t row = 0; row < rows; row++)
        product_row(args, desc->attr.product.scale, row / c->dim[2], row % c->dim[2]);
    return NL_OK;
}

nl_status nl_ref_outer_sum(struct nl_backend *be, const void *prepared,
                           const struct nl_op_desc *desc, const struct nl_args *args)
{
    const nl_tensor *a = &args->in[0], *b = &args->in[1], *c = &args->out[0];
    const int64_t batches = c->dim[0] * c->dim[1];
    (void)be;
    (void)prepared;
    (void)desc;
    for (int64_t n = 0; n < batches; n++)
        for (int64_t i = 0; i < c->dim[2]; i++)
            for (int64_t j = 0; j < c->dim[3]; j++)
                nl_ref_put(c, at(c, n, i, j),
                           nl_ref_get(a, at(a, n, i, 0)) + nl_ref_get(b, at(b, n, j, 0)));
    return NL_OK;
}
