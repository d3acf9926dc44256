#include "backends/cpu/cpu.h"
#include "backends/onednn/onednn.h"
#include "backends/onednn/shape.h"
#include "backends/onednn/tiles.h"
#include "src/core/memory.h"

/* A tile is a part of the rows of one batch. */
enum { LEAST_ROWS = 64, MOST_ROWS = 512 };

struct product {
    struct nl_onednn_axis rows;
    int64_t batches;
    struct nl_onednn_calls tiles;
};

static void cut(const struct nl_op_desc *desc, struct product *p)
{
    const nl_tensor *c = &desc->out[0];
    const int64_t rows = c->dim[2];
    p->batches = c->dim[0] * c->dim[1];
    const int64_t wanted = nl_cpu_parts(NL_ONEDNN_TILES, p->batches);
    const int64_t least = nl_cpu_parts(rows, MOST_ROWS), most = nl_cpu_parts(rows, LEAST_ROWS);
    p->rows = nl_onednn_cut(rows, nl_cpu_least(wanted > least ? wanted : least, most), 16);
}

/* Extents and strides of the last two axes. The library looks at strides of single rows and columns
 * too, which mean nothing: they are made those of a dense matrix. */
static void matrix_of(const nl_tensor *t, dnnl_dims_t dims, dnnl_dims_t strides)
{
    dims[0] = t->dim[2];
    dims[1] = t->dim[3];
    strides[0] = t->stride[2];
    strides[1] = dims[1] > 1 ? t->stride[3] : 1;
    if (dims[0] == 1) strides[0] = dims[1] * strides[1];
}

static struct nl_dnnl_product tile_of(const struct nl_op_desc *desc, int64_t rows)
{
    struct nl_dnnl_product product = {.type = nl_onednn_type(desc->in[0].type),
                                      .sums = nl_onednn_type(desc->out[0].type),
                                      .scale = (float)desc->attr.product.scale};
    matrix_of(&desc->in[0], product.a, product.a_stride);
    matrix_of(&desc->in[1], product.b, product.b_stride);
    matrix_of(&desc->out[0], product.c, product.c_stride);
    product.a[0] = product.c[0] = rows;
    return product;
}

static bool is_plain(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *const all[] = {&desc->in[0], &desc->in[1], &desc->out[0]};
    if (!nl_onednn_multiplies(be, desc->in[0].type, why)) return false;
    for (size_t i = 0; i < NL_COUNT(all); i++)
        for (int axis = 2; axis < 4; axis++)
            if (all[i]->dim[axis] > 1 && all[i]->stride[axis] <= 0)
                return nl_decline(why, "an axis repeats or runs backwards");
    return true;
}

static bool can_on_request(const struct nl_backend *be, const struct nl_op_desc *desc,
                           nl_reason *why)
{
    const struct nl_dnnl alone = nl_onednn_alone(be);
    struct product p = {.batches = 0};
    if (!is_plain(be, desc, why)) return false;
    cut(desc, &p);
    const struct nl_dnnl_product first = tile_of(desc, nl_onednn_length(&p.rows, 0));
    const struct nl_dnnl_product last = tile_of(desc, nl_onednn_length(&p.rows, p.rows.parts - 1));
    return nl_onednn_product_is_good(&alone, &first, why) &&
           nl_onednn_product_is_good(&alone, &last, why);
}

/* In BF16 the cpu backend widens first, or leaves it to ref. In F32 it is behind but where there is
 * little to multiply. */
static bool is_wanted(const struct nl_op_desc *desc, nl_reason *why)
{
    enum { THIN = 16, LITTLE = 1 << 20 };
    const int64_t m = desc->out[0].dim[2], n = desc->out[0].dim[3], k = desc->in[0].dim[3];
    if (desc->in[0].type == NL_BF16) return true;
    if (m < THIN || n < THIN || m * n * k < LITTLE)
        return nl_decline(why, "vectors and small products are faster on cpu");
    return true;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    return is_plain(be, desc, why) && is_wanted(desc, why) && can_on_request(be, desc, why);
}

/* The calls of one part of the rows in all batches. */
static nl_status make_part(struct product *p, const struct nl_dnnl *alone,
                           const struct nl_op_desc *desc, int64_t part)
{
    static const int args[] = {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD,
                               0};
    const struct nl_dnnl_product product = tile_of(desc, nl_onednn_length(&p->rows, part));
    dnnl_primitive_desc_t pd = NULL;
    nl_status st = NL_OK;
    NL_TRY(nl_dnnl_product_desc(alone, &product, &pd));
    for (int64_t b = 0; st == NL_OK && b < p->batches; b++)
        st = nl_onednn_calls_make(&p->tiles, b * p->rows.parts + part, alone, pd, args);
    dnnl_primitive_desc_destroy(pd);
    return st;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_dnnl alone = nl_onednn_alone(be);
    struct product *p = NULL;
    NL_TRY(nl_calloc(1, sizeof *p, &p));
    *prepared = p;
    cut(desc, p);
    NL_TRY(nl_onednn_calls_alloc(&p->tiles, p->batches * p->rows.parts));
    for (int64_t i = 0; i < p->rows.parts; i++) NL_TRY(make_part(p, &alone, desc, i));
    return nl_cpu_slices(be, p->tiles.scratch, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    struct product *p = prepared;
    (void)be;
    if (!p) return;
    nl_onednn_calls_clear(&p->tiles);
    nl_free(p);
}

struct job {
    const struct product *p;
    const struct nl_args *args;
};

/* Row `row` of a batch. */
static const void *row_of(const nl_tensor *t, int64_t batch, int64_t row)
{
    const int64_t at =
        batch / t->dim[1] * t->stride[0] + batch % t->dim[1] * t->stride[1] + row * t->stride[2];
    return (const char *)t->data + at * (int64_t)nl_type_size(t->type);
}

static nl_status multiply_tile(const void *job, int64_t tile, void *scratch)
{
    const struct job *j = job;
    const struct nl_dnnl_call *call = &j->p->tiles.call[tile];
    const int64_t batch = tile / j->p->rows.parts, row = tile % j->p->rows.parts * j->p->rows.part;
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SRC, row_of(&j->args->in[0], batch, row)));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_WEIGHTS, row_of(&j->args->in[1], batch, 0)));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_DST, row_of(&j->args->out[0], batch, row)));
    NL_TRY(nl_dnnl_call_set(call, DNNL_ARG_SCRATCHPAD, scratch));
    return nl_dnnl_call_run(call);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct product *p = prepared;
    const struct job job = {p, args};
    (void)desc;
    return nl_onednn_for_tiles(be, p->tiles.count, multiply_tile, &job, args->workspace,
                               p->tiles.scratch);
}

const struct nl_impl nl_onednn_product = {
    .name = "onednn", .can = can, .prepare = prepare, .run = run, .drop = drop};

const struct nl_impl nl_onednn_product_on_request = {.name = "onednn",
                                                     .can = can_on_request,
                                                     .prepare = prepare,
                                                     .run = run,
                                                     .drop = drop,
                                                     .on_request = true};
