#include "src/core/memory.h"
#include "src/graph/plan_inside.h"

#include <stdio.h>

/* Frame by frame or not, the same implementation must serve, or bits would depend on threads. */
static bool fits(const void *user, int node, int64_t frames)
{
    const struct nl_plan *plan = user;
    const struct nl_node *at = &plan->g->nodes[node];
    const struct nl_op_desc whole = nl_graph_desc(plan->g, at);
    const struct nl_op_desc one = nl_segment_desc(plan->g, plan->constant, plan->inner, at, frames);
    struct nl_kernel kernel;
    const struct nl_impl *impl = NULL;
    if (nl_kernel_prepare(plan->be, &whole, at->force, &kernel) != NL_OK) return false;
    impl = kernel.impl;
    nl_kernel_drop(plan->be, &kernel);
    if (!impl->framewise || nl_kernel_prepare(plan->be, &one, at->force, &kernel) != NL_OK)
        return false;
    const bool same = kernel.impl == impl;
    nl_kernel_drop(plan->be, &kernel);
    return same;
}

/* Segments for which there are enough frames; fewer leave threads idle. */
static nl_status find(struct nl_plan *plan)
{
    const int threads = plan->be->threads;
    int kept = 0;
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->inner, &plan->inner));
    NL_TRY(nl_calloc((size_t)plan->g->n_nodes, sizeof *plan->segments, &plan->segments));
    NL_TRY(nl_calloc((size_t)plan->g->n_nodes, sizeof *plan->lanes_at, &plan->lanes_at));
    if (plan->transient || !plan->be->ops->spread) return NL_OK;
    const int count = nl_segments_find(plan->g, plan->constant, fits, plan, plan->segments);
    for (int i = 0; i < count; i++)
        if (plan->segments[i].frames >= threads) plan->segments[kept++] = plan->segments[i];
    plan->n_segments = kept;
    nl_segments_mark_inner(plan->g, plan->segments, kept, plan->constant, plan->inner);
    return NL_OK;
}

nl_status nl_lanes_open(struct nl_plan *plan)
{
    const size_t nodes = (size_t)plan->g->n_nodes;
    NL_TRY(find(plan));
    if (!plan->n_segments) return NL_OK;
    NL_TRY(nl_calloc((size_t)plan->be->threads, sizeof *plan->lanes, &plan->lanes));
    for (; plan->n_lanes < plan->be->threads; plan->n_lanes++) {
        struct nl_lane *lane = &plan->lanes[plan->n_lanes];
        NL_TRY(nl_backend_open(plan->be->ops->name, 1, &lane->be));
        NL_TRY(nl_calloc(nodes, sizeof *lane->tasks, &lane->tasks));
        NL_TRY(nl_calloc(nodes, sizeof *lane->ms, &lane->ms));
    }
    return NL_OK;
}

nl_status nl_lanes_prepare(struct nl_plan *plan, int node)
{
    const int s = nl_segment_at(plan->segments, plan->n_segments, node);
    const struct nl_op_desc desc = nl_segment_desc(plan->g, plan->constant, plan->inner,
                                                   &plan->g->nodes[node], plan->segments[s].frames);
    for (int i = 0; i < plan->n_lanes; i++) {
        struct nl_kernel *kernel = &plan->lanes[i].tasks[node].kernel;
        NL_TRY(nl_kernel_prepare(&plan->lanes[i].be, &desc, plan->g->nodes[node].force, kernel));
        if (kernel->need.workspace > plan->lane_workspace)
            plan->lane_workspace = kernel->need.workspace;
    }
    return NL_OK;
}

/* A lane has inner values of one frame, then workspace. */
static size_t bytes_of_lane(const struct nl_plan *plan)
{
    return nl_align_up(plan->lane_bytes) + nl_align_up(plan->lane_workspace);
}

size_t nl_lanes_bytes(const struct nl_plan *plan)
{
    return (size_t)plan->n_lanes * bytes_of_lane(plan);
}

/* The view of frame 0 of a value, and how far the next frame is. */
static nl_tensor frame_of(const struct nl_plan *plan, char *memory, nl_value v,
                          const nl_tensor *desc, size_t *next)
{
    nl_tensor t = *desc;
    *next = 0;
    if (plan->inner[v]) {
        t.data = memory + plan->spans[v].offset;
        return t;
    }
    t.data = nl_plan_tensor(plan, v).data;
    if (nl_segment_is_framed(plan->g, plan->constant, v))
        *next = (size_t)nl_tensor_count(&t) * nl_type_size(t.type);
    return t;
}

/* `memory` is the lane's. */
static void bind_task(const struct nl_plan *plan, struct nl_task *task, int node, char *memory)
{
    const struct nl_node *from = &plan->g->nodes[node];
    const struct nl_kernel *kernel = &task->kernel;
    for (int k = 0; k < NL_MAX_IN; k++)
        if (from->in[k] != NL_NONE)
            task->args.in[k] =
                frame_of(plan, memory, from->in[k], &kernel->desc.in[k], &task->next_in[k]);
    task->args.out[0] =
        frame_of(plan, memory, from->out[0], &kernel->desc.out[0], &task->next_out[0]);
    if (kernel->need.packed)
        task->args.packed = plan->constants + plan->lanes[0].tasks[node].packed_at;
    if (kernel->need.workspace) task->args.workspace = memory + nl_align_up(plan->lane_bytes);
}

void nl_lanes_bind(struct nl_plan *plan)
{
    for (int s = 0; s < plan->n_segments; s++)
        for (int l = 0; l < plan->n_lanes; l++) {
            char *memory = plan->arena + plan->lanes_at[s] + (size_t)l * bytes_of_lane(plan);
            for (int i = plan->segments[s].first; i < plan->segments[s].end; i++)
                if (!plan->constant[plan->g->nodes[i].out[0]])
                    bind_task(plan, &plan->lanes[l].tasks[i], i, memory);
        }
}

struct job {
    struct nl_plan *plan;
    const struct nl_segment *segment;
    bool timed;
};

static nl_status run_node(struct nl_lane *lane, int node, int64_t frame)
{
    const struct nl_task *task = &lane->tasks[node];
    struct nl_args args = task->args;
    for (int k = 0; k < NL_MAX_IN; k++)
        if (task->next_in[k])
            args.in[k].data = (char *)args.in[k].data + (size_t)frame * task->next_in[k];
    if (task->next_out[0])
        args.out[0].data = (char *)args.out[0].data + (size_t)frame * task->next_out[0];
    return nl_kernel_run(&lane->be, &task->kernel, &args);
}

/* All nodes of one frame. A message is the thread's own, so it is kept with the lane. */
static void run_frame(void *of_all, int64_t frame, int number)
{
    const struct job *job = of_all;
    struct nl_lane *lane = &job->plan->lanes[number];
    for (int i = job->segment->first; lane->status == NL_OK && i < job->segment->end; i++) {
        if (job->plan->constant[job->plan->g->nodes[i].out[0]]) continue;
        const double start = job->timed ? nl_plan_now_ms() : 0;
        lane->status = run_node(lane, i, frame);
        if (job->timed) lane->ms[i] += nl_plan_now_ms() - start;
        if (lane->status != NL_OK) snprintf(lane->error, sizeof lane->error, "%s", nl_error());
    }
}

/* A node's time is the lanes' shared out, as if all of them worked on it at once. */
nl_status nl_lanes_run(struct nl_plan *plan, const struct nl_segment *segment, double *milliseconds)
{
    struct job job = {plan, segment, milliseconds != NULL};
    for (int l = 0; l < plan->n_lanes; l++) plan->lanes[l].status = NL_OK;
    plan->be->ops->spread(plan->be, segment->frames, run_frame, &job);
    for (int l = 0; l < plan->n_lanes; l++) {
        struct nl_lane *lane = &plan->lanes[l];
        if (lane->status != NL_OK) return nl_fail(lane->status, "%s", lane->error);
        for (int i = segment->first; milliseconds && i < segment->end; i++) {
            milliseconds[i] = (l ? milliseconds[i] : 0) + lane->ms[i] / plan->n_lanes;
            lane->ms[i] = 0;
        }
    }
    return NL_OK;
}

static void clear_lane(struct nl_plan *plan, struct nl_lane *lane)
{
    for (int i = 0; lane->tasks && i < plan->g->n_nodes; i++)
        nl_kernel_drop(&lane->be, &lane->tasks[i].kernel);
    nl_free(lane->tasks);
    nl_free(lane->ms);
    if (lane->be.ops) nl_backend_close(&lane->be);
}

void nl_lanes_clear(struct nl_plan *plan)
{
    for (int l = 0; plan->lanes && l < plan->be->threads; l++) clear_lane(plan, &plan->lanes[l]);
    nl_free(plan->lanes);
    nl_free(plan->lanes_at);
    nl_free(plan->segments);
    nl_free(plan->inner);
}
