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
    *first = *last = node;
    if (!in_segment(plan, node)) return;
    const int s = nl_segment_at(plan->segments, plan->n_segments, node);
    *first = plan->segments[s].first;
    *last = plan->segments[s].end - 1;
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
    NL_TRY(nl_rewrite(plan->g, outputs, n_outputs));
    NL_TRY(nl_calloc((size_t)plan->g->n_nodes, sizeof *plan->tasks, &plan->tasks));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->spans, &plan->spans));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->constant, &plan->constant));
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->passing, &plan->passing));
    nl_find_constants(plan->g, plan->constant);
    NL_TRY(nl_lanes_open(plan));
    for (int i = 0; i < n_outputs; i++) plan->inner[plan->g->values[outputs[i]].base] = false;
    NL_TRY(prepare_kernels(plan));
    return nl_plan_place(plan, outputs, n_outputs);
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
    nl_free(plan->over);
    nl_free(plan->constant);
    nl_free(plan->passing);
    nl_free(plan);
}
