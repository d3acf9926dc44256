/* segment.h - runs of nodes that a plan does frame by frame instead of node by node.
 *
 * Between two nodes that mix frames (non-local blocks, pooling or filters over time) each frame is
 * its own. Done one frame after the other, what nodes hand on stays in a cache instead of going to
 * memory and back, and memory for one frame serves all. Filters are read once a frame instead of
 * once, so it pays where they are small beside the activations. Bits stay the same, since no sum
 * reaches over frames.
 */
#ifndef NL_SEGMENT_H
#define NL_SEGMENT_H

#include "src/graph/graph.h"

/* Nodes [first, end), constant ones among them left out, for each of `frames` frames. */
struct nl_segment {
    int first, end;
    int64_t frames;
};

/* Whether what serves a node may do its frames one by one. */
typedef bool nl_segment_fits_fn(const void *user, int node, int64_t frames);

/* The segments of a rewritten list, at most n_nodes of them, in order; `constant` per value. They
 * depend on shapes and on `fits` (NULL: all do). */
int nl_segments_find(const struct nl_graph *g, const bool *constant, nl_segment_fits_fn *fits,
                     const void *user, struct nl_segment *segments);

/* Number of the segment that a node lies in, NL_NONE: none. */
int nl_segment_at(const struct nl_segment *segments, int count, int node);

/* Marks the values that one segment makes and no node outside reads; `inner` per value, all false. */
void nl_segments_mark_inner(const struct nl_graph *g, const struct nl_segment *segments, int count,
                            const bool *constant, bool *inner);

/* Whether a value that a segment's node reads or makes has a part for each frame. */
bool nl_segment_is_framed(const struct nl_graph *g, const bool *constant, nl_value v);

/* The description of a node for one of `frames` frames. */
struct nl_op_desc nl_segment_desc(const struct nl_graph *g, const bool *constant, const bool *inner,
                                  const struct nl_node *node, int64_t frames);

#endif
