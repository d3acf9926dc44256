/* shape.h - what ops are to the library, and which of its implementations are worth having. */
#ifndef NL_ONEDNN_SHAPE_H
#define NL_ONEDNN_SHAPE_H

#include "backends/onednn/dnnl.h"
#include "src/tensor/backend.h"

/* Input, result and filters of the forward convolution that an op belongs to: conv, conv_dx (of
 * which x is the result) or conv_dw (of which the filters are). */
const nl_tensor *nl_onednn_x(const struct nl_op_desc *desc);
const nl_tensor *nl_onednn_y(const struct nl_op_desc *desc);
const nl_tensor *nl_onednn_w(const struct nl_op_desc *desc);

/* The op as the library sees it; without taps in time, frames are pictures of their own. */
struct nl_dnnl_conv nl_onednn_describe(const struct nl_op_desc *desc);

static inline dnnl_data_type_t nl_onednn_type(nl_type type)
{
    return type == NL_BF16 ? dnnl_bf16 : dnnl_f32;
}

/* True where the library multiplies this type at the processor's full rate: F32, and BF16 with
 * AVX512-BF16 or AMX. */
bool nl_onednn_multiplies(const struct nl_backend *be, nl_type type, nl_reason *why);

/* False where the cpu backend is ahead whatever the shape: in BF16 where it widens that since
 * F32 is faster, in F32 where it has AMX for that. */
bool nl_onednn_pays(const struct nl_backend *be, nl_type type, nl_reason *why);

/* False where the library is not to be trusted: with windows larger than x, or padded by more
 * than half of one, its sums depend on the number of threads, and gradients of filters in BF16
 * are wrong, as they are with taps in time and a stride there (2.6.3). */
bool nl_onednn_is_sound(const struct nl_op_desc *desc, nl_reason *why);

/* True where the library multiplies BF16 by AMX. */
bool nl_onednn_on_amx(const struct nl_backend *be, nl_type type);

/* The library serves every shape, some by plain loops, some by a copy of all windows. Its SSE
 * kernels want rows and biases aligned to 16 bytes, which tensors need not be. */
bool nl_onednn_conv_is_good(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            nl_reason *why);
/* True if dw of both lie alike in the library's layout. */
bool nl_onednn_conv_lies_as(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *one,
                            const struct nl_dnnl_conv *other, nl_reason *why);

bool nl_onednn_product_is_good(const struct nl_dnnl *dnnl, const struct nl_dnnl_product *product,
                               nl_reason *why);

#endif
