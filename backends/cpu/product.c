#include "backends/cpu/cpu.h"
#include "backends/cpu/multiply.h"

/* A tile is a run of rows of one batch. */
enum { TILE_ROWS = 128 };

/* A matrix that CBLAS can read: one axis dense, the other spaced by a leading dimension. */
static bool readable(const nl_tensor *t, struct nl_cpu_matrix *matrix)
{
    const int64_t rows = t->dim[2], columns = t->dim[3];
    const int64_t down = t->stride[2], across = t->stride[3];
    *matrix = (struct nl_cpu_matrix){.ld = rows > 1 ? down : columns};
    if ((across == 1 || columns == 1) && matrix->ld >= columns)
        return matrix->ld <= NL_CPU_MULTIPLY_MAX;
    *matrix = (struct nl_cpu_matrix){.ld = columns > 1 ? across : rows, .transposed = true};
    return (down == 1 || rows == 1) && matrix->ld >= rows && matrix->ld <= NL_CPU_MULTIPLY_MAX;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    struct nl_cpu_matrix matrix;
    (void)be;
    if (desc->in[0].type != NL_F32)
        return nl_decline(why, "computes f32, not %s", nl_type_name(desc->in[0].type));
    if (!readable(&desc->in[0], &matrix) || !readable(&desc->in[1], &matrix))
        return nl_decline(why, "an input has no dense axis");
    if (!readable(&desc->out[0], &matrix) || matrix.transposed)
        return nl_decline(why, "the rows of the result are not dense");
    return true;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    (void)be;
    (void)desc;
    (void)prepared;
    (void)need;
    nl_cpu_multiply_alone();
    return NL_OK;
}

struct product {
    const struct nl_args *args;
    float scale;
    int64_t row_tiles;
};

static float *batch_of(const nl_tensor *t, int64_t b)
{
    return (float *)t->data + b / t->dim[1] * t->stride[0] + b % t->dim[1] * t->stride[1];
}

static void product_tile(const void *job, int64_t tile, void *scratch)
{
    const struct product *p = job;
    const nl_tensor *a = &p->args->in[0], *b = &p->args->in[1], *c = &p->args->out[0];
    const int64_t batch = tile / p->row_tiles, row = tile % p->row_tiles * TILE_ROWS;
    const int64_t rows = c->dim[2] - row < TILE_ROWS ? c->dim[2] - row : TILE_ROWS;
    struct nl_cpu_matrix left, right, result;
    (void)scratch;
    readable(a, &left);
    readable(b, &right);
    readable(c, &result);
    left.data = batch_of(a, batch) + row * a->stride[2];
    right.data = batch_of(b, batch);
    nl_cpu_multiply(rows, c->dim[3], a->dim[3], p->scale, left, right, 0,
                    batch_of(c, batch) + row * c->stride[2], result.ld);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const nl_tensor *c = &args->out[0];
    const struct product job = {.args = args,
                                .scale = (float)desc->attr.product.scale,
                                .row_tiles = (c->dim[2] + TILE_ROWS - 1) / TILE_ROWS};
    (void)prepared;
    nl_cpu_for_tiles(be, c->dim[0] * c->dim[1] * job.row_tiles, product_tile, &job, NULL, 0);
    return NL_OK;
}

const struct nl_impl nl_cpu_product = {.name = "blas", .can = can, .prepare = prepare, .run = run};
