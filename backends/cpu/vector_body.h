/* vector_body.h - the loops of vector.h as inline bodies. Each table in vector.c wraps them in
 * functions of its own instruction set, and inlining compiles them anew there. */
#ifndef NL_VECTOR_BODY_H
#define NL_VECTOR_BODY_H

#include "backends/cpu/exp.h"
#include "backends/cpu/vector.h"
#include "src/tensor/half.h"

#include <math.h>
#include <string.h>

#define NL_BODY static inline __attribute__((always_inline))

NL_BODY float act(float value, float floor)
{
    return value < floor ? floor : value; /* NaN stays NaN */
}

NL_BODY void combine(float *y, const float *x, const struct nl_cpu_after *after, int64_t n)
{
    const float *scale = after->scale, *bias = after->bias, *residual = after->residual;
    const float floor = after->relu ? 0.0f : -INFINITY;
    if (scale && !bias && residual) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i] * scale[i] + residual[i], floor);
    } else if (scale && !bias) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i] * scale[i], floor);
    } else if (scale && residual) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i] * scale[i] + bias[i] + residual[i], floor);
    } else if (scale) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i] * scale[i] + bias[i], floor);
    } else if (bias && residual) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i] + bias[i] + residual[i], floor);
    } else if (bias || residual) {
        const float *other = bias ? bias : residual;
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i] + other[i], floor);
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] = act(x[i], floor);
    }
}

NL_BODY float larger(float a, float b)
{
    return b > a || b != b ? b : a;
}

/* Four rows at a time, so that y goes to memory rarely. */
NL_BODY void largest_of(float *y, const float *const *rows, int64_t count, int64_t n)
{
    const float *first = rows[0];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = first[i];
    for (int64_t k = 1; k < count; k += 4) {
        const float *a = rows[k], *b = rows[k + 1 < count ? k + 1 : k];
        const float *c = rows[k + 2 < count ? k + 2 : k], *d = rows[k + 3 < count ? k + 3 : k];
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = larger(larger(larger(larger(y[i], a[i]), b[i]), c[i]), d[i]);
    }
}

/* BF16 as an integer of the same order, NaN above all, and back. */
NL_BODY int16_t rank_of(uint16_t half)
{
    const uint16_t rank = half & 0x8000 ? half ^ 0x7fff : half;
    return (int16_t)((half & 0x7fff) > 0x7f80 ? 0x7fff : rank);
}

NL_BODY uint16_t half_of(int16_t rank)
{
    return (uint16_t)(rank < 0 ? rank ^ 0x7fff : rank);
}

NL_BODY int16_t higher(int16_t a, int16_t b)
{
    return (int16_t)(a > b ? a : b);
}

/* Three rows at a time beside y, which holds BF16 between. */
NL_BODY void largest_of_half(uint16_t *y, const uint16_t *const *rows, int64_t count, int64_t n)
{
    const uint16_t *first = rows[0];
    for (int64_t k = 1; k < count || k == 1; k += 3, first = y) {
        const uint16_t *a = rows[k < count ? k : 0], *b = rows[k + 1 < count ? k + 1 : 0],
                       *c = rows[k + 2 < count ? k + 2 : 0];
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = half_of(higher(higher(rank_of(first[i]), rank_of(a[i])),
                                  higher(rank_of(b[i]), rank_of(c[i]))));
    }
}

NL_BODY void mean_of(float *y, const float *const *rows, int64_t count, float scale, int64_t n)
{
    const float *first = rows[0];
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = first[i];
    for (int64_t k = 1; k < count; k++) {
        const float *row = rows[k];
#pragma omp simd
        for (int64_t i = 0; i < n; i++) y[i] += row[i];
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] *= scale;
}

NL_BODY float largest(const float *x, int64_t n)
{
    float top = -INFINITY;
#pragma omp simd reduction(max : top)
    for (int64_t i = 0; i < n; i++) top = x[i] > top ? x[i] : top;
    return top;
}

NL_BODY float dot(const float *a, const float *b, int64_t n)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

NL_BODY void add_scaled(float *y, const float *x, float scale, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] += x[i] * scale;
}

NL_BODY void scale_row(float *y, const float *x, float scale, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale;
}

NL_BODY void widen(float *restrict y, const uint16_t *restrict x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = nl_bf16_to_float(x[i]);
}

NL_BODY void narrow(uint16_t *restrict y, const float *restrict x, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = nl_float_to_bf16(x[i]);
}

NL_BODY void pair(uint16_t *restrict y, const uint16_t *restrict a, const uint16_t *restrict b,
                  int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        y[2 * i] = a[i];
        y[2 * i + 1] = b[i];
    }
}

/* Sixteen numbers; split into what the instruction set has. */
typedef uint32_t nl_sixteen __attribute__((vector_size(16 * sizeof(uint32_t))));

/* Numbers of lanes for __builtin_shufflevector, which wants constants: those of the second vector are 16
 * and up. */
#define NL_LOW(i, apart)  ((i) & (apart) ? 16 + ((i) ^ (apart)) : (i))
#define NL_HIGH(i, apart) ((i) & (apart) ? 16 + (i) : (i) | (apart))
#define NL_LANES(of, k)                                                                            \
    of(0, k), of(1, k), of(2, k), of(3, k), of(4, k), of(5, k), of(6, k), of(7, k), of(8, k),      \
        of(9, k), of(10, k), of(11, k), of(12, k), of(13, k), of(14, k), of(15, k)

/* Rows `k` from each other trade the halves of their 2 x 2 squares of `k` by `k`. */
#define NL_TRADE(row, k)                                                                           \
    for (int i = 0; i < 16; i++) {                                                                 \
        if (i & (k)) continue;                                                                     \
        const nl_sixteen a = (row)[i], b = (row)[i + (k)];                                         \
        (row)[i] = __builtin_shufflevector(a, b, NL_LANES(NL_LOW, k));                             \
        (row)[i + (k)] = __builtin_shufflevector(a, b, NL_LANES(NL_HIGH, k));                      \
    }

NL_BODY void turn(uint32_t *y, int64_t step, const void *x, int64_t ld)
{
    nl_sixteen row[16];
    for (int i = 0; i < 16; i++) memcpy(&row[i], (const char *)x + i * ld, sizeof row[i]);
    NL_TRADE(row, 1)
    NL_TRADE(row, 2)
    NL_TRADE(row, 4)
    NL_TRADE(row, 8)
    for (int i = 0; i < 16; i++) memcpy(y + i * step, &row[i], sizeof row[i]);
}

NL_BODY float affinity(float *y, const float *x, nl_affinity f, float shift, int64_t n)
{
    const float floor = f == NL_F_RELU ? 0.0f : -INFINITY;
    float sum = 0;
    if (f == NL_F_EXP) {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) {
            y[i] = nl_cpu_exp(x[i] - shift);
            sum += y[i];
        }
    } else {
#pragma omp simd reduction(+ : sum)
        for (int64_t i = 0; i < n; i++) {
            y[i] = act(x[i] - shift, floor);
            sum += y[i];
        }
    }
    return sum;
}

#undef NL_BODY

#endif
