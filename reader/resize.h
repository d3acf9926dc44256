/* resize.h - bilinear resizing of 8-bit images as OpenCV does it, bit for bit. */
#ifndef NL_RESIZE_H
#define NL_RESIZE_H

#include "src/core/status.h"

#include <stdint.h>

/* Pixels of three bytes, rows without gaps. */
struct nl_image {
    int64_t height, width;
    uint8_t *pixels; /* height * width * 3 */
};

/* Tables and rows for one pair of sizes; reused for all frames of a video. All zero at first. */
struct nl_resizer {
    int64_t from_height, from_width, height, width;
    int32_t *column; /* [width] first source column, in bytes */
    int16_t *alpha;  /* [2 * width] weights of it and of the next, 2048 is one */
    int32_t *row[2]; /* [3 * width] two source rows, resized along x */
    int64_t held[2]; /* which source rows these are; -1: none */
};

/* Resizes `from` (stride bytes a row, three bytes a pixel) into `to`, whose size decides. Half-pixel
 * centres, weights of 11 bits, an exact half is a mean of four: cv::resize with INTER_LINEAR. */
nl_status nl_resize_image(struct nl_resizer *resizer, const uint8_t *from, int64_t stride, int64_t from_height,
                          int64_t from_width, struct nl_image *to) NL_MUST_CHECK;
void nl_resizer_clear(struct nl_resizer *resizer);

#endif
