/* layout.h - the crops of one frame in one buffer: what to resize, and where each crop lies then.
 *
 * Crops that overlap or touch share a strip of the resized frame, others have their own: so no
 * pixel is computed twice, and a frame of extreme shape needs no more room than its crops.
 */
#ifndef NL_LAYOUT_H
#define NL_LAYOUT_H

#include "reader/resize.h"
#include "reader/sampling.h"

struct nl_cut { /* a crop in the buffer: crop x crop pixels of 3 bytes */
    size_t offset, stride;
    bool mirrored;
};

struct nl_layout {
    int n_strips;
    struct nl_part strip[NL_CROPS_MAX];
    size_t strip_at[NL_CROPS_MAX];   /* bytes into the buffer */
    struct nl_cut cut[NL_CROPS_MAX]; /* by spatial index, of those used */
};

/* For a frame of width x height pixels and the crops s with used[s]. */
void nl_layout_make(const struct nl_view_spec *spec, const bool used[NL_CROPS_MAX], int width,
                    int height, struct nl_layout *out);

/* Bytes that are enough for any frame. NL_ENOMEM where they overflow. */
nl_status nl_layout_bytes(const struct nl_view_spec *spec, const bool used[NL_CROPS_MAX],
                          size_t *bytes) NL_MUST_CHECK;

#endif
