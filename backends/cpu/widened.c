#include "backends/cpu/lines.h"
#include "src/core/memory.h"

/* Ops on BF16 by way of F32: inputs are widened into the workspace, an implementation for F32 runs
 * there, and its outputs are narrowed. Worth it where an op does much for each number it reads. */
enum { TENSORS = NL_MAX_IN + NL_MAX_OUT, ROWS = 64 };

struct widened {
    const struct nl_impl *inner;
    void *prepared; /* the inner one's */
    struct nl_op_desc desc;
    size_t at[TENSORS], slices; /* bytes into the workspace; the inner one's follows at `slices` */
};

static const nl_tensor *tensor_of(const nl_tensor *in, const nl_tensor *out, int i)
{
    return i < NL_MAX_IN ? &in[i] : &out[i - NL_MAX_IN];
}

static struct nl_op_desc wide(const struct nl_op_desc *desc)
{
    struct nl_op_desc out = *desc;
    for (int i = 0; i < TENSORS; i++) {
        nl_tensor *t = i < NL_MAX_IN ? &out.in[i] : &out.out[i - NL_MAX_IN];
        if (t->rank && t->type == NL_BF16) *t = nl_tensor_dense(NL_F32, t->rank, t->dim);
    }
    return out;
}

static bool can(const struct nl_impl *inner, const struct nl_backend *be,
                const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_op_desc f32 = wide(desc);
    if (desc->in[0].type != NL_BF16) return nl_decline(why, "only for bf16");
    return nl_cpu_can_half(be, desc, why) && inner->can(be, &f32, why);
}

static nl_status prepare(const struct nl_impl *inner, struct nl_backend *be,
                         const struct nl_op_desc *desc, void **prepared, struct nl_need *need)
{
    struct widened *w = NULL;
    size_t bytes;
    NL_TRY(nl_calloc(1, sizeof *w, &w));
    *prepared = w;
    w->inner = inner;
    w->desc = wide(desc);
    for (int i = 0; i < TENSORS; i++) {
        if (tensor_of(desc->in, desc->out, i)->type != NL_BF16) continue;
        w->at[i] = w->slices;
        NL_TRY(nl_tensor_bytes(tensor_of(w->desc.in, w->desc.out, i), &bytes));
        NL_TRY(nl_size_add(w->slices, nl_align_up(bytes), &w->slices));
    }
    if (inner->prepare) NL_TRY(inner->prepare(be, &w->desc, &w->prepared, need));
    return nl_size_add(need->workspace, w->slices, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    struct widened *w = prepared;
    if (w && w->inner->drop) w->inner->drop(be, w->prepared);
    nl_free(w);
}

/* Rows of a BF16 tensor and of its dense copy. */
struct copying {
    struct nl_cpu_rows rows;
    uint16_t *half;
    float *wide;
    int64_t n;
    bool narrow;
};

static void copy_rows(const void *job, int64_t tile, void *scratch)
{
    const struct copying *c = job;
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    const int64_t end = nl_cpu_least((tile + 1) * ROWS, c->rows.count);
    (void)scratch;
    for (int64_t row = tile * ROWS; row < end; row++)
        if (c->narrow)
            vector->narrow(c->half + nl_cpu_row_at(&c->rows, row), c->wide + row * c->n, c->n);
        else
            vector->widen(c->wide + row * c->n, c->half + nl_cpu_row_at(&c->rows, row), c->n);
}

static void copy(const struct nl_backend *be, const nl_tensor *half, float *f32, bool narrow)
{
    const struct copying job = {.rows = nl_cpu_rows_of(half),
                                .half = half->data,
                                .wide = f32,
                                .n = half->dim[half->rank - 1],
                                .narrow = narrow};
    nl_cpu_for_tiles(be, nl_cpu_parts(job.rows.count, ROWS), copy_rows, &job, NULL, 0);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct widened *w = prepared;
    char *const room = args->workspace;
    struct nl_args inner = {.workspace = room + w->slices};
    (void)desc;
    for (int i = 0; i < TENSORS; i++) {
        const nl_tensor *half = tensor_of(args->in, args->out, i);
        nl_tensor *t = i < NL_MAX_IN ? &inner.in[i] : &inner.out[i - NL_MAX_IN];
        *t = *half;
        if (!half->rank || half->type != NL_BF16) continue;
        *t = *tensor_of(w->desc.in, w->desc.out, i);
        t->data = room + w->at[i];
        if (i < NL_MAX_IN) copy(be, half, t->data, false);
    }
    NL_TRY(w->inner->run(be, w->prepared, &w->desc, &inner));
    for (int i = 0; i < NL_MAX_OUT; i++)
        if (args->out[i].rank && args->out[i].type == NL_BF16)
            copy(be, &args->out[i], inner.out[i].data, true);
    return NL_OK;
}

/* `inner` on BF16, under its own name, by which it may be asked for. */
#define WIDENED(inner, its_name)                                                                   \
    static bool inner##_can(const struct nl_backend *be, const struct nl_op_desc *desc,            \
                            nl_reason *why)                                                        \
    {                                                                                              \
        return can(&inner, be, desc, why);                                                         \
    }                                                                                              \
    static nl_status inner##_prepare(struct nl_backend *be, const struct nl_op_desc *desc,         \
                                     void **prepared, struct nl_need *need)                        \
    {                                                                                              \
        return prepare(&inner, be, desc, prepared, need);                                          \
    }                                                                                              \
    const struct nl_impl inner##_widened = {.name = its_name,                                      \
                                            .can = inner##_can,                                    \
                                            .prepare = inner##_prepare,                            \
                                            .run = run,                                            \
                                            .drop = drop}

WIDENED(nl_cpu_pairwise_sorted, "sorted");
WIDENED(nl_cpu_pairwise_packed, "tiled");
WIDENED(nl_cpu_pairwise_tiled, "tiled");
WIDENED(nl_cpu_pairwise_sorted_forced, "sorted");
WIDENED(nl_cpu_pairwise_dx_sorted, "sorted");
WIDENED(nl_cpu_pairwise_dx, "tiled");
WIDENED(nl_cpu_product, "blas");
