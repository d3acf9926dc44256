/* dnnl.h - the part of oneDNN's C interface that this backend uses, alike in versions 2 and 3.
 *
 * What differs between them is in dnnl_2.c and dnnl_3.c, one of which configure chooses. Layouts of
 * activations are channels-last and dense; layouts of filters and their gradients are the library's
 * own choice.
 * Every function that asks or calls the library does so with as many OpenMP threads as told, and
 * leaves the caller's setting as it was: primitives are made for a number of threads.
 */
#ifndef NL_ONEDNN_DNNL_H
#define NL_ONEDNN_DNNL_H

#include "src/core/status.h"

#include <oneapi/dnnl/dnnl.h>
#include <stdbool.h>
#include <stddef.h>

/* State of an open backend. */
struct nl_dnnl {
    dnnl_engine_t engine;
    int threads;
    bool bf16, amx; /* the library multiplies BF16 by AVX512-BF16 or AMX, by AMX */
    /* than cpu, which multiplies F32 by AMX, and BF16 by AMX or widened, the library without AMX */
    bool slow_f32, slow_bf16;
};

/* What becomes of a convolution: its result, the gradient of its input, that of its filters. */
enum nl_dnnl_way { NL_DNNL_Y, NL_DNNL_DX, NL_DNNL_DW };

/* A convolution as the library sees it: axes n, c, [t], h, w; filters k, c, [t], h, w. */
struct nl_dnnl_conv {
    enum nl_dnnl_way way;
    int rank;              /* 4, or 5 with t */
    dnnl_data_type_t type; /* of x, y and filters; dw and bias are F32 */
    dnnl_dims_t x, w, y, bias;
    dnnl_dims_t stride, pad; /* of [t], h, w */
    bool has_bias;           /* of y */
    bool residual;           /* of y: NL_DNNL_RESIDUAL, like y, is added before ReLU */
    bool relu;               /* of y: values below zero are multiplied by `slope` */
    float slope;
};

enum { NL_DNNL_RESIDUAL = DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1 };

/* The library's description of the convolution; NL_ENOSUP where it has none. */
nl_status nl_dnnl_conv_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            dnnl_primitive_desc_t *out) NL_MUST_CHECK;

/* What lays plain F32 filters [k,(t,)h,w,c] out as `desc`, made of `conv`, wants them. */
nl_status nl_dnnl_pack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            const_dnnl_primitive_desc_t desc,
                            dnnl_primitive_desc_t *out) NL_MUST_CHECK;

/* What brings dw as `desc`, made of `conv`, leaves it to plain [k,(t,)h,w,c]; `add`: adds it. */
nl_status nl_dnnl_unpack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                              const_dnnl_primitive_desc_t desc, bool add,
                              dnnl_primitive_desc_t *out) NL_MUST_CHECK;

/* c[m,n] = scale * a[m,k] b[k,n], or with `add` c += a b; any strides. */
struct nl_dnnl_product {
    dnnl_data_type_t type, sums; /* of a and b, of c */
    dnnl_dims_t a, b, c;         /* extents */
    dnnl_dims_t a_stride, b_stride, c_stride;
    float scale; /* 1 with `add` */
    bool add;
};

nl_status nl_dnnl_product_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_product *product,
                               dnnl_primitive_desc_t *out) NL_MUST_CHECK;

/* Bytes of an argument, a DNNL_ARG_...; 0 where there is none. */
size_t nl_dnnl_bytes(const_dnnl_primitive_desc_t desc, int arg);

/* True if an argument of both has the same extents, type and layout. */
bool nl_dnnl_same_layout(const_dnnl_primitive_desc_t one, const_dnnl_primitive_desc_t other,
                         int arg);

/* The name of the implementation behind a description. Owned by the library. */
const char *nl_dnnl_name(const_dnnl_primitive_desc_t desc);

enum { NL_DNNL_ARGS = 6 };

/* A primitive and its arguments, which point at no data before nl_dnnl_call_set. Calls share
 * nothing that changes: several may run at once. */
struct nl_dnnl_call {
    dnnl_primitive_t primitive;
    dnnl_stream_t stream;
    int threads;
    int n;
    dnnl_exec_arg_t arg[NL_DNNL_ARGS];
};

/* `args`: at most NL_DNNL_ARGS numbers, DNNL_ARG_..., 0 at the end. nl_dnnl_call_clear undoes it,
 * also after a failure; a zeroed call is clear. */
nl_status nl_dnnl_call_init(const struct nl_dnnl *dnnl, const_dnnl_primitive_desc_t desc,
                            const int *args, struct nl_dnnl_call *call) NL_MUST_CHECK;
void nl_dnnl_call_clear(struct nl_dnnl_call *call);

/* Points an argument, which the call must have, at data; the call only writes its results. */
nl_status nl_dnnl_call_set(const struct nl_dnnl_call *call, int arg,
                           const void *data) NL_MUST_CHECK;

/* Returns when the results are there. */
nl_status nl_dnnl_call_run(const struct nl_dnnl_call *call) NL_MUST_CHECK;

/* Translates a status of the library; `what` was being done. */
nl_status nl_dnnl_status(dnnl_status_t status, const char *what) NL_MUST_CHECK;

/* Sets the number of OpenMP threads of the calling thread's next regions; returns the last one. */
int nl_dnnl_set_threads(int threads);

#endif
