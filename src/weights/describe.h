/* describe.h - the network that a file's names and shapes tell. */
#ifndef NL_DESCRIBE_H
#define NL_DESCRIBE_H

#include "src/core/config.h"
#include "src/weights/state.h"

/* A non-local block: nonlocal_conv`stage`_`index`. */
struct nl_network_block {
    int stage, index;
    int64_t channels, inner; /* of the residual block; of theta, phi, g. 0: not told */
    bool theta, phi;         /* a Gaussian block has neither */
    bool w_f; /* a concatenation block has it; dot_product and embedded_gaussian look alike */
    bool bias, bn, affine;
};

struct nl_network {
    int arc;               /* video_arc_choice 1 to 4; 0: fits none */
    int64_t width;         /* channels of conv1; 0: not told */
    int64_t classes;       /* of pred_b or pred_w; 0: not told */
    int conv1_frames;      /* temporal kernel of conv1; 0: not told */
    int stages[NL_STAGES]; /* residual blocks found in res2..res5 */
    bool affine;           /* scale and offset without statistics (MODEL.use_affine) */
    int n_blocks;
    struct nl_network_block blocks[NL_BLOCKS_MAX]; /* by stage, then index */
};

/* A nameless state gives all zeros. */
void nl_network_describe(const struct nl_state *state, struct nl_network *network);

/* "C2D-ResNet50 (video_arc_choice 1), width 64, 400 classes, non-local blocks res3: 1, 3; res4: 1,
 * 3, 5", or what is known where no arc fits. Returns out. */
char *nl_network_text(const struct nl_network *network, char *out, size_t size);

/* "C2D-ResNet50" for video_arc_choice 1; NULL unless 1 to 4. */
const char *nl_network_arc_name(int arc);

#endif
