/* npy.h - NumPy's .npy files, versions 1 to 3: float32, float64, int64 and uint8 in C order. */
#ifndef NL_NPY_H
#define NL_NPY_H

#include "src/core/file.h"
#include "src/tensor/tensor.h"

enum { NL_NPY_RANK = 8 };

struct nl_npy {
    nl_type type; /* NL_F32, NL_F64, NL_I64 or NL_U8 */
    int rank;
    int64_t dim[NL_NPY_RANK];
    int64_t count;    /* elements */
    const void *data; /* in the mapped file, 16-byte aligned */
    struct nl_file_map map;
    void *owned; /* data, where the file's alignment is odd */
};

/* NL_EIO with the path: no .npy file, another type, Fortran order, big endian, truncated or with
 * bytes left over. `*npy` is for nl_npy_clear after success and empty after failure. */
nl_status nl_npy_read(const char *path, struct nl_npy *npy) NL_MUST_CHECK;
void nl_npy_clear(struct nl_npy *npy);

/* Writes version 1.0, whole or not at all (nl_file_write). NL_EIO, NL_EINVAL for another type. */
nl_status nl_npy_write(const char *path, nl_type type, int rank, const int64_t *dim,
                       const void *data) NL_MUST_CHECK;

#endif
