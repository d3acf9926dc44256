/* trainer.h - one training step: micro-batches, their gradients, the update.
 *
 * A step of TRAIN.batch_size clips is `micro_batches` runs of the training plan on
 * `geometry.batch` clips each; gradients and batch statistics are averaged over them, as over that
 * many devices.
 */
#ifndef NL_TRAINER_H
#define NL_TRAINER_H

#include "src/app/session.h"
#include "src/graph/optimizer.h"

struct nl_trainer {
    struct nl_session *session; /* borrowed */
    struct nl_geometry geometry;
    struct nl_plan *plan;
    struct nl_model_ends ends;
    struct nl_optimizer *optimizer;
    int micro_batches;
    uint64_t seed;
    float *host; /* logits or mask, whichever is larger */
    double *wide;
    int64_t classes;
};

/* Sums over clips; of a step or of an epoch. */
struct nl_tally {
    double loss;
    int64_t top1, top5, clips;
};

void nl_tally_add(struct nl_tally *sum, const struct nl_tally *more);

/* Counts one clip: is `label` the most probable class, or among the five most probable ones?
 * `score` has `classes` numbers; of equal ones the lower class goes first, and one that is NaN is
 * not right. */
void nl_tally_rank(struct nl_tally *tally, const double *score, int64_t classes, int64_t label);

/* What training needs in bytes, before anything is allocated. */
struct nl_train_cost {
    size_t activations, workspace, constants, parameters, total;
};
nl_status nl_trainer_measure(struct nl_session *session, const struct nl_geometry *geometry,
                             struct nl_train_cost *cost) NL_MUST_CHECK;

/* The session is open and its parameters have values. nl_trainer_close undoes it, also after a
 * failure. */
nl_status nl_trainer_open(struct nl_trainer *trainer, struct nl_session *session,
                          const struct nl_geometry *geometry, int micro_batches,
                          uint64_t seed) NL_MUST_CHECK;
void nl_trainer_close(struct nl_trainer *trainer);

/* Micro-batch `index` of step `step`: clips [N,T,H,W,3], labels [N] on the host. Adds to *tally. */
nl_status nl_trainer_micro(struct nl_trainer *trainer, int64_t step, int index, const float *clips,
                           const int64_t *labels, struct nl_tally *tally) NL_MUST_CHECK;

/* The update after all of a step's micro-batches. *norm: of the gradient; where it is not finite
 * nothing was changed. */
nl_status nl_trainer_update(struct nl_trainer *trainer, double rate, double *norm) NL_MUST_CHECK;

/* After a run: the name of the first node with a number that is not finite, "" if there is none. */
nl_status nl_trainer_find_not_finite(struct nl_trainer *trainer, char *name,
                                     size_t size) NL_MUST_CHECK;

#endif
