/* loader.h - batches of training clips, made by several threads, the same for any number of them.
 *
 * The order of an epoch is a permutation keyed by (seed, epoch); a clip is keyed by (seed, epoch,
 * sample). A video that cannot be read is replaced by another one, which depends on seed, epoch and
 * sample alone; it is counted and named once.
 */
#ifndef NL_LOADER_H
#define NL_LOADER_H

#include "reader/train_clip.h"

struct nl_sample {
    const char *path; /* a video, or a clip in a .npy file */
    int64_t label;
};

struct nl_loader_job {
    const struct nl_sample *samples; /* borrowed until the close */
    int64_t n_samples;
    struct nl_clip_spec spec;
    uint64_t seed;
    int64_t epoch;
    bool shuffle;
    int batch;           /* clips */
    int64_t first_batch; /* of the epoch: what came before is left out */
    int64_t end_batch;   /* no batch from this one on; 0: to the end, the last one may be partial */
    int threads, depth;  /* decoding threads; batches that are made ahead, at least 1 */
    double max_bad;      /* share of n_samples that may be broken */
};

struct nl_batch {
    float *clips;     /* [batch, length, crop, crop, 3] */
    int64_t *labels;  /* [batch] */
    int64_t *samples; /* [batch]: places in the list, of what was read in the end */
    int count;        /* clips in it */
};

struct nl_loader;

nl_status nl_loader_open(const struct nl_loader_job *job, struct nl_loader **out) NL_MUST_CHECK;

/* The next batch, waiting for it; NULL after the last. It is the caller's until released. NL_EIO
 * where too many videos are broken, naming the last; NL_EUSAGE for a crop larger than a frame. */
nl_status nl_loader_next(struct nl_loader *loader, struct nl_batch **batch) NL_MUST_CHECK;
void nl_loader_release(struct nl_loader *loader, struct nl_batch *batch);

/* Broken videos of the batches given out so far: how many, and why the i-th. */
int64_t nl_loader_bad(const struct nl_loader *loader);
const char *nl_loader_bad_message(const struct nl_loader *loader, int64_t i);

/* Stops the threads wherever they are, and waits for them. NULL is allowed. */
void nl_loader_close(struct nl_loader *loader);

#endif
