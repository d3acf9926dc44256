/* dnnl.h - the part of oneDNN's C interface that this backend uses, alike in versions 2 and 3.
 *
 * What differs between them is in dnnl_2.c and dnnl_3.c, one of which configure chooses. Layouts of
 * activations are channels-last and dense; layouts of filters are the library's own choice.
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
    dnnl_stream_t stream;
    int threads;
};

/* A convolution as the library sees it: axes n, c, [t], h, w; filters k, c, [t], h, w. */
struct nl_dnnl_conv {
    bool dx;  /* the gradient of x from that of y, else y */
    int rank; /* 4, or 5 with t */
    dnnl_data_type_t type;
    dnnl_dims_t x, w, y, bias;
    dnnl_dims_t stride, pad; /* of [t], h, w */
    bool has_bias;           /* of y */
    bool relu;               /* of y: values below zero are multiplied by `slope` */
    float slope;
};

/* The library's description of the convolution; NL_ENOSUP where it has none. */
nl_status nl_dnnl_conv_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            dnnl_primitive_desc_t *out) NL_MUST_CHECK;

/* What lays plain filters [k,(t,)h,w,c] out as `desc`, made of `conv`, wants them. */
nl_status nl_dnnl_pack_desc(const struct nl_dnnl *dnnl, const struct nl_dnnl_conv *conv,
                            const_dnnl_primitive_desc_t desc,
                            dnnl_primitive_desc_t *out) NL_MUST_CHECK;

/* Bytes of an argument, a DNNL_ARG_...; 0 where there is none. */
size_t nl_dnnl_bytes(const_dnnl_primitive_desc_t desc, int arg);

/* The name of the implementation behind a description. Owned by the library. */
const char *nl_dnnl_name(const_dnnl_primitive_desc_t desc);

enum { NL_DNNL_ARGS = 5 };

/* A primitive and its arguments, which point at no data before nl_dnnl_call_set. */
struct nl_dnnl_call {
    dnnl_primitive_t primitive;
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
nl_status nl_dnnl_call_run(const struct nl_dnnl *dnnl,
                           const struct nl_dnnl_call *call) NL_MUST_CHECK;

/* Translates a status of the library; `what` was being done. */
nl_status nl_dnnl_status(dnnl_status_t status, const char *what) NL_MUST_CHECK;

/* Sets the number of OpenMP threads of the calling thread's next regions; returns the last one. */
int nl_dnnl_set_threads(int threads);

#endif
