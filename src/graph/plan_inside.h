/* plan_inside.h - what plan.c builds and plan_run.c runs. */
#ifndef NL_PLAN_INSIDE_H
#define NL_PLAN_INSIDE_H

#include "src/graph/arena.h"
#include "src/graph/plan.h"

/* One node, ready: its kernel, the tensors with their addresses, its packed weights. */
struct nl_task {
    struct nl_kernel kernel;
    struct nl_args args;
    size_t packed_at; /* offset in constants */
    bool constant;
};

struct nl_plan {
    struct nl_graph *g;
    struct nl_backend *be;
    struct nl_task *tasks; /* one per node */
    struct nl_span *spans; /* one per value; bytes 0 where the value owns no memory here */
    bool *constant;        /* per value */
    bool *passing; /* per value: a constant that only pack() reads, so it needs no memory later */
    size_t arena_bytes, arena_bound, constant_bytes, workspace_bytes;
    char *arena, *constants;
    void *workspace;
    uint64_t version; /* of the parameters that the constants were made from */
    bool fresh;       /* the constants were made at all */
    bool transient;   /* weights change every run: they are packed into the workspace each time */
};

/* The value's view with its address. */
nl_tensor nl_plan_tensor(const struct nl_plan *plan, nl_value v);

#endif
