/* train_clip.h - one clip of a video as training and validation see it.
 *
 * The original reader's arithmetic (original_program.md 4.2 to 4.4), n being the number of frames
 * that the packets promise, or, where fewer can be decoded, that number: a uniformly random start of
 * length * rate frames (0 where the video is shorter), frames (start + k rate) mod n, a random short
 * side, a random crop that may touch every border, a coin for the mirror. Decoding ends with the
 * last frame that is needed.
 */
#ifndef NL_TRAIN_CLIP_H
#define NL_TRAIN_CLIP_H

#include "reader/video.h"

struct nl_clip_spec {
    int length, rate; /* frames, and steps between them */
    int crop;         /* pixels, square */
    int jitter[2];    /* short side: uniform in [first, second), or `first` where they are equal */
    bool flip;        /* mirrored half of the time */
    bool centre;      /* validation: centre crop, never mirrored */
    double mean, std; /* on 0 to 255: a value becomes (x - mean) / std */
};

/* What chance decides, each uniform in [0, 1): so that one draw means the same for any video. */
struct nl_clip_draw {
    double start, side, left, top, mirror;
};

/* The draw of sample `sample` in epoch `epoch`. */
struct nl_clip_draw nl_clip_draw(uint64_t seed, int64_t epoch, int64_t sample);

/* Start of a clip in a video of n frames, and the short side. */
int64_t nl_clip_start(const struct nl_clip_spec *spec, const struct nl_clip_draw *draw, int64_t n);
int nl_clip_side(const struct nl_clip_spec *spec, const struct nl_clip_draw *draw);

/* Floats [length, crop, crop, 3], RGB. A path that ends in .npy is a clip that is ready: float32
 * (3, length, crop, crop), normalised. `limits` may be NULL. NL_EIO with the path for what cannot be
 * read or is too small to crop; NL_EINTR; NL_ENOMEM. */
nl_status nl_clip_read(const char *path, const struct nl_video_limits *limits,
                       const struct nl_clip_spec *spec, const struct nl_clip_draw *draw,
                       float *clip) NL_MUST_CHECK;

#endif
