/* raw.h - tensors as files spell them: more types than ours, any order of bytes and axes. */
#ifndef NL_RAW_H
#define NL_RAW_H

#include "src/weights/state.h"

typedef enum {
    NL_RAW_F64,
    NL_RAW_F32,
    NL_RAW_F16,
    NL_RAW_BF16,
    NL_RAW_I64,
    NL_RAW_I32,
    NL_RAW_I16,
    NL_RAW_I8,
    NL_RAW_U32,
    NL_RAW_U16,
    NL_RAW_U8,
    NL_RAW_BOOL,
    NL_RAW_COUNT
} nl_raw_type;

size_t nl_raw_size(nl_raw_type type);      /* bytes of one element */
const char *nl_raw_name(nl_raw_type type); /* safetensors' name, "F32" */

struct nl_raw {
    nl_raw_type type;
    bool big_endian, fortran; /* fortran: the first axis is the fastest */
    int rank;
    int64_t dim[NL_ENTRY_RANK];
    const void *data;
    void *owned; /* data, for nl_free; NULL where it is borrowed */
};

/* Elements and bytes, checked. NL_EIO names `name`. */
nl_status nl_raw_bytes(const struct nl_raw *raw, const char *name, size_t *count,
                       size_t *bytes) NL_MUST_CHECK;

/* Adds it to `state`, copying only what is not little endian, row-major and of a type of ours:
 * smaller integers become I64, BOOL becomes U8. Takes raw->owned over, also on failure. */
nl_status nl_raw_add(struct nl_state *state, const char *name, size_t length,
                     const struct nl_raw *raw) NL_MUST_CHECK;

#endif
