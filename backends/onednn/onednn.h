/* onednn.h - convolutions, their gradients and products by the oneDNN library; cpu serves the rest.
 *
 * F32 and BF16 on host memory, dense tensors (products: any strides). A backend opened here has a
 * struct nl_dnnl as its state. Each op has an implementation with a rule of where it is faster than
 * the cpu backend's (BF16 on AMX: always), and one on request without that rule.
 *
 * Sums do not depend on the number of threads. The library's kernels for conv and conv_dx cut the
 * output among threads, never a sum. Those for conv_dw and products may cut sums, so these are cut
 * into tiles by shape, and each tile is a call of one thread.
 */
#ifndef NL_ONEDNN_H
#define NL_ONEDNN_H

#include "src/tensor/backend.h"

/* Serve conv and conv_dx. */
extern const struct nl_impl nl_onednn_conv, nl_onednn_conv_on_amx, nl_onednn_conv_on_request;

/* Serve conv_dw: of one tap without stride as a product, of any kernel by the library's own. */
extern const struct nl_impl nl_onednn_conv_dw_product, nl_onednn_conv_dw_product_on_request,
    nl_onednn_conv_dw, nl_onednn_conv_dw_on_amx, nl_onednn_conv_dw_on_request;

extern const struct nl_impl nl_onednn_product, nl_onednn_product_on_request;

#endif
