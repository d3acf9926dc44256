/* vector.h - loops over dense rows of floats, compiled for several instruction sets.
 *
 * nl_cpu_vector gives the table for the processor at hand. Rows need no alignment. Results are
 * the same for any split into rows, but may differ between instruction sets in the last bits.
 */
#ifndef NL_VECTOR_H
#define NL_VECTOR_H

#include "src/tensor/ops.h"

enum { NL_CPU_TURN = 16 };

/* The choices of one call of `affine` or `combine`; absent rows are NULL. */
struct nl_cpu_after {
    const float *scale, *bias, *residual;
    bool relu;
};

struct nl_cpu_vector {
    const char *name; /* "avx512", "avx2", "sse2" */

    /* y = act(x * scale + bias + residual); y may be x or residual. */
    void (*combine)(float *y, const float *x, const struct nl_cpu_after *after, int64_t n);

    /* y = the largest of `count` rows (NaN wins), of BF16 in _half, or their sum times `scale`. */
    void (*largest_of)(float *y, const float *const *rows, int64_t count, int64_t n);
    void (*largest_of_half)(uint16_t *y, const uint16_t *const *rows, int64_t count, int64_t n);
    void (*mean_of)(float *y, const float *const *rows, int64_t count, float scale, int64_t n);

    float (*largest)(const float *x, int64_t n); /* NaN may lose */
    float (*dot)(const float *a, const float *b, int64_t n);
    void (*add_scaled)(float *y, const float *x, float scale, int64_t n); /* y += x * scale */
    void (*scale)(float *y, const float *x, float scale, int64_t n);      /* y = x * scale */

    /* BF16 to F32, and F32 to BF16 rounded to nearest, ties to even. */
    void (*widen)(float *y, const uint16_t *x, int64_t n);
    void (*narrow)(uint16_t *y, const float *x, int64_t n);

    /* y = a[0] b[0] a[1] b[1] ...: two rows of BF16 as pairs. */
    void (*pair)(uint16_t *y, const uint16_t *a, const uint16_t *b, int64_t n);

    /* y[c * step + r] = word c of row r of x, rows `ld` bytes apart: a square of 16 by 16 words of 32
     * bits, turned. */
    void (*turn)(uint32_t *y, int64_t step, const void *x, int64_t ld);

    /* y = f(x - shift); returns the sum of y. y may be x. */
    float (*affinity)(float *y, const float *x, nl_affinity f, float shift, int64_t n);
};

const struct nl_cpu_vector *nl_cpu_vector(void);

/* All tables that this processor runs, best first; NULL past the end. For tests. */
const struct nl_cpu_vector *nl_cpu_vector_at(int i);

#endif
