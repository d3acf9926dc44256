/* loader.h - batches of training clips, read ahead by threads, in one order whatever their number.
 *
 * The order of an epoch is drawn from the stream "order/<epoch>" of the seed, each clip from its
 * own (train_clip.h): batches are a function of the job, and one can start at any of them.
 *
 * A sample that cannot be read is replaced by another of the list, drawn from the stream
 * "replace/<epoch>/<sample>"; the clip is still drawn for (epoch, sample). Samples that could not be
 * read are counted, from first_batch on, and listed as their batches are given out, so all this does
 * not depend on which thread met what first either.
 */
#ifndef NL_LOADER_H
#define NL_LOADER_H

#include "reader/train_clip.h"

struct nl_sample {
    const char *path; /* of a video, or of a clip that ends in .npy */
    int64_t label;
};

struct nl_loader_job {
    const struct nl_sample *samples; /* borrowed until the close */
    int64_t count;
    struct nl_train_spec spec;
    uint64_t seed;
    int64_t epoch;
    bool shuffle;        /* else in the order of the list */
    int batch;           /* clips of a batch */
    int64_t first_batch; /* of this epoch, to go on in its middle */
    bool drop_last;      /* leave out a last batch that is not full; else it is smaller */
    int threads;
    int depth;      /* batches kept at once, those that the caller holds included; at least 1 */
    double max_bad; /* the share of the epoch's samples that may be unreadable, 0 to 1 */
};

struct nl_batch {
    float *clips;     /* [count, length, crop, crop, 3] */
    int64_t *labels;  /* of what is shown */
    int64_t *samples; /* places in the job's list: what is shown, after replacement */
    int count;        /* clips */
    int64_t index;    /* of this batch in the epoch */
};

struct nl_bad_sample {
    int64_t sample;
    const char *path; /* the job's */
    char *message;
};

/* Belongs to the loader. Changes with nl_loader_next. */
struct nl_loader_stats {
    double waited;   /* seconds that the caller spent in nl_loader_next, in all */
    int64_t batches; /* given out */
    int64_t n_bad;
    const struct nl_bad_sample *bad; /* in the order of the epoch */
};

struct nl_loader;

/* NL_EUSAGE: a number out of range, or an epoch without a batch; NL_ENOMEM. */
nl_status nl_loader_open(const struct nl_loader_job *job, struct nl_loader **out) NL_MUST_CHECK;

/* Batches of the epoch, before first_batch included. */
int64_t nl_loader_batches(const struct nl_loader *loader);

/* The next batch, waiting for it; *batch NULL after the last. It is the caller's until released.
 * NL_EINVAL if the caller holds `depth` batches already. NL_EIO: more samples than max_bad allows
 * could not be read, or none in place of one; NL_ENOMEM. An error comes at the same batch every
 * time, and again when asked again. */
nl_status nl_loader_next(struct nl_loader *loader, struct nl_batch **batch) NL_MUST_CHECK;

/* Batches are released in the order in which they were given. */
void nl_loader_release(struct nl_loader *loader, struct nl_batch *batch);

void nl_loader_stats(const struct nl_loader *loader, struct nl_loader_stats *stats);

/* Stops the workers wherever they are, and waits for them. NULL is allowed. */
void nl_loader_close(struct nl_loader *loader);

#endif
