#include "src/core/memory.h"
#include "src/graph/plan_inside.h"
#include "src/graph/rewrite.h"

static bool in_segment(const struct nl_plan *plan, int node)
{
    return nl_segment_at(plan->segments, plan->n_segments, node) != NL_NONE &&
           !plan->constant[plan->g->nodes[node].out[0]];
}

struct nl_task *nl_plan_task(const struct nl_plan *plan, int node)
{
    return in_segment(plan, node) ? &plan->lanes[0].tasks[node] : &plan->tasks[node];
}

struct nl_backend *nl_plan_backend(const struct nl_plan *plan, int node)
{
    return in_segment(plan, node) ? &plan->lanes[0].be : plan->be;
}

void nl_plan_steps(const struct nl_plan *plan, int node, int *first, int *last)
{
    const int s = nl_segment_at(plan->segments, plan->n_segments, node);
    *first = s == NL_NONE ? node : plan->segments[s].first;
    *last = s == NL_NONE ? node : plan->segments[s].end - 1;
}

static nl_status prepare_whole(struct nl_plan *plan, int node)
{
    const struct nl_op_desc desc = nl_graph_desc(plan->g, &plan->g->nodes[node]);
    struct nl_task *task = &plan->tasks[node];
    NL_TRY(nl_kernel_prepare(plan->be, &desc, plan->g->nodes[node].force, &task->kernel));
    task->constant = plan->constant[plan->g->nodes[node].out[0]];
    const size_t workspace = task->kernel.need.workspace, packed = task->kernel.need.packed;
    const size_t bytes = plan->transient ? nl_align_up(workspace) + packed : workspace;
    if (bytes > plan->workspace_bytes) plan->workspace_bytes = bytes;
    return NL_OK;
}

static nl_status prepare_kernels(struct nl_plan *plan)
{
    for (int i = 0; i < plan->g->n_nodes; i++) {
        const struct nl_node *node = &plan->g->nodes[i];
        const nl_status st =
            in_segment(plan, i) ? nl_lanes_prepare(plan, i) : prepare_whole(plan, i);
        if (st != NL_OK)
            return nl_fail(NL_ENOSUP, "%s (%s): %s", node->name, nl_op_name(node->op), nl_error());
    }
    return NL_OK;
}

static void extend(struct nl_plan *plan, nl_value v, int step)
{
    struct nl_span *span = &plan->spans[plan->g->values[v].base];
    if (span->bytes && span->last < step) span->last = step;
}

/* Where a value's memory begins to be used. Of a segment all frames are in work until its end, and
 * lanes have a frame's inner values, node by node. */
static nl_status begin(struct nl_plan *plan, nl_value v, bool made)
{
    const struct nl_value_info *info = &plan->g->values[v];
    nl_tensor tensor = info->tensor;
    int first = -1, last = -1;
    if (plan->inner[v]) tensor.dim[0] = tensor.dim[1] = 1;
    if (made) nl_plan_steps(plan, info->node, &first, &last);
    if (made && plan->inner[v]) first = last = info->node;
    NL_TRY(nl_tensor_bytes(&tensor, &plan->spans[v].bytes));
    plan->spans[v].first = first;
    plan->spans[v].last = last;
    return NL_OK;
}

static void use(struct nl_plan *plan, nl_value v, int node)
{
    int first, last;
    nl_plan_steps(plan, node, &first, &last);
    extend(plan, v, plan->inner[plan->g->values[v].base] ? node : last);
}

/* Filters that every user packs are read while constants are made and never again. */
static void find_passing(struct nl_plan *plan)
{
    const struct nl_graph *g = plan->g;
    for (int v = 0; v < g->n_values; v++)
        plan->passing[v] =
            !plan->transient && plan->constant[v] && g->values[v].kind == NL_VALUE_NODE;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE &&
                !(k == 1 && nl_plan_task(plan, i)->kernel.need.packed))
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
        if (made || info->kind == NL_VALUE_INPUT) NL_TRY(begin(plan, v, made));
    }
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE) use(plan, g->nodes[i].in[k], i);
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
    for (int i = 0; i < plan->g->n_nodes && !plan->transient; i++) {
        nl_plan_task(plan, i)->packed_at = plan->constant_bytes;
        plan->constant_bytes += nl_align_up(nl_plan_task(plan, i)->kernel.need.packed);
    }
}

/* Offsets of the activations that lanes have, or of all others. */
static nl_status place_activations(struct nl_plan *plan, bool inner, size_t *bytes, size_t *bound)
{
    struct nl_span *spans = NULL;
    int count = 0;
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *spans, &spans));
    for (int v = 0; v < plan->g->n_values; v++)
        if (!stays(plan, v) && plan->spans[v].bytes && plan->inner[v] == inner)
            spans[count++] = plan->spans[v];
    const nl_status st = nl_arena_place(spans, count, bytes, bound);
    count = 0;
    for (int v = 0; v < plan->g->n_values; v++)
        if (!stays(plan, v) && plan->spans[v].bytes && plan->inner[v] == inner)
            plan->spans[v] = spans[count++];
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
    NL_TRY(nl_lanes_allocate(plan));
    return memory->alloc(plan->be, plan->workspace_bytes, &plan->workspace);
}

nl_tensor nl_plan_tensor(const struct nl_plan *plan, nl_value v)
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
        struct nl_task *task = &plan->tasks[i];
        if (in_segment(plan, i)) continue;
        for (int k = 0; k < NL_MAX_IN; k++)
            if (node->in[k] != NL_NONE) task->args.in[k] = nl_plan_tensor(plan, node->in[k]);
        for (int k = 0; k < NL_MAX_OUT; k++)
            if (node->out[k] != NL_NONE) task->args.out[k] = nl_plan_tensor(plan, node->out[k]);
        if (task->kernel.need.packed) task->args.packed = plan->constants + task->packed_at;
        if (task->kernel.need.packed && plan->transient)
            task->args.packed = (char *)plan->workspace + nl_align_up(task->kernel.need.workspace);
        if (task->kernel.need.workspace) task->args.workspace = plan->workspace;
    }
}

static nl_status build(struct nl_plan *plan, const nl_value *outputs, int n_outputs)
{
    size_t lane_bound = 0;
    NL_TRY(nl_rewrite(plan->g, outputs, n_outputs));
    NL_TRY(nl_calloc((size_t)plan->g->n_nodes, sizeof *plan->tasks, &plan->tasks));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->spans, &plan->spans));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->constant, &plan->constant));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->passing, &plan->passing));
    nl_find_constants(plan->g, plan->constant);
    NL_TRY(nl_lanes_open(plan));
    for (int i = 0; i < n_outputs; i++) plan->inner[plan->g->values[outputs[i]].base] = false;
    NL_TRY(prepare_kernels(plan));
    find_passing(plan);
    NL_TRY(find_lifetimes(plan, outputs, n_outputs));
    place_constants(plan);
    NL_TRY(place_activations(plan, true, &plan->lane_bytes, &lane_bound));
    NL_TRY(place_activations(plan, false, &plan->arena_bytes, &plan->arena_bound));
    plan->arena_bound += (size_t)plan->n_lanes * lane_bound;
    return NL_OK;
}

/* Everything but the memory. */
static nl_status lay_out(const struct nl_graph *g, struct nl_backend *be, const nl_value *outputs,
                         int n_outputs, struct nl_plan **out)
{
    struct nl_plan *plan = NULL;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *plan, &plan));
    plan->be = be;
    plan->transient = g->training.on;
    nl_status st = nl_graph_clone(g, &plan->g);
    if (st == NL_OK) st = build(plan, outputs, n_outputs);
    if (st == NL_OK)
        *out = plan;
    else
        nl_plan_free(plan);
    return st;
}

nl_status nl_plan_new(const struct nl_graph *g, struct nl_backend *be, const nl_value *outputs,
                      int n_outputs, struct nl_plan **out)
{
    NL_TRY(lay_out(g, be, outputs, n_outputs, out));
    const nl_status st = allocate(*out);
    if (st == NL_OK) {
        bind(*out);
        nl_lanes_bind(*out);
        return NL_OK;
    }
    nl_plan_free(*out);
    *out = NULL;
    return st;
}

nl_status nl_plan_measure(const struct nl_graph *g, struct nl_backend *be, const nl_value *outputs,
                          int n_outputs, struct nl_plan_cost *cost)
{
    struct nl_plan *plan = NULL;
    NL_TRY(lay_out(g, be, outputs, n_outputs, &plan));
    *cost = nl_plan_cost(plan);
    nl_plan_free(plan);
    return NL_OK;
}

void nl_plan_free(struct nl_plan *plan)
{
    if (!plan) return;
    const struct nl_memory *memory = plan->be->ops->memory;
    for (int i = 0; plan->tasks && i < plan->g->n_nodes; i++)
        nl_kernel_drop(plan->be, &plan->tasks[i].kernel);
    nl_lanes_clear(plan);
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
