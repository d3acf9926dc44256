#include "src/graph/plan.h"

#include "src/core/memory.h"
#include "src/graph/arena.h"
#include "src/graph/rewrite.h"

#include <string.h>
#include <time.h>

/* One node, ready: its kernel, the tensors with their addresses, its packed weights. */
struct task {
    struct nl_kernel kernel;
    struct nl_args args;
    size_t packed_at; /* offset in constants */
    bool constant;
};

struct nl_plan {
    struct nl_graph *g;
    struct nl_backend *be;
    struct task *tasks;    /* one per node */
    struct nl_span *spans; /* one per value; bytes 0 where the value owns no memory here */
    bool *constant;        /* per value */
    bool *passing; /* per value: a constant that only pack() reads, so it needs no memory later */
    size_t arena_bytes, arena_bound, constant_bytes, workspace_bytes;
    char *arena, *constants;
    void *workspace;
    uint64_t version; /* of the parameters that the constants were made from */
    bool fresh;       /* the constants were made at all */
};

static nl_status prepare_kernels(struct nl_plan *plan)
{
    for (int i = 0; i < plan->g->n_nodes; i++) {
        const struct nl_node *node = &plan->g->nodes[i];
        const struct nl_op_desc desc = nl_graph_desc(plan->g, node);
        struct task *task = &plan->tasks[i];
        if (nl_kernel_prepare(plan->be, &desc, node->force, &task->kernel) != NL_OK)
            return nl_fail(NL_ENOSUP, "%s (%s): %s", node->name, nl_op_name(node->op), nl_error());
        task->constant = plan->constant[node->out[0]];
        if (task->kernel.need.workspace > plan->workspace_bytes)
            plan->workspace_bytes = task->kernel.need.workspace;
    }
    return NL_OK;
}

static void extend(struct nl_plan *plan, nl_value v, int step)
{
    struct nl_span *span = &plan->spans[plan->g->values[v].base];
    if (span->bytes && span->last < step) span->last = step;
}

/* Filters that every user packs are read while constants are made and never again. */
static void find_passing(struct nl_plan *plan)
{
    const struct nl_graph *g = plan->g;
    for (int v = 0; v < g->n_values; v++)
        plan->passing[v] = plan->constant[v] && g->values[v].kind == NL_VALUE_NODE;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE && !(k == 1 && plan->tasks[i].kernel.need.packed))
                plan->passing[g->values[g->nodes[i].in[k]].base] = false;
}

/* Whether a node of the rewritten list makes `v`. */
static bool is_made(const struct nl_graph *g, nl_value v)
{
    const int node = g->values[v].node;
    for (int k = 0; node < g->n_nodes && k < NL_MAX_OUT; k++)
        if (g->nodes[node].out[k] == v) return true;
    return false;
}

/* Inputs are written before constants are made, so they share memory with nothing; kept values
 * live to after the last step. */
static nl_status find_lifetimes(struct nl_plan *plan, const nl_value *outputs, int n_outputs)
{
    const struct nl_graph *g = plan->g;
    for (int v = 0; v < g->n_values; v++) {
        const struct nl_value_info *info = &g->values[v];
        const bool made = info->kind == NL_VALUE_NODE && is_made(g, v);
        if (!made && info->kind != NL_VALUE_INPUT) continue;
        NL_TRY(nl_tensor_bytes(&info->tensor, &plan->spans[v].bytes));
        plan->spans[v].first = plan->spans[v].last = made ? info->node : -1;
    }
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE) extend(plan, g->nodes[i].in[k], i);
    for (int i = 0; i < n_outputs; i++) {
        extend(plan, outputs[i], g->n_nodes);
        plan->passing[g->values[outputs[i]].base] = false;
    }
    for (int v = 0; v < g->n_values; v++)
        if (g->values[v].kind == NL_VALUE_INPUT) plan->spans[v].last = g->n_nodes;
    return NL_OK;
}

/* Constants that stay lie one behind the other in a block of their own, packed weights after
 * them. */
static bool stays(const struct nl_plan *plan, nl_value v)
{
    return plan->constant[v] && !plan->passing[v];
}

static void place_constants(struct nl_plan *plan)
{
    for (int v = 0; v < plan->g->n_values; v++) {
        if (!stays(plan, v) || !plan->spans[v].bytes) continue;
        plan->spans[v].offset = plan->constant_bytes;
        plan->constant_bytes += nl_align_up(plan->spans[v].bytes);
    }
    for (int i = 0; i < plan->g->n_nodes; i++) {
        plan->tasks[i].packed_at = plan->constant_bytes;
        plan->constant_bytes += nl_align_up(plan->tasks[i].kernel.need.packed);
    }
}

static nl_status place_activations(struct nl_plan *plan)
{
    struct nl_span *spans = NULL;
    int count = 0;
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *spans, &spans));
    for (int v = 0; v < plan->g->n_values; v++)
        if (!stays(plan, v) && plan->spans[v].bytes) spans[count++] = plan->spans[v];
    const nl_status st = nl_arena_place(spans, count, &plan->arena_bytes, &plan->arena_bound);
    count = 0;
    for (int v = 0; v < plan->g->n_values; v++)
        if (!stays(plan, v) && plan->spans[v].bytes) plan->spans[v] = spans[count++];
    nl_free(spans);
    return st;
}

static nl_status allocate(struct nl_plan *plan)
{
    const struct nl_memory *memory = plan->be->ops->memory;
    void *block = NULL;
    NL_TRY(memory->alloc(plan->be, plan->arena_bytes, &block));
    plan->arena = block;
    NL_TRY(memory->alloc(plan->be, plan->constant_bytes, &block));
    plan->constants = block;
    return memory->alloc(plan->be, plan->workspace_bytes, &plan->workspace);
}

/* The value's view with its address. */
static nl_tensor tensor_of(const struct nl_plan *plan, nl_value v)
{
    const struct nl_value_info *info = &plan->g->values[v], *base = &plan->g->values[info->base];
    const size_t at = (size_t)info->offset * nl_type_size(info->tensor.type);
    nl_tensor t = info->tensor;
    if (base->kind == NL_VALUE_PARAM)
        t.data = (char *)plan->g->params->list[base->param].tensor.data + at;
    else if (base->kind == NL_VALUE_GRAD)
        t.data = (char *)nl_param_grad(plan->g->params, base->param).data + at;
    else
        t.data = (stays(plan, info->base) ? plan->constants : plan->arena) +
                 plan->spans[info->base].offset + at;
    return t;
}

static void bind(struct nl_plan *plan)
{
    for (int i = 0; i < plan->g->n_nodes; i++) {
        const struct nl_node *node = &plan->g->nodes[i];
        struct task *task = &plan->tasks[i];
        for (int k = 0; k < NL_MAX_IN; k++)
            if (node->in[k] != NL_NONE) task->args.in[k] = tensor_of(plan, node->in[k]);
        for (int k = 0; k < NL_MAX_OUT; k++)
            if (node->out[k] != NL_NONE) task->args.out[k] = tensor_of(plan, node->out[k]);
        if (task->kernel.need.packed) task->args.packed = plan->constants + task->packed_at;
        if (task->kernel.need.workspace) task->args.workspace = plan->workspace;
    }
}

static nl_status build(struct nl_plan *plan, const nl_value *outputs, int n_outputs)
{
    NL_TRY(nl_rewrite(plan->g, outputs, n_outputs));
    NL_TRY(nl_calloc((size_t)plan->g->n_nodes, sizeof *plan->tasks, &plan->tasks));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->spans, &plan->spans));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->constant, &plan->constant));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->passing, &plan->passing));
    nl_find_constants(plan->g, plan->constant);
    NL_TRY(prepare_kernels(plan));
    find_passing(plan);
    NL_TRY(find_lifetimes(plan, outputs, n_outputs));
    place_constants(plan);
    NL_TRY(place_activations(plan));
    NL_TRY(allocate(plan));
    bind(plan);
    return NL_OK;
}

nl_status nl_plan_new(const struct nl_graph *g, struct nl_backend *be, const nl_value *outputs,
                      int n_outputs, struct nl_plan **out)
{
    struct nl_plan *plan = NULL;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *plan, &plan));
    plan->be = be;
    nl_status st = nl_graph_clone(g, &plan->g);
    if (st == NL_OK) st = build(plan, outputs, n_outputs);
    if (st != NL_OK) {
        nl_plan_free(plan);
        return st;
    }
    *out = plan;
    return NL_OK;
}

void nl_plan_free(struct nl_plan *plan)
{
    if (!plan) return;
    const struct nl_memory *memory = plan->be->ops->memory;
    for (int i = 0; plan->tasks && i < plan->g->n_nodes; i++)
        nl_kernel_drop(plan->be, &plan->tasks[i].kernel);
    memory->release(plan->be, plan->arena);
    memory->release(plan->be, plan->constants);
    memory->release(plan->be, plan->workspace);
    nl_graph_free(plan->g);
    nl_free(plan->tasks);
    nl_free(plan->spans);
    nl_free(plan->constant);
    nl_free(plan->passing);
    nl_free(plan);
}

/* Folds and packs: constant nodes in order, then the weights that kernels lay out themselves. */
static nl_status refresh(struct nl_plan *plan)
{
    if (plan->fresh && plan->version == plan->g->params->version) return NL_OK;
    for (int i = 0; i < plan->g->n_nodes; i++) {
        const struct task *task = &plan->tasks[i];
        if (task->constant) NL_TRY(nl_kernel_run(plan->be, &task->kernel, &task->args));
        if (task->kernel.need.packed)
            NL_TRY(nl_kernel_pack(plan->be, &task->kernel, &task->args,
                                  plan->constants + task->packed_at));
    }
    plan->version = plan->g->params->version;
    plan->fresh = true;
    return NL_OK;
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

nl_status nl_plan_run(struct nl_plan *plan, double *milliseconds)
{
    NL_TRY(refresh(plan));
    for (int i = 0; i < plan->g->n_nodes; i++) {
        const struct task *task = &plan->tasks[i];
        if (milliseconds) milliseconds[i] = 0;
        if (task->constant) continue;
        const double start = milliseconds ? now_ms() : 0;
        NL_TRY(nl_kernel_run(plan->be, &task->kernel, &task->args));
        if (!milliseconds) continue;
        NL_TRY(nl_backend_sync(plan->be));
        milliseconds[i] = now_ms() - start;
    }
    return nl_backend_sync(plan->be);
}

nl_status nl_plan_write(struct nl_plan *plan, nl_value input, const void *host)
{
    const nl_tensor t = tensor_of(plan, input);
    size_t bytes;
    NL_TRY(nl_tensor_bytes(&t, &bytes));
    return plan->be->ops->memory->copy(plan->be, t.data, host, bytes, NL_TO_DEVICE);
}

nl_status nl_plan_read(struct nl_plan *plan, nl_value output, void *host)
{
    const nl_tensor t = tensor_of(plan, output);
    size_t bytes;
    NL_REQUIRE(nl_tensor_is_dense(&t), NL_EINVAL, "only dense values can be read");
    NL_TRY(nl_tensor_bytes(&t, &bytes));
    return plan->be->ops->memory->copy(plan->be, host, t.data, bytes, NL_TO_HOST);
}

const struct nl_graph *nl_plan_graph(const struct nl_plan *plan)
{
    return plan->g;
}

const struct nl_kernel *nl_plan_kernel(const struct nl_plan *plan, int node)
{
    return &plan->tasks[node].kernel;
}

bool nl_plan_is_constant(const struct nl_plan *plan, int node)
{
    return plan->tasks[node].constant;
}

struct nl_plan_cost nl_plan_cost(const struct nl_plan *plan)
{
    return (struct nl_plan_cost){.arena = plan->arena_bytes,
                                 .arena_bound = plan->arena_bound,
                                 .workspace = plan->workspace_bytes,
                                 .constants = plan->constant_bytes};
}
