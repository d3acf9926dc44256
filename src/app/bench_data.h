/* bench_data.h - bench --mode=data: decoding a video and cutting its views, or, with --train, one
 * training clip (the mean of some draws). */
#ifndef NL_BENCH_DATA_H
#define NL_BENCH_DATA_H

#include "src/app/command.h"

nl_status nl_bench_data(struct nl_run *run) NL_MUST_CHECK;

/* The last line of every bench: one JSON object. Sorts `ms`. */
void nl_bench_report(double *ms, int count, const char *backend);

#endif
