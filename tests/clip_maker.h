/* clip_maker.h - small videos that tests make for themselves, lossless. */
#ifndef NL_CLIP_MAKER_H
#define NL_CLIP_MAKER_H

#include <stdint.h>

/* Luma of a pixel of frame `index`; chroma is neutral. */
typedef uint8_t nl_luma_fn(int index, int x, int y);

/* Writes `frames` frames of width x height as FFV1 in Matroska. Fails the test otherwise. */
void nl_make_clip(const char *path, int width, int height, int frames, nl_luma_fn *luma);

#endif
