/* coded_clip.h - small videos in a coding of choice that tests make for themselves. */
#ifndef NL_CODED_CLIP_H
#define NL_CODED_CLIP_H

#include <stdbool.h>
#include <stdint.h>

/* Luma of a pixel of frame `index`; chroma is neutral. */
typedef uint8_t nl_luma_fn(int index, int x, int y);

/* Writes `frames` frames of width x height as FFV1 in Matroska. Fails the test otherwise. */
void nl_make_lossless_clip(const char *path, int width, int height, int frames, nl_luma_fn *luma);

/* How to code a clip: names as FFmpeg has them; the container goes by the path's ending. */
struct nl_coding {
    const char *encoder;
    int gop, b_frames;
};

/* The same in another coding. False where this FFmpeg has no such encoder. */
bool nl_make_clip_as(const char *path, const struct nl_coding *coding, int width, int height,
                     int frames, nl_luma_fn *luma);

#endif
