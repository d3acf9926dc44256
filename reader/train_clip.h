/* train_clip.h - one clip of one video as training and validation take it: frames, size and crop
 * drawn at random.
 *
 * The rules are the original reader's (PaddleCV nonlocal_reader), n being the number of frames: the
 * start is uniform in [0, n - length rate], both included, or 0 where n <= length rate; frame k is
 * (start + k rate) mod n; the short side is uniform in [jitter[0], jitter[1] - 1], or jitter[0]
 * where both are the same; the long side rounds half to even. Training: the crop's corner is
 * uniform in [0, height - crop] x [0, width - crop], both included (the original leaves out the
 * last, which fails where there is only one), and mirrored with probability 1/2. Validation: the
 * crop is centred.
 *
 * Draws come from the stream "clip/<epoch>/<sample>" of the seed, in the order start, side, mirror,
 * top, left; so a clip depends on nothing else, and not on what was read before.
 *
 * n is what nl_video_open promises where the packets are beyond doubt (index.h); other videos are
 * decoded to their end, and again if that changes n.
 */
#ifndef NL_TRAIN_CLIP_H
#define NL_TRAIN_CLIP_H

#include "reader/video.h"

struct nl_train_spec {
    int length, rate; /* frames of a clip, and steps between them */
    int crop;         /* pixels, square */
    int jitter[2];    /* of the short side after resizing */
    bool flip;        /* mirror half of the clips */
    bool validation;  /* centre crops, never mirrored */
    double mean, std; /* of all channels, on 0 to 255: a value becomes (x - mean) / std in F32 */
};

/* NL_EUSAGE where a number is out of its range, e.g. a crop that a short side has no room for. */
nl_status nl_train_spec_check(const struct nl_train_spec *spec) NL_MUST_CHECK;

/* Floats of a clip. */
size_t nl_train_clip_floats(const struct nl_train_spec *spec);

/* Reads clips one after another, keeping buffers. One thread per reader. */
struct nl_clip_reader;
/* `limits` (NULL: the defaults) as nl_video_open. NL_EUSAGE, NL_ENOMEM. */
nl_status nl_clip_reader_new(const struct nl_train_spec *spec, const struct nl_video_limits *limits,
                             struct nl_clip_reader **out) NL_MUST_CHECK;
void nl_clip_reader_free(struct nl_clip_reader *reader); /* NULL is allowed */

struct nl_clip_key {
    uint64_t seed;
    int64_t epoch, sample;
};

/* Writes the clip of `path`: [length, crop, crop, 3], RGB. A path that ends in .npy is a clip
 * already, float32 (3,length,crop,crop), which is taken as it is. NL_EIO with one line that names
 * the file; NL_ENOMEM; NL_EINTR. */
nl_status nl_train_clip(struct nl_clip_reader *reader, const char *path,
                        const struct nl_clip_key *key, float *clip) NL_MUST_CHECK;

/* For tests: decode all videos from their start. */
void nl_clip_reader_from_start(struct nl_clip_reader *reader);

#endif
