#include "backends/cpu/pairwise_dx.h"
#include "src/core/memory.h"

#include <math.h>
#include <string.h>

/* The gradient of pairwise, a tile of scores at a time: scores are computed anew, and what they
 * weigh follows from the row sums that the forward pass kept. Queries are cut into parts, each of
 * which sums its own gradients of keys and values; parts are added in order. */
enum { QUERIES = 112, MANY_QUERIES = 448, KEYS = 512, TASKS = 8, WORTH = 1 << 20 };

bool nl_cpu_pairwise_dx_can(const struct nl_backend *be, const struct nl_op_desc *desc,
                            nl_reason *why)
{
    (void)be;
    for (int i = 0; i < 8; i++) {
        const nl_tensor *t = i < 5 ? &desc->in[i] : &desc->out[i - 5];
        if (t->type != NL_F32)
            return nl_decline(why, "computes f32, not %s", nl_type_name(t->type));
        if (t->dim[3] > 1 && t->stride[3] != 1)
            return nl_decline(why, "the last axis is not dense");
        if (t->dim[2] > 1 && (t->stride[2] < t->dim[3] || t->stride[2] > NL_CPU_MULTIPLY_MAX))
            return nl_decline(why, "rows overlap or are too far apart for CBLAS");
    }
    return true;
}

struct nl_cpu_pairwise nl_cpu_pairwise_dx_of(const struct nl_op_desc *desc,
                                             const struct nl_args *args)
{
    const struct nl_args forward = {.in = {args->in[0], args->in[1], args->in[2]},
                                    .out = {args->in[3]}};
    struct nl_cpu_pairwise p = nl_cpu_pairwise_of(desc, &forward);
    p.q = &args->in[0];
    p.k = &args->in[1];
    p.v = &args->in[2];
    p.y = &args->in[3];
    return p;
}

/* Kernels of our own where there are some and a batch is large enough to share panels. */
static const struct nl_cpu_kernel *kernel_for(const struct nl_cpu_pairwise *p)
{
    const bool worth =
        (double)p->queries * (double)p->width * (double)(p->depth + p->width) >= WORTH;
    return worth && p->score == NL_SCORE_PRODUCT ? nl_cpu_kernel_best() : NULL;
}

static int64_t up_to(int64_t n, int64_t unit)
{
    return nl_cpu_parts(n, unit) * unit;
}

static struct nl_cpu_dx cut_of(const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct nl_cpu_dx dx = {.p = nl_cpu_pairwise_dx_of(desc, args),
                           .dy = &args->in[4],
                           .dq = &args->out[0],
                           .dk = &args->out[1],
                           .dv = &args->out[2],
                           .row = args->in[5].rank ? args->in[5].data : NULL,
                           .train = nl_cpu_vector_train()};
    dx.kernel = kernel_for(&dx.p);
    const int64_t unit = dx.kernel ? dx.kernel->rows : 1, panel = dx.kernel ? dx.kernel->panel : 1;
    dx.part = up_to(nl_cpu_parts(dx.p.queries, nl_cpu_parts(TASKS, dx.p.batches)), unit);
    const bool thirds = dx.kernel && nl_cpu_panels_of_thirds(dx.kernel); /* panels are larger */
    const int64_t most = thirds ? MANY_QUERIES : QUERIES;
    dx.rows = up_to(nl_cpu_parts(dx.part, nl_cpu_parts(dx.part, most)), unit);
    dx.columns = up_to(nl_cpu_parts(dx.p.keys, nl_cpu_parts(dx.p.keys, KEYS)), panel);
    dx.parts = nl_cpu_parts(dx.p.queries, dx.part);
    return dx;
}

static size_t slice(const struct nl_cpu_dx *dx)
{
    return nl_align_up((size_t)(dx->rows * dx->columns) * sizeof(float)) * 2 +
           nl_align_up((size_t)dx->rows * sizeof(float)) +
           nl_cpu_dx_query_floats(dx) * sizeof(float);
}

/* What all threads share: panels, and where gradients of keys and values are summed, which is none
 * where a batch is one part. Bytes; hands the places out where there is memory. */
static size_t shared(struct nl_cpu_dx *dx, char *at)
{
    const size_t panels = nl_align_up(nl_cpu_dx_panel_floats(dx) * sizeof(float));
    const size_t keys = (size_t)(dx->p.batches * dx->parts * dx->p.keys);
    dx->panels = (void *)at;
    if (dx->parts == 1) return panels;
    dx->keys = at ? (void *)(at + panels) : NULL;
    dx->values = at ? dx->keys + keys * (size_t)dx->p.depth : NULL;
    return panels + keys * (size_t)(dx->p.depth + dx->p.width) * sizeof(float);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_args views = {.workspace = NULL};
    for (int i = 0; i < NL_MAX_IN; i++) views.in[i] = desc->in[i];
    for (int i = 0; i < NL_MAX_OUT; i++) views.out[i] = desc->out[i];
    struct nl_cpu_dx dx = cut_of(desc, &views);
    (void)prepared;
    nl_cpu_multiply_alone();
    NL_TRY(nl_cpu_slices(be, slice(&dx), &need->workspace));
    return nl_size_add(need->workspace, nl_align_up(shared(&dx, NULL)), &need->workspace);
}

static void make_scores(const struct nl_cpu_dx_tile *t)
{
    const struct nl_cpu_pairwise *p = &t->dx->p;
    if (p->score == NL_SCORE_PRODUCT) {
        nl_cpu_dx_scores(t);
        return;
    }
    for (int64_t i = 0; i < t->rows; i++) {
        const float own = t->q.data[i * t->q.ld];
        for (int64_t j = 0; j < t->columns; j++)
            t->weights[i * t->columns + j] = (own + t->k.data[j * t->k.ld]) * p->scale;
    }
}

/* Scores become affinities over C, and slopes (which hold dy . v) gradients of scores. */
static void differentiate(const struct nl_cpu_dx_tile *t)
{
    const struct nl_cpu_pairwise *p = &t->dx->p;
    const bool softmax = p->f == NL_F_EXP && p->norm == NL_NORM_SUM;
    for (int64_t i = 0; i < t->rows; i++) {
        float *w = t->weights + i * t->columns, *s = t->slopes + i * t->columns;
        const float row = t->dx->row ? t->dx->row[t->batch * p->queries + t->query + i] : 0;
        const float over = softmax ? 1.0f : 1.0f / (t->dx->row ? row : (float)p->keys);
        p->vector->affinity(w, w, p->f, softmax ? row : 0, t->columns);
        if (over != 1.0f) p->vector->scale(w, w, over, t->columns);
        t->dx->train->score_dx(s, w, p->f, over, t->own[i], p->scale, t->columns);
    }
}

static void add_sums(const struct nl_cpu_dx_tile *t)
{
    float *dk = t->dk.data + t->key * t->dk.ld;
    for (int64_t i = 0; i < t->rows; i++) {
        const float *s = t->slopes + i * t->columns;
        float sum = 0;
        for (int64_t j = 0; j < t->columns; j++) {
            sum += s[j];
            dk[j * t->dk.ld] += s[j];
        }
        t->dq.data[i * t->dq.ld] += sum;
    }
}

/* Sums of y dy, which the sum in C takes off every gradient of a score. */
static void find_own(const struct nl_cpu_dx_tile *t)
{
    const struct nl_cpu_pairwise *p = &t->dx->p;
    for (int64_t i = 0; i < t->rows; i++)
        t->own[i] = p->norm == NL_NORM_SUM ? p->vector->dot(t->y.data + i * t->y.ld,
                                                            t->dy.data + i * t->dy.ld, p->width)
                                           : 0;
}

static void run_tile(struct nl_cpu_dx_tile *t, struct nl_cpu_table keys, struct nl_cpu_table values)
{
    const struct nl_cpu_dx *dx = t->dx;
    find_own(t);
    nl_cpu_dx_lay_queries(t);
    if (dx->p.score == NL_SCORE_SUM)
        for (int64_t i = 0; i < t->rows; i++) t->dq.data[i * t->dq.ld] = 0;
    for (t->key = 0; t->key < dx->p.keys; t->key += dx->columns) {
        t->columns = nl_cpu_least(dx->columns, dx->p.keys - t->key);
        t->k = (struct nl_cpu_table){keys.data + t->key * keys.ld, keys.ld};
        t->v = (struct nl_cpu_table){values.data + t->key * values.ld, values.ld};
        make_scores(t);
        nl_cpu_dx_slopes(t);
        differentiate(t);
        nl_cpu_dx_add_values(t);
        if (dx->p.score == NL_SCORE_SUM)
            add_sums(t);
        else
            nl_cpu_dx_add_products(t);
    }
}

static void clear(struct nl_cpu_table table, int64_t rows, int64_t columns)
{
    for (int64_t i = 0; i < rows; i++)
        memset(table.data + i * table.ld, 0, (size_t)columns * sizeof(float));
}

static struct nl_cpu_table from(struct nl_cpu_table table, int64_t row)
{
    return (struct nl_cpu_table){table.data + row * table.ld, table.ld};
}

/* A thread's memory becomes the tile's. */
static void take_scratch(struct nl_cpu_dx_tile *t, void *scratch)
{
    const struct nl_cpu_dx *dx = t->dx;
    const size_t scores =
        nl_align_up((size_t)(dx->rows * dx->columns) * sizeof(float)) / sizeof(float);
    t->weights = scratch;
    t->slopes = t->weights + scores;
    t->own = t->slopes + scores;
    t->q_panels = t->own + nl_align_up((size_t)dx->rows * sizeof(float)) / sizeof(float);
    if (dx->kernel)
        t->dy_panels = t->q_panels + nl_cpu_panel_elements(dx->kernel, dx->rows, dx->p.depth);
}

static void part_task(const void *job, int64_t number, void *scratch)
{
    const struct nl_cpu_dx *dx = job;
    const struct nl_cpu_pairwise *p = &dx->p;
    const int64_t batch = number / dx->parts, part = number % dx->parts;
    const int64_t end = nl_cpu_least((part + 1) * dx->part, p->queries);
    struct nl_cpu_dx_tile t = {.dx = dx, .batch = batch};
    take_scratch(&t, scratch);
    t.dk = nl_cpu_batch(dx->dk, batch);
    t.dv = nl_cpu_batch(dx->dv, batch);
    if (dx->parts > 1) {
        t.dk = (struct nl_cpu_table){dx->keys + number * p->keys * p->depth, p->depth};
        t.dv = (struct nl_cpu_table){dx->values + number * p->keys * p->width, p->width};
    }
    clear(t.dk, p->keys, p->depth);
    clear(t.dv, p->keys, p->width);
    for (t.query = part * dx->part; t.query < end; t.query += dx->rows) {
        t.rows = nl_cpu_least(dx->rows, end - t.query);
        t.q = from(nl_cpu_batch(p->q, batch), t.query);
        t.y = from(nl_cpu_batch(p->y, batch), t.query);
        t.dy = from(nl_cpu_batch(dx->dy, batch), t.query);
        t.dq = from(nl_cpu_batch(dx->dq, batch), t.query);
        run_tile(&t, nl_cpu_batch(p->k, batch), nl_cpu_batch(p->v, batch));
    }
}

/* Adds the parts of one key's gradients, in order. */
static void add_parts(const float *parts, int64_t n_parts, int64_t step, float *to, int64_t n)
{
    memcpy(to, parts, (size_t)n * sizeof *to);
    for (int64_t part = 1; part < n_parts; part++)
        for (int64_t c = 0; c < n; c++) to[c] += parts[part * step + c];
}

static void key_task(const void *job, int64_t number, void *scratch)
{
    const struct nl_cpu_dx *dx = job;
    const int64_t keys = dx->p.keys, d = dx->p.depth, e = dx->p.width;
    const int64_t batch = number / keys, key = number % keys;
    const struct nl_cpu_table dk = nl_cpu_batch(dx->dk, batch), dv = nl_cpu_batch(dx->dv, batch);
    (void)scratch;
    add_parts(dx->keys + (batch * dx->parts * keys + key) * d, dx->parts, keys * d,
              dk.data + key * dk.ld, d);
    add_parts(dx->values + (batch * dx->parts * keys + key) * e, dx->parts, keys * e,
              dv.data + key * dv.ld, e);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct nl_cpu_dx dx = cut_of(desc, args);
    const size_t slices = (size_t)be->threads * nl_align_up(slice(&dx));
    (void)prepared;
    shared(&dx, (char *)args->workspace + slices);
    nl_cpu_dx_lay_keys(be, &dx);
    nl_cpu_for_tiles(be, dx.p.batches * dx.parts, part_task, &dx, args->workspace, slice(&dx));
    if (dx.parts > 1) nl_cpu_for_tiles(be, dx.p.batches * dx.p.keys, key_task, &dx, NULL, 0);
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_dx = {
    .name = "tiled", .can = nl_cpu_pairwise_dx_can, .prepare = prepare, .run = run};
