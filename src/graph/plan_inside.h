/* plan_inside.h - what plan.c builds and plan_run.c runs. */
#ifndef NL_PLAN_INSIDE_H
#define NL_PLAN_INSIDE_H

#include "src/graph/arena.h"
#include "src/graph/plan.h"
#include "src/graph/segment.h"

/* One node, ready: its kernel, the tensors with their addresses, its packed weights. */
struct nl_task {
    struct nl_kernel kernel;
    struct nl_args args;
    size_t packed_at; /* offset in constants */
    bool constant;
    /* in a segment: bytes from one frame to the next; 0 of what all frames share */
    size_t next_in[NL_MAX_IN], next_out[NL_MAX_OUT];
};

/* One thread's part of a plan's segments. */
struct nl_lane {
    struct nl_backend be;  /* of one thread */
    struct nl_task *tasks; /* one per node, of segments only */
    double *ms;            /* per node, where a run is timed */
    nl_status status;
    char error[256];
};

struct nl_plan {
    struct nl_graph *g;
    struct nl_backend *be;
    struct nl_task *tasks; /* one per node */
    struct nl_span *spans; /* one per value; bytes 0 where the value owns no memory here */
    nl_value *over; /* per value: the one whose memory it overwrites and has, NL_NONE: its own */
    bool *constant; /* per value */
    bool *passing;  /* per value: a constant that only pack() reads, so it needs no memory later */
    size_t arena_bytes, arena_bound, constant_bytes, workspace_bytes;
    struct nl_segment *segments;
    int n_segments;
    bool *inner; /* per value: made and read within a segment, so that lanes have it */
    struct nl_lane *lanes;
    int n_lanes;
    size_t lane_bytes, lane_workspace; /* of inner values; of kernels */
    size_t *lanes_at;                  /* per segment: where its lanes lie in the arena */
    char *arena, *constants;
    void *workspace;
    uint64_t version; /* of the parameters that the constants were made from */
    bool fresh;       /* the constants were made at all */
    bool settled;     /* parameters were given back, so constants cannot be made again */
    bool transient;   /* weights change every run: they are packed into the workspace each time */
};

/* The value's view with its address. */
nl_tensor nl_plan_tensor(const struct nl_plan *plan, nl_value v);

/* What serves a node: in a segment the first lane's, else the plan's. */
struct nl_task *nl_plan_task(const struct nl_plan *plan, int node);
struct nl_backend *nl_plan_backend(const struct nl_plan *plan, int node);

/* The steps during which a node may run: its segment's, or its own. */
void nl_plan_steps(const struct nl_plan *plan, int node, int *first, int *last);

/* plan_memory.c: an offset for every value and every lane. */
nl_status nl_plan_place(struct nl_plan *plan, const nl_value *outputs, int n_outputs) NL_MUST_CHECK;

/* plan_lanes.c: finds segments and opens lanes; prepares a node's kernels on them; bytes of all lanes;
 * points tasks at memory; does a segment. clear undoes all of them. */
nl_status nl_lanes_open(struct nl_plan *plan) NL_MUST_CHECK;
nl_status nl_lanes_prepare(struct nl_plan *plan, int node) NL_MUST_CHECK;
size_t nl_lanes_bytes(const struct nl_plan *plan);
void nl_lanes_bind(struct nl_plan *plan);
nl_status nl_lanes_run(struct nl_plan *plan, const struct nl_segment *segment,
                       double *milliseconds) NL_MUST_CHECK;
void nl_lanes_clear(struct nl_plan *plan);

double nl_plan_now_ms(void);

#endif
