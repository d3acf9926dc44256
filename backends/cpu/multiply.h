/* multiply.h - one single-threaded matrix product of a tile, by CBLAS. */
#ifndef NL_MULTIPLY_H
#define NL_MULTIPLY_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stdint.h>

/* Row-major [r,c] at data[r * ld + c], or transposed: at data[c * ld + r]. */
struct nl_cpu_matrix {
    const float *data;
    int64_t ld;
    bool transposed;
};

/* Largest extent or leading dimension that a product takes. */
enum { NL_CPU_MULTIPLY_MAX = 0x7fffffff };

/* c[m,n] = alpha * a[m,k] b[k,n] + beta * c. With beta 0 c may hold anything, NaN too. */
void nl_cpu_multiply(int64_t m, int64_t n, int64_t k, float alpha, struct nl_cpu_matrix a,
                     struct nl_cpu_matrix b, float beta, float *c, int64_t ldc);

/* Keeps the library from starting threads of its own: ours call it from theirs. */
void nl_cpu_multiply_alone(void);

/* NULL, or what OPENBLAS_CORETYPE has to be when the program starts so that OpenBLAS uses what the
 * processor has: it took its oldest kernels, since it is older than the processor. */
const char *nl_cpu_multiply_better(void);

#endif
