/* jobs.h - inputs as the reader's stream takes them. */
#ifndef NL_JOBS_H
#define NL_JOBS_H

#include "reader/stream.h"
#include "src/app/inputs.h"

/* A job for each input from number `first` on, and one without a path after them; paths are
 * borrowed. NL_ENOMEM, with jobs that nl_jobs_free takes. */
nl_status nl_jobs_new(const struct nl_inputs *inputs, int first,
                      struct nl_stream_job **jobs) NL_MUST_CHECK;

/* NULL is allowed. */
void nl_jobs_free(struct nl_stream_job *jobs);

#endif
