/* winograd_tiles.h - where the tiles of winograd.h lie in tensors [N,T,H,W,C].
 *
 * Tiles of all frames are one list, frame by frame, line by line. A tile of outputs hangs over the
 * edge where extents are no multiples of four; one of inputs by the padding, too.
 */
#ifndef NL_WINOGRAD_TILES_H
#define NL_WINOGRAD_TILES_H

#include "backends/cpu/winograd.h"
#include "src/tensor/tensor.h"

enum { NL_WINOGRAD_MOST = 4096 }; /* channels */

struct nl_cpu_winograd_tiles {
    int64_t frames, times, pad_h, pad_w;
    int64_t down, across, count; /* of a frame; of all frames */
};

/* A row of NL_WINOGRAD_MOST zeros, for what lies beyond the edge. */
extern const float nl_cpu_winograd_zeros[];

/* Of outputs [N,T,H,W,C]. */
struct nl_cpu_winograd_tiles nl_cpu_winograd_tiles_of(const nl_tensor *out, int64_t pad_h,
                                                      int64_t pad_w);

/* The 36 rows of a tile's inputs from `channel` on, zeros beyond the edge; asks for `channels` of
 * what the next tile of the line has and this one has not, since nothing else foresees it. */
void nl_cpu_winograd_inputs(const struct nl_cpu_winograd_tiles *tiles, const nl_tensor *in,
                            int64_t tile, int64_t channel, int64_t channels, const void *rows[36]);

/* The same of the 16 rows of gradients of its outputs. */
void nl_cpu_winograd_gradients(const struct nl_cpu_winograd_tiles *tiles, const nl_tensor *dy,
                               int64_t tile, int64_t filter, int64_t filters, const void *rows[16]);

/* The 16 rows of a tile's outputs, NULL beyond the edge. */
void nl_cpu_winograd_outputs(const struct nl_cpu_winograd_tiles *tiles, const nl_tensor *out,
                             int64_t tile, void *rows[16]);

#endif
