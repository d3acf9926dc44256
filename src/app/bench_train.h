/* bench_train.h - `bench --mode=train`, and what it shares with the other modes. */
#ifndef NL_BENCH_TRAIN_H
#define NL_BENCH_TRAIN_H

#include "src/app/command.h"
#include "src/graph/plan.h"

/* Whole training steps, the optimizer's update included, of one micro-batch of --batch clips. */
nl_status nl_bench_train(struct nl_run *run) NL_MUST_CHECK;

/* `count` seeded normal numbers, for nl_free. */
nl_status nl_bench_values(int64_t count, float **out) NL_MUST_CHECK;

/* Nodes with the time of one run, GFLOP/s where multiply-adds are counted. */
nl_status nl_bench_per_op(const struct nl_plan *plan, const double *ms) NL_MUST_CHECK;

#endif
