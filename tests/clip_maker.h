/* clip_maker.h - small grey videos that tests make for themselves. */
#ifndef NL_CLIP_MAKER_H
#define NL_CLIP_MAKER_H

#include <stdint.h>

/* Grey of a pixel of frame `index`. */
typedef uint8_t nl_grey_fn(int index, int x, int y);

/* Writes `frames` frames of width x height, as good as it gets, 25 a second. Fails the test
 * otherwise. */
void nl_make_clip(const char *path, int width, int height, int frames, nl_grey_fn *grey);

#endif
