/* sampling.h - which frames, which size, which crop: the arithmetic of views (original_program.md 4). */
#ifndef NL_SAMPLING_H
#define NL_SAMPLING_H

#include "src/core/status.h"

#include <stdint.h>

/* The views of a video: `positions` in time x `crops` in space. */
struct nl_view_spec {
    int length, rate;     /* frames of a clip; frames from one to the next */
    int positions, crops; /* T and S; S is 1 (the centre), 3 (along the long side) or 6 (mirrored too) */
    int short_side, crop; /* pixels: the frame is resized to the one, the other is cut */
    double mean, std;     /* value = (pixel - mean) / std, pixel in 0..255 */
};

/* First frame of position `temporal` in a video of `frames`: trunc(frames / positions * temporal) mod frames. */
int64_t nl_view_start(const struct nl_view_spec *spec, int64_t frames, int temporal);

/* Frame k of the clip that starts there; short videos wrap around. */
int64_t nl_view_frame(const struct nl_view_spec *spec, int64_t frames, int64_t start, int k);

/* Height and width after the short side became spec->short_side; the long side rounds half to even. */
void nl_view_size(const struct nl_view_spec *spec, int64_t height, int64_t width, int64_t *out_height,
                  int64_t *out_width);

/* Where crop `spatial` (0 to 5; 3 to 5 mirrored) of a resized frame begins. With S = 1 it is the centre.
 * NL_EUSAGE if the frame is smaller than the crop. */
nl_status nl_view_crop(const struct nl_view_spec *spec, int64_t height, int64_t width, int spatial,
                       int64_t *top, int64_t *left) NL_MUST_CHECK;

#endif
