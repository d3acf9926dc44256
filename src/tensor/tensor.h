/* tensor.h - a tensor is a view: type, extents, strides, memory. It owns nothing.
 *
 * Activations are [N,T,H,W,C] and filters [K,kt,kh,kw,C], channels fastest (stride 1). Rows may
 * have a leading dimension, so that slices of channels and foldings of positions need no copy.
 * Strides count elements. A rank of 0 stands for an absent (optional) tensor.
 */
#ifndef NL_TENSOR_H
#define NL_TENSOR_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NL_MAX_RANK = 5 };

typedef enum { NL_F32, NL_F64, NL_BF16, NL_F16, NL_U8, NL_I64 } nl_type;

typedef struct nl_tensor {
    nl_type type;
    int rank;
    int64_t dim[NL_MAX_RANK], stride[NL_MAX_RANK];
    void *data; /* in the memory of the backend at hand; NULL in descriptions */
} nl_tensor;

size_t nl_type_size(nl_type type);      /* bytes of one element */
const char *nl_type_name(nl_type type); /* "f32", ... */

/* What parameters, sums and gradients of parameters have where activations have `type`: F32 for
 * BF16, else the same. */
nl_type nl_type_of_sums(nl_type type);

/* Dense, last axis fastest, no data. */
nl_tensor nl_tensor_dense(nl_type type, int rank, const int64_t *dim);

int64_t nl_tensor_count(const nl_tensor *t); /* elements; 1 for rank 0 */
bool nl_tensor_is_dense(const nl_tensor *t);
bool nl_tensor_same_shape(const nl_tensor *a, const nl_tensor *b); /* ranks and extents */

/* Elements from the first to one past the last that the view touches. */
int64_t nl_tensor_span(const nl_tensor *t);

/* Bytes of the span. NL_ENOMEM if they do not fit size_t or an extent or stride is negative. */
nl_status nl_tensor_bytes(const nl_tensor *t, size_t *out) NL_MUST_CHECK;

/* The view of the same memory with axes in the order given (axis[i] becomes axis i). */
nl_tensor nl_tensor_permute(const nl_tensor *t, const int *axis);

/* Shape as text, "[8,4,28,28,512]". `size` of at least 128 never truncates. Returns `out`. */
char *nl_tensor_text(const nl_tensor *t, char *out, size_t size);

#endif
