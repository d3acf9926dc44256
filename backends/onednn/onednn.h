/* onednn.h - convolutions and products by the oneDNN library; cpu serves the rest.
 *
 * F32 and BF16 on host memory, dense tensors (products: any strides). A backend opened here has a
 * struct nl_dnnl as its state. Each op has an implementation with a rule of where it is faster than
 * the cpu backend's (BF16 on AMX: always), and one on request without that rule.
 *
 * Sums do not depend on the number of threads. The library's kernels for conv and conv_dx cut the
 * output among threads, never a sum. Those for products may cut sums, so these are cut into tiles by
 * shape, and each tile is a call of one thread. Its gradient of filters is left alone.
 */
#ifndef NL_ONEDNN_H
#define NL_ONEDNN_H

#include "src/tensor/backend.h"

/* Serve conv and conv_dx. */
extern const struct nl_impl nl_onednn_conv, nl_onednn_conv_on_request;

extern const struct nl_impl nl_onednn_product, nl_onednn_product_on_request;

#endif
