/* npy_clip.h - a clip that was cut and normalised before, float32 (3,T,H,W) in a .npy file. */
#ifndef NL_NPY_CLIP_H
#define NL_NPY_CLIP_H

#include "src/core/status.h"

#include <stdbool.h>

/* Whether a list's item is one, by its ending. */
bool nl_npy_clip_is(const char *path);

/* Reads it as [length, crop, crop, 3]. NL_EIO for anything else than 3 x length x crop x crop. */
nl_status nl_npy_clip_read(const char *path, int length, int crop, float *clip) NL_MUST_CHECK;

#endif
