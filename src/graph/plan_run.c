#include "src/core/memory.h"
#include "src/graph/plan_inside.h"
#include "src/tensor/half.h"

#include <assert.h>
#include <math.h>
#include <time.h>

/* A constant node is folded, the weights of any other packed. */
static nl_status make_constant(struct nl_plan *plan, int node)
{
    const struct nl_task *task = nl_plan_task(plan, node);
    if (task->constant) NL_TRY(nl_kernel_run(plan->be, &task->kernel, &task->args));
    if (!task->kernel.need.packed || plan->transient) return NL_OK;
    return nl_kernel_pack(nl_plan_backend(plan, node), &task->kernel, &task->args,
                          plan->constants + task->packed_at);
}

/* Constant nodes in order, then the weights that kernels lay out themselves. */
static nl_status refresh(struct nl_plan *plan)
{
    if (plan->fresh && plan->version == plan->g->params->version) return NL_OK;
    NL_REQUIRE(!plan->settled, NL_EINVAL, "parameters changed after the plan gave them back");
    for (int i = 0; i < plan->g->n_nodes; i++) NL_TRY(make_constant(plan, i));
    plan->version = plan->g->params->version;
    plan->fresh = true;
    return NL_OK;
}

/* The last node that reads a parameter while constants are made; NL_NONE where a kernel reads it when
 * it runs, or nothing does. */
static int last_maker(const struct nl_plan *plan, nl_value v)
{
    int last = NL_NONE;
    for (int i = 0; i < plan->g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++) {
            const nl_value in = plan->g->nodes[i].in[k];
            const struct nl_task *task = nl_plan_task(plan, i);
            if (in == NL_NONE || plan->g->values[in].base != v) continue;
            if (!task->constant && !(k == 1 && task->kernel.need.packed)) return NL_NONE;
            last = i;
        }
    return last;
}

static void discard_after(struct nl_plan *plan, int node, const int *last)
{
    const struct nl_memory *memory = plan->be->ops->memory;
    size_t bytes;
    for (int v = 0; v < plan->g->n_values; v++) {
        const struct nl_value_info *info = &plan->g->values[v];
        if (last[v] != node || nl_tensor_bytes(&info->tensor, &bytes) != NL_OK) continue;
        memory->discard(plan->be, plan->g->params->list[info->param].tensor.data, bytes);
    }
}

static nl_status settle(struct nl_plan *plan, const int *last)
{
    for (int i = 0; i < plan->g->n_nodes; i++) {
        NL_TRY(make_constant(plan, i));
        discard_after(plan, i, last);
    }
    plan->version = plan->g->params->version;
    plan->fresh = plan->settled = true;
    return NL_OK;
}

nl_status nl_plan_settle(struct nl_plan *plan)
{
    int *last = NULL;
    if (plan->transient || plan->settled || !plan->be->ops->memory->discard) return refresh(plan);
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *last, &last));
    for (int v = 0; v < plan->g->n_values; v++)
        last[v] = plan->g->values[v].kind == NL_VALUE_PARAM ? last_maker(plan, v) : NL_NONE;
    const nl_status st = settle(plan, last);
    nl_free(last);
    return st;
}

double nl_plan_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static nl_status run_task(struct nl_plan *plan, const struct nl_task *task)
{
    if (plan->transient && task->kernel.need.packed)
        NL_TRY(nl_kernel_pack(plan->be, &task->kernel, &task->args,
                              (char *)plan->workspace + nl_align_up(task->kernel.need.workspace)));
    return nl_kernel_run(plan->be, &task->kernel, &task->args);
}

static nl_status run_node(struct nl_plan *plan, int node, double *milliseconds)
{
    const struct nl_task *task = &plan->tasks[node];
    if (milliseconds) milliseconds[node] = 0;
    if (task->constant) return NL_OK;
    const double start = milliseconds ? nl_plan_now_ms() : 0;
    NL_TRY(run_task(plan, task));
    if (!milliseconds) return NL_OK;
    NL_TRY(nl_backend_sync(plan->be));
    milliseconds[node] = nl_plan_now_ms() - start;
    return NL_OK;
}

nl_status nl_plan_run(struct nl_plan *plan, double *milliseconds)
{
    NL_TRY(refresh(plan));
    for (int i = 0, s = 0; i < plan->g->n_nodes; i++) {
        const struct nl_segment *segment = s < plan->n_segments ? &plan->segments[s] : NULL;
        if (!segment || i != segment->first) {
            NL_TRY(run_node(plan, i, milliseconds));
            continue;
        }
        NL_TRY(nl_lanes_run(plan, segment, milliseconds));
        i = segment->end - 1;
        s++;
    }
    return nl_backend_sync(plan->be);
}

static double number(const void *host, nl_type type, size_t i)
{
    if (type == NL_BF16) return (double)nl_bf16_to_float(((const uint16_t *)host)[i]);
    return type == NL_F64 ? ((const double *)host)[i] : (double)((const float *)host)[i];
}

/* Whether all of a value's numbers are finite. */
static nl_status look_at(struct nl_plan *plan, nl_value v, bool *finite)
{
    const nl_tensor t = nl_plan_tensor(plan, v);
    size_t bytes;
    void *host = NULL;
    *finite = true;
    if (t.type != NL_F32 && t.type != NL_F64 && t.type != NL_BF16) return NL_OK;
    NL_TRY(nl_tensor_bytes(&t, &bytes));
    NL_TRY(nl_alloc(bytes, &host));
    const nl_status st = plan->be->ops->memory->copy(plan->be, host, t.data, bytes, NL_TO_HOST);
    const size_t count = bytes / nl_type_size(t.type);
    for (size_t i = 0; st == NL_OK && *finite && i < count; i++)
        *finite = isfinite(number(host, t.type, i));
    nl_free(host);
    return st;
}

nl_status nl_plan_find_not_finite(struct nl_plan *plan, int *node)
{
    bool finite = true;
    *node = NL_NONE;
    NL_REQUIRE(plan->n_segments == 0, NL_EINVAL,
               "nodes that run frame by frame cannot be looked at");
    for (int i = 0; i < plan->g->n_nodes; i++) {
        if (plan->tasks[i].constant) continue;
        NL_TRY(run_task(plan, &plan->tasks[i]));
        NL_TRY(nl_backend_sync(plan->be));
        for (int k = 0; finite && k < NL_MAX_OUT; k++)
            if (plan->g->nodes[i].out[k] != NL_NONE)
                NL_TRY(look_at(plan, plan->g->nodes[i].out[k], &finite));
        if (finite) continue;
        *node = i;
        return NL_OK;
    }
    return NL_OK;
}

nl_status nl_plan_write(struct nl_plan *plan, nl_value input, const void *host)
{
    return nl_plan_write_part(plan, input, 0, nl_tensor_count(nl_graph_tensor(plan->g, input)),
                              host);
}

nl_status nl_plan_write_part(struct nl_plan *plan, nl_value input, int64_t first, int64_t count,
                             const void *host)
{
    const nl_tensor t = nl_plan_tensor(plan, input);
    const size_t size = nl_type_size(t.type);
    assert(first >= 0 && count >= 0 && first + count <= nl_tensor_count(&t));
    return plan->be->ops->memory->copy(plan->be, (char *)t.data + (size_t)first * size, host,
                                       (size_t)count * size, NL_TO_DEVICE);
}

nl_status nl_plan_read(struct nl_plan *plan, nl_value output, void *host)
{
    const nl_tensor t = nl_plan_tensor(plan, output);
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
    return &nl_plan_task(plan, node)->kernel;
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
