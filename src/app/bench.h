/* bench.h - the modes of `bench`, and what they share. */
#ifndef NL_BENCH_H
#define NL_BENCH_H

#include "src/app/command.h"
#include "src/graph/plan.h"

#include <jansson.h>

/* bench_train.c: whole training steps, the optimizer's update included, of one micro-batch of
 * --batch clips. */
nl_status nl_bench_train(struct nl_run *run) NL_MUST_CHECK;

/* bench_block.c: one non-local block on --shape, with --backward its gradients too. */
nl_status nl_bench_block(struct nl_run *run) NL_MUST_CHECK;

/* bench_data.c: decoding a video and cutting its views, or, with --train, one training clip (the
 * mean of some draws). */
nl_status nl_bench_data(struct nl_run *run) NL_MUST_CHECK;

/* bench_peak.c: what the machine can do at most, for 1, 2, 4 ... threads. */
nl_status nl_bench_peak(struct nl_run *run) NL_MUST_CHECK;

/* What is timed: a plan whose inputs have values, its backend, and what it keeps readable. */
struct nl_bench_subject {
    struct nl_plan *plan;
    const struct nl_backend *be;
    const nl_value *outputs;
    int n_outputs;
};

/* Times runs of the plan, --repeat of them after two warm-ups, and reports. */
nl_status nl_bench_plan(const struct nl_run *run,
                        const struct nl_bench_subject *subject) NL_MUST_CHECK;

/* The end of every bench: with --per-op a table of the subject's ops (NULL: none), then the line of
 * JSON. Sorts `ms`. Call it before anything else takes memory: it reads the process's peak. */
nl_status nl_bench_report(const struct nl_run *run, const struct nl_bench_subject *subject,
                          const char *backend, double *ms, int count) NL_MUST_CHECK;

/* bench_ops.c: distinct ops of the plan, the costliest first: how often it has each, the lowest
 * time of --repeat runs, GFLOP/s and GB/s with their shares of what the machine can do. A table, or
 * with --json one object a line. */
nl_status nl_bench_ops(const struct nl_run *run,
                       const struct nl_bench_subject *subject) NL_MUST_CHECK;

/* Writes `line`, which it takes over, as one line of JSON with six digits. */
nl_status nl_bench_json(json_t *line) NL_MUST_CHECK;

/* `count` seeded normal numbers, for nl_free. */
nl_status nl_bench_values(int64_t count, float **out) NL_MUST_CHECK;

#endif
