/* train.h - a training run: where it stands, its folder, its log, its data. */
#ifndef NL_TRAIN_H
#define NL_TRAIN_H

#include "src/app/inputs.h"
#include "src/app/trainer.h"

#include "reader/loader.h"
#include "src/weights/state.h"

#include <stdio.h>

/* Where a run stands: what comes next. A checkpoint holds it, so that a run goes on as if it had
 * never stopped. */
struct nl_train_at {
    int64_t epoch, batch, step; /* batch of the epoch; steps of the whole run */
    uint64_t seed;
    double best; /* best validation top-1 so far, a share; -1: none */
    int64_t best_epoch;
    struct nl_tally tally; /* of the epoch so far */
};

struct nl_train {
    struct nl_run *run;
    const struct nl_config *config; /* of the run's settings */
    struct nl_session session;
    struct nl_trainer trainer;
    struct nl_train_at at;
    const char *save_dir;
    struct nl_inputs inputs[2]; /* TRAIN and VALID */
    struct nl_sample *samples[2];
    int64_t steps_per_epoch, steps; /* of the whole run */
    FILE *jsonl;
    struct nl_events *events;
    double start; /* of this process */
    int64_t start_step;
};

/* train_data.c: lists, checked line by line, with the sizes of batches and crops, and loaders over
 * them. `valid`: of VALID. */
nl_status nl_train_lists(struct nl_train *train, bool valid) NL_MUST_CHECK;
/* Batches of the epoch at hand, from `first_batch` on. */
nl_status nl_train_loader(struct nl_train *train, bool valid, int64_t first_batch, int batch,
                          struct nl_loader **out) NL_MUST_CHECK;
/* Batches that a loader holds. */
int nl_train_depth(const struct nl_sampling *sampling, int batch);
/* Names the videos of the epoch that were replaced, once each. */
void nl_train_report_bad(const struct nl_loader *loader);
void nl_train_lists_clear(struct nl_train *train);

/* train_folder.c: makes the folder, or refuses one that cannot be written or that holds a run of
 * another configuration (NL_EUSAGE, with the difference) or, unless `resumed`, checkpoints; writes
 * manifest.json. */
nl_status nl_train_folder(struct nl_train *train, bool resumed) NL_MUST_CHECK;

/* checkpoint.c: NAME.safetensors in the folder, with everything to go on; curves up to there are in
 * their file before it. */
nl_status nl_checkpoint_save(struct nl_train *train, const char *name) NL_MUST_CHECK;
/* Where the checkpoint stands; *found false where it has no training state. NL_EIO: one that lacks
 * a number, or has it out of range. */
nl_status nl_checkpoint_at(const struct nl_state *state, struct nl_train_at *at, bool *found);
/* Whether a file of this name is one. */
bool nl_checkpoint_named(const char *name);
/* The newest checkpoint in a folder, for nl_free; NULL where there is none. */
nl_status nl_checkpoint_newest(const char *folder, char **path) NL_MUST_CHECK;
/* Removes epoch checkpoints but the last `keep`. */
void nl_checkpoint_prune(const struct nl_train *train);

/* train_log.c: train.jsonl, TensorBoard's events, and lines or a progress line for a person. */
struct nl_step_report {
    struct nl_tally tally;
    double rate, norm, seconds, data_seconds;
};
nl_status nl_train_log_open(struct nl_train *train) NL_MUST_CHECK;
nl_status nl_train_log_step(struct nl_train *train, const struct nl_step_report *step);
nl_status nl_train_log_epoch(struct nl_train *train);
nl_status nl_train_log_valid(struct nl_train *train, const struct nl_tally *tally);
void nl_train_log_close(struct nl_train *train);

/* precise_bn.c: running statistics become those of all values in `batches` micro-batches of the
 * training list, as the weights are now: the mean of means, and the mean of variances plus the
 * variance of means (Caffe2's precise BN). NL_ENOSUP for f64, NL_EINTR where it was interrupted.
 * After a failure they are undefined. */
nl_status nl_precise_bn(struct nl_train *train, int64_t batches) NL_MUST_CHECK;
/* Bytes of its plan, without allocating it. */
nl_status nl_precise_bn_measure(struct nl_train *train, const struct nl_geometry *geometry,
                                size_t *bytes) NL_MUST_CHECK;

/* validate.c: the VALID list in evaluation mode. NL_EINTR where it was interrupted, NL_EIO where a
 * score is not finite, with its clip. */
nl_status nl_validate(struct nl_train *train, struct nl_tally *tally) NL_MUST_CHECK;
/* Clips at a time where a training step has `parts` micro-batches, and bytes of their plan. */
int nl_valid_batch(const struct nl_config *config, int parts);
nl_status nl_validate_measure(struct nl_train *train, int batch, size_t *bytes) NL_MUST_CHECK;

/* train_memory.c: tells what training will need, validation included. NL_EUSAGE where the machine
 * has less, naming the micro-batch that fits; NL_ENOSUP for precise BN that cannot run. */
nl_status nl_train_memory(struct nl_train *train, const struct nl_geometry *g) NL_MUST_CHECK;

#endif
