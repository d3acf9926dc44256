#include "src/graph/optimizer.h"

#include "src/core/memory.h"

#include <math.h>

enum { HYPER = 4 };

/* One parameter: its update, and the square sum of its gradient (none for statistics). */
struct update {
    int param;
    struct nl_kernel kernel, squares;
    struct nl_args args, squares_args;
};

struct nl_optimizer {
    struct nl_params *params;
    struct nl_backend *be;
    nl_type type;
    struct update *list;
    int count;
    void *hyper, *sums; /* in the backend's memory: HYPER numbers, one sum, an update */
    void *host;         /* as large as hyper */
    void *workspace;
    size_t workspace_bytes;
};

static bool is_statistic(const struct nl_optimizer *o, int i)
{
    return o->params->list[o->list[i].param].role == NL_ROLE_STATISTIC;
}

static nl_tensor flat(const nl_tensor *t)
{
    const int64_t count = nl_tensor_count(t);
    nl_tensor out = nl_tensor_dense(t->type, 1, &count);
    out.data = t->data;
    return out;
}

static void note_workspace(struct nl_optimizer *o, const struct nl_kernel *kernel)
{
    if (kernel->need.workspace > o->workspace_bytes) o->workspace_bytes = kernel->need.workspace;
}

/* The op's description out of its arguments. */
static nl_status prepare(struct nl_optimizer *o, nl_op op, union nl_attr attr,
                         const struct nl_args *args, struct nl_kernel *kernel)
{
    struct nl_op_desc desc = {.op = op, .attr = attr};
    for (int i = 0; i < NL_MAX_IN; i++) desc.in[i] = args->in[i];
    for (int i = 0; i < NL_MAX_OUT; i++) desc.out[i] = args->out[i];
    NL_TRY(nl_kernel_prepare(o->be, &desc, NULL, kernel));
    note_workspace(o, kernel);
    return NL_OK;
}

static nl_status add_update(struct nl_optimizer *o, int i, bool nesterov)
{
    struct update *u = &o->list[i];
    const size_t size = nl_type_size(o->type);
    const nl_tensor p = flat(&o->params->list[u->param].tensor);
    const nl_tensor grad = nl_param_grad(o->params, u->param);
    const nl_tensor velocity = nl_param_velocity(o->params, u->param);
    nl_tensor hyper = nl_tensor_dense(o->type, 1, (const int64_t[]){HYPER});
    nl_tensor sum = nl_tensor_dense(o->type, 1, (const int64_t[]){1});
    hyper.data = (char *)o->hyper + (size_t)i * HYPER * size;
    sum.data = (char *)o->sums + (size_t)i * size;
    u->args.in[0] = hyper;
    u->args.out[0] = p;
    if (is_statistic(o, i)) {
        u->args.out[1] = flat(&grad);
        return prepare(o, NL_OP_AVERAGE, (union nl_attr){.sgd = {false}}, &u->args, &u->kernel);
    }
    u->args.out[1] = flat(&velocity);
    u->args.out[2] = u->squares_args.in[0] = flat(&grad);
    u->squares_args.out[0] = sum;
    NL_TRY(prepare(o, NL_OP_SGD, (union nl_attr){.sgd = {nesterov}}, &u->args, &u->kernel));
    return prepare(o, NL_OP_SQUARE_SUM, (union nl_attr){.sgd = {false}}, &u->squares_args,
                   &u->squares);
}

static nl_status build(struct nl_optimizer *o, const struct nl_graph *g, bool nesterov)
{
    const struct nl_memory *memory = o->be->ops->memory;
    for (int v = 0; v < g->n_values; v++)
        if (g->values[v].kind == NL_VALUE_GRAD) o->count++;
    NL_TRY(nl_calloc((size_t)o->count + 1, sizeof *o->list, &o->list));
    for (int v = 0, i = 0; v < g->n_values; v++)
        if (g->values[v].kind == NL_VALUE_GRAD) o->list[i++].param = g->values[v].param;
    const size_t bytes = ((size_t)o->count + 1) * nl_type_size(o->type);
    NL_TRY(memory->alloc(o->be, bytes * HYPER, &o->hyper));
    NL_TRY(memory->alloc(o->be, bytes, &o->sums));
    NL_TRY(nl_alloc(bytes * HYPER, &o->host));
    for (int i = 0; i < o->count; i++) NL_TRY(add_update(o, i, nesterov));
    NL_TRY(memory->alloc(o->be, o->workspace_bytes, &o->workspace));
    for (int i = 0; i < o->count; i++)
        o->list[i].args.workspace = o->list[i].squares_args.workspace = o->workspace;
    return NL_OK;
}

nl_status nl_optimizer_new(const struct nl_graph *g, struct nl_backend *be, bool nesterov,
                           struct nl_optimizer **out)
{
    struct nl_optimizer *o = NULL;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *o, &o));
    o->params = g->params;
    o->be = be;
    o->type = g->type;
    const nl_status st = build(o, g, nesterov);
    if (st == NL_OK)
        *out = o;
    else
        nl_optimizer_free(o);
    return st;
}

void nl_optimizer_free(struct nl_optimizer *o)
{
    if (!o) return;
    for (int i = 0; o->list && i < o->count; i++) {
        nl_kernel_drop(o->be, &o->list[i].kernel);
        nl_kernel_drop(o->be, &o->list[i].squares);
    }
    void *const blocks[] = {o->hyper, o->sums, o->workspace};
    for (size_t i = 0; i < NL_COUNT(blocks); i++)
        if (blocks[i]) o->be->ops->memory->release(o->be, blocks[i]);
    nl_free(o->host);
    nl_free(o->list);
    nl_free(o);
}

static void put(const struct nl_optimizer *o, int at, double value)
{
    if (o->type == NL_F64)
        ((double *)o->host)[at] = value;
    else
        ((float *)o->host)[at] = (float)value;
}

static double get(const struct nl_optimizer *o, int at)
{
    return o->type == NL_F64 ? ((const double *)o->host)[at] : (double)((const float *)o->host)[at];
}

static nl_status measure(struct nl_optimizer *o, double *norm)
{
    const size_t bytes = (size_t)o->count * nl_type_size(o->type);
    double sum = 0;
    for (int i = 0; i < o->count; i++)
        if (!is_statistic(o, i))
            NL_TRY(nl_kernel_run(o->be, &o->list[i].squares, &o->list[i].squares_args));
    NL_TRY(nl_backend_sync(o->be));
    NL_TRY(o->be->ops->memory->copy(o->be, o->host, o->sums, bytes, NL_TO_HOST));
    for (int i = 0; i < o->count; i++)
        if (!is_statistic(o, i)) sum += get(o, i);
    *norm = sqrt(sum);
    return NL_OK;
}

static double decay_of(const struct nl_sgd *sgd, nl_param_role role)
{
    if (role == NL_ROLE_BN) return sgd->decay_bn;
    return role == NL_ROLE_AFFINE ? sgd->decay_affine : sgd->decay;
}

/* `exact`: statistics become what was gathered, parameters stay. */
static nl_status update(struct nl_optimizer *o, const struct nl_sgd *sgd, double scale, bool exact)
{
    const size_t bytes = (size_t)o->count * HYPER * nl_type_size(o->type);
    for (int i = 0; i < o->count; i++) {
        const struct nl_param *param = &o->params->list[o->list[i].param];
        const bool statistic = is_statistic(o, i);
        put(o, i * HYPER, statistic ? (exact ? 0 : param->momentum) : sgd->rate);
        put(o, i * HYPER + 1, sgd->momentum);
        put(o, i * HYPER + 2, decay_of(sgd, param->role));
        put(o, i * HYPER + 3, scale);
    }
    NL_TRY(o->be->ops->memory->copy(o->be, o->hyper, o->host, bytes, NL_TO_DEVICE));
    for (int i = 0; i < o->count; i++)
        if (!exact || is_statistic(o, i))
            NL_TRY(nl_kernel_run(o->be, &o->list[i].kernel, &o->list[i].args));
    o->params->version++;
    return nl_backend_sync(o->be);
}

nl_status nl_optimizer_step(struct nl_optimizer *o, const struct nl_sgd *sgd, double *norm)
{
    NL_TRY(measure(o, norm));
    if (!isfinite(*norm)) return NL_OK;
    const bool clip = sgd->clip_norm > 0 && *norm > sgd->clip_norm;
    return update(o, sgd, clip ? sgd->clip_norm / *norm : 1, false);
}

nl_status nl_optimizer_set_statistics(struct nl_optimizer *o)
{
    return update(o, &(struct nl_sgd){.rate = 0}, 1, true);
}
