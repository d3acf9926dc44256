/* resize.h - part of an image, resized: 8-bit, three channels, bilinear with half-pixel centres.
 *
 * Bit for bit what OpenCV 4.12's resize (INTER_LINEAR, 8UC3) gives for that part: weights of 11
 * bits along each axis, no antialiasing, and where both sides become half, the mean of four pixels.
 * Only what is asked for is computed, so a frame of extreme shape costs no more than its crops.
 */
#ifndef NL_RESIZE_H
#define NL_RESIZE_H

#include "reader/video.h"

struct nl_resizer { /* all zero is ready; tables and rows are kept for the next frame */
    int from_width;
    int64_t to_width, left;
    int width; /* of the tables below */
    int32_t *column;
    int16_t *weight;
    int16_t *row[2];
    int held[2]; /* which source row each has; -1: none */
    int room;    /* pixels that the buffers hold */
};

/* The part width x height at (left, top) of an image that is resized to to_width x to_height. */
struct nl_part {
    int64_t to_width, to_height, left, top;
    int width, height;
};

/* Writes rows of 3 * part->width bytes, one after another. The part lies inside. NL_ENOMEM. */
nl_status nl_resizer_run(struct nl_resizer *r, const struct nl_image *from,
                         const struct nl_part *part, uint8_t *out) NL_MUST_CHECK;
void nl_resizer_clear(struct nl_resizer *r);

#endif
