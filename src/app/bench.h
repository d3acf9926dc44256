/* bench.h - the modes of `bench`, and what they share. */
#ifndef NL_BENCH_H
#define NL_BENCH_H

#include "src/app/command.h"
#include "src/graph/plan.h"

/* bench_train.c: whole training steps, the optimizer's update included, of one micro-batch of
 * --batch clips. */
nl_status nl_bench_train(struct nl_run *run) NL_MUST_CHECK;

/* bench_block.c: one non-local block on --shape, with --backward its gradients too. */
nl_status nl_bench_block(struct nl_run *run) NL_MUST_CHECK;

/* bench_data.c: decoding a video and cutting its views, or, with --train, one training clip (the
 * mean of some draws). */
nl_status nl_bench_data(struct nl_run *run) NL_MUST_CHECK;

/* `count` seeded normal numbers, for nl_free. */
nl_status nl_bench_values(int64_t count, float **out) NL_MUST_CHECK;

/* Times the plan, whose inputs have values, --repeat times after two warm-ups, and reports. */
nl_status nl_bench_plan(const struct nl_run *run, struct nl_plan *plan,
                        const char *backend) NL_MUST_CHECK;

/* Nodes with the time of one run, GFLOP/s where multiply-adds are counted. */
nl_status nl_bench_per_op(const struct nl_plan *plan, const double *ms) NL_MUST_CHECK;

/* The last line of every bench: one JSON object. Sorts `ms`. */
void nl_bench_report(double *ms, int count, const char *backend);

#endif
