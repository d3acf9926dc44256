/* vector_train.h - loops over rows of channels that only training needs, compiled for several
 * instruction sets, as vector.h.
 *
 * An affine of large activations is centred: x * a + b is computed as (x - centre) * a + rest with
 * centre = -b / a rounded, so that what is lost to rounding is lost on small numbers.
 */
#ifndef NL_VECTOR_TRAIN_H
#define NL_VECTOR_TRAIN_H

#include "src/tensor/ops.h"

struct nl_cpu_centred {
    const float *centre, *a, *rest; /* per channel */
};

/* What a score's gradient takes from its query, an element for each; see key_dx. */
struct nl_cpu_key_dx {
    const float *shift, *over, *own;
    nl_affinity f;
    float scale;
};

struct nl_cpu_vector_train {
    /* y = act((x - centre) * a + rest [+ residual]); y may be x or residual. */
    void (*affine)(float *y, const float *x, const struct nl_cpu_centred *v, const float *residual,
                   bool relu, int64_t n);

    /* y = dy * scale + affine(x, v), dy counting only where affine(x, mask) > 0; mask NULL:
     * everywhere. y may be dy. */
    void (*bn_dx)(float *y, const float *dy, const float *x, const float *scale,
                  const struct nl_cpu_centred *v, const struct nl_cpu_centred *mask, int64_t n);

    /* sum += d, product += d * (x - shift), d = dy where the mask lets it through. */
    void (*dab)(float *product, float *sum, const float *x, const float *dy, const float *shift,
                const struct nl_cpu_centred *mask, int64_t n);

    /* sum += x - shift, square += (x - shift)^2 */
    void (*moments)(float *sum, float *square, const float *x, const float *shift, int64_t n);

    /* s = slope of f where it gave `w` (already over C) * (s - own) * scale */
    void (*score_dx)(float *s, const float *w, nl_affinity f, float over, float own, float scale,
                     int64_t n);

    /* One key: w, its products with queries, becomes f(w * scale - shift) * over, and s, products
     * of its value with dy, slope of f * over * (s - own) * scale. */
    void (*key_dx)(float *w, float *s, const struct nl_cpu_key_dx *key, int64_t n);

    void (*relu_dx)(float *dx, const float *dy, const float *y, int64_t n);
    void (*multiply)(float *y, const float *a, const float *b, int64_t n);

    /* y = x, index = place where x is larger or NaN. */
    void (*meet)(float *y, uint8_t *index, const float *x, int place, int64_t n);

    /* dx = [dx +] dy where index is place, [dx +] 0 elsewhere; `first` leaves dx out. */
    void (*give)(float *dx, const float *dy, const uint8_t *index, int place, bool first,
                 int64_t n);
};

const struct nl_cpu_vector_train *nl_cpu_vector_train(void);

#endif
