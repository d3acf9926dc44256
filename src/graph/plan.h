/* plan.h - a graph made ready to run on one backend.
 *
 * A plan is a rewritten node list, one prepared kernel a node, every activation at an offset of
 * one arena, and the constants (folded and packed weights), computed once per version of the
 * parameters. nl_plan_run allocates nothing.
 */
#ifndef NL_PLAN_H
#define NL_PLAN_H

#include "src/graph/graph.h"

struct nl_plan;

struct nl_plan_cost {
    size_t arena, arena_bound; /* bytes of activations; the least that any placement needs */
    size_t workspace, constants;
};

/* `outputs` are kept readable; `g` and `be` are borrowed (g until the call returns, be and
 * g->params until nl_plan_free). NL_ENOSUP and node and op where no implementation serves. */
nl_status nl_plan_new(const struct nl_graph *g, struct nl_backend *be, const nl_value *outputs,
                      int n_outputs, struct nl_plan **out) NL_MUST_CHECK;
void nl_plan_free(struct nl_plan *plan);

/* What such a plan would take, without allocating it. */
nl_status nl_plan_measure(const struct nl_graph *g, struct nl_backend *be, const nl_value *outputs,
                          int n_outputs, struct nl_plan_cost *cost) NL_MUST_CHECK;

/* Runs every node; constants first where the parameters changed since the last run.
 * `milliseconds` (NULL: not timed) gets one entry a node of nl_plan_graph. */
nl_status nl_plan_run(struct nl_plan *plan, double *milliseconds) NL_MUST_CHECK;

/* Makes the constants now and gives back the memory of every parameter that only they read. The plan
 * must be the only reader of its parameters, whose values are lost; they must not change after. */
nl_status nl_plan_settle(struct nl_plan *plan) NL_MUST_CHECK;

/* Copies a dense host array of the value's shape and type in or out. */
nl_status nl_plan_write(struct nl_plan *plan, nl_value input, const void *host) NL_MUST_CHECK;
nl_status nl_plan_read(struct nl_plan *plan, nl_value output, void *host) NL_MUST_CHECK;

/* Copies `count` numbers to those from number `first` on; a run may overwrite what it has read. */
nl_status nl_plan_write_part(struct nl_plan *plan, nl_value input, int64_t first, int64_t count,
                             const void *host) NL_MUST_CHECK;

/* Runs the nodes once more on the inputs at hand, looking at what each makes: *node is the first
 * with a number that is not finite, NL_NONE if there is none. Gradients are added to once more.
 * For plans of training: NL_EINVAL where nodes run frame by frame. */
nl_status nl_plan_find_not_finite(struct nl_plan *plan, int *node) NL_MUST_CHECK;

/* The rewritten graph and, per node of it, the kernel that serves and whether it is a constant. */
const struct nl_graph *nl_plan_graph(const struct nl_plan *plan);
const struct nl_kernel *nl_plan_kernel(const struct nl_plan *plan, int node);
bool nl_plan_is_constant(const struct nl_plan *plan, int node);
struct nl_plan_cost nl_plan_cost(const struct nl_plan *plan);

#endif
