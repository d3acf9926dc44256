/* schedule.h - the learning rate of a step. */
#ifndef NL_SCHEDULE_H
#define NL_SCHEDULE_H

#include "src/core/config.h"

/* Step `step` (from 0) of `total`: phases of TRAIN.step_sizes, each learning_rate_decay times the
 * one before, also after the last; or half a cosine from learning_rate to 0. During warm-up it
 * grows linearly from warmup_rate to what the schedule says at its end. */
double nl_learning_rate(const struct nl_config *config, int64_t step, int64_t total);

/* --scale_lr: rate and boundaries for batch_size `to` that were meant for `from` (Goyal et al.
 * 2017): rate * to / from, boundaries * from / to. */
void nl_schedule_scale(struct nl_config *config, int from, int to);

#endif
