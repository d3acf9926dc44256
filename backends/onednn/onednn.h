/* onednn.h - convolutions by the oneDNN library, forward and backward data; cpu serves the rest.
 *
 * F32 on host memory, dense tensors. A backend opened here has a struct nl_dnnl as its state.
 * Sums do not depend on the number of threads: the library's kernels for these two cut the output
 * among threads, never a sum. Its gradient of filters does cut sums, and is left alone.
 */
#ifndef NL_ONEDNN_H
#define NL_ONEDNN_H

#include "src/tensor/backend.h"

/* Serves conv and conv_dx. */
extern const struct nl_impl nl_onednn_conv;

#endif
