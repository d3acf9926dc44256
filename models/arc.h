/* arc.h - the four networks that video_arc_choice names, and where their non-local blocks stand. */
#ifndef NL_ARC_H
#define NL_ARC_H

#include "src/core/config.h"
#include "src/core/status.h"

#include <stdbool.h>

struct nl_arc {
    int choice;                      /* video_arc_choice, from 1 */
    const char *name;                /* "C2D-ResNet50" */
    int depth;                       /* 50 or 101 */
    int blocks[NL_STAGES];           /* residual blocks of res2..res5 */
    int conv1_frames;                /* temporal kernel of conv1 */
    const char *temporal[NL_STAGES]; /* per stage, repeated over its blocks: '1' where the first
                                             convolution is 3x1x1, '0' where it is 1x1x1 */
};

/* Whether residual block `index` of res`stage` begins with a 3x1x1 convolution. */
bool nl_arc_is_temporal(const struct nl_arc *arc, int stage, int index);

/* NULL for an unknown choice. */
const struct nl_arc *nl_arc_find(int choice);

/* The blocks of the configured network, in order of stage and index (original_program.md 2.4, or
 * NONLOCAL.blocks). NL_EUSAGE for a place that the arc does not have. */
nl_status nl_arc_places(const struct nl_arc *arc, const struct nl_config *config,
                        struct nl_block_place places[NL_BLOCKS_MAX], int *count) NL_MUST_CHECK;

/* "a", "b", ... or, in res4 of depth 101 after the first, "b1" ... "b22". `out` holds 16 bytes. */
const char *nl_arc_block_letter(const struct nl_arc *arc, int stage, int index, char out[16]);

#endif
