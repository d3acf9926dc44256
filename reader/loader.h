#ifndef NL_LOADER_H
#define NL_LOADER_H
#include "src/core/status.h"
#include <stdbool.h>
#include <stdint.h>
struct nl_sample { const char *path; int64_t label; };
struct nl_clip_spec { int length, rate, crop, jitter[2]; bool flip, centre; double mean, std; };
struct nl_loader_job { const struct nl_sample *samples; int64_t n_samples; struct nl_clip_spec spec; uint64_t seed; int64_t epoch; bool shuffle; int batch; int64_t first_batch; bool drop_last; int threads, depth; double max_bad; };
struct nl_batch { float *clips; int64_t *labels, *samples; int count; };
struct nl_loader;
nl_status nl_loader_open(const struct nl_loader_job *job, struct nl_loader **out) NL_MUST_CHECK;
nl_status nl_loader_next(struct nl_loader *l, struct nl_batch **batch) NL_MUST_CHECK;
void nl_loader_release(struct nl_loader *l, struct nl_batch *batch);
void nl_loader_close(struct nl_loader *l);
#endif
