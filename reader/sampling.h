/* sampling.h - which frames, which size, which crop: arithmetic only.
 *
 * The rules are the original reader's (PaddleCV nonlocal_reader), with n the number of decoded
 * frames: temporal position t starts at trunc(n / positions * t) mod n and wraps round the end; the
 * short side becomes short_side, the long one rounds half to even; crops run along the long side.
 */
#ifndef NL_SAMPLING_H
#define NL_SAMPLING_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { NL_CROPS_MAX = 16 };

struct nl_view_spec {
    int length, rate; /* frames of a clip, and steps between them */
    int positions;    /* T: temporal positions of a video */
    int crops;        /* S: crops of a position, 1 to NL_CROPS_MAX */
    int short_side;   /* pixels after resizing, at least crop */
    int crop;         /* pixels, square */
    double mean, std; /* of all channels, on 0 to 255: a value becomes (x - mean) / std in F32 */
};

/* One view: 0 <= temporal < positions, 0 <= spatial < nl_view_crops(spec). */
struct nl_view_request {
    int temporal, spatial;
};

struct nl_window { /* a crop of the resized frame, which is `width` x `height` */
    int64_t width, height, left, top;
    bool mirrored; /* left and right change places after cropping */
};

/* NL_EUSAGE where a number is out of its range. */
nl_status nl_view_spec_check(const struct nl_view_spec *spec) NL_MUST_CHECK;

/* How many values `spatial` may have: the original's lists say 0 to 5 also where one crop or
 * three are usual. */
int nl_view_crops(const struct nl_view_spec *spec);

/* Index of frame k (0 to length - 1) of position t in a video of n > 0 frames. */
int64_t nl_view_frame(const struct nl_view_spec *spec, int64_t n, int temporal, int k);

/* The crop of a frame of width x height pixels. One crop is always the centre. Three lie at 0, d
 * and 2d, where d = trunc((long - crop) / 2), along the width, or the height if d > 0 there (as
 * the original has it, also for a wide frame whose short side exceeds the crop; they are centred
 * across).
 * 3 to 5 are 0 to 2 mirrored. Other numbers S lie at trunc((long - crop) s / (S - 1)). */
struct nl_window nl_view_window(const struct nl_view_spec *spec, int width, int height,
                                int spatial);

#endif
