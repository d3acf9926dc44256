#include "backends/cpu/vector_train.h"

#include "backends/cpu/exp.h"
#include "backends/cpu/processor.h"

#include <math.h>

#define BODY static inline __attribute__((always_inline)) void

BODY affine_body(float *y, const float *x, const struct nl_cpu_centred *v, const float *residual,
                 bool relu, int64_t n)
{
    const float *restrict centre = v->centre, *restrict a = v->a, *restrict rest = v->rest;
    const float floor = relu ? 0.0f : -INFINITY;
    if (residual) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            const float value = (x[i] - centre[i]) * a[i] + rest[i] + residual[i];
            y[i] = value < floor ? floor : value;
        }
        return;
    }
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float value = (x[i] - centre[i]) * a[i] + rest[i];
        y[i] = value < floor ? floor : value;
    }
}

BODY bn_dx_body(float *y, const float *dy, const float *x, const float *scale,
                const struct nl_cpu_centred *v, const struct nl_cpu_centred *mask, int64_t n)
{
    const float *restrict centre = v->centre, *restrict a = v->a, *restrict rest = v->rest;
    if (!mask) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++)
            y[i] = dy[i] * scale[i] + ((x[i] - centre[i]) * a[i] + rest[i]);
        return;
    }
    const float *restrict mc = mask->centre, *restrict ma = mask->a, *restrict mr = mask->rest;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float d = (x[i] - mc[i]) * ma[i] + mr[i] > 0 ? dy[i] : 0.0f;
        y[i] = d * scale[i] + ((x[i] - centre[i]) * a[i] + rest[i]);
    }
}

BODY dab_body(float *restrict product, float *restrict sum, const float *x, const float *dy,
              const float *shift, const struct nl_cpu_centred *mask, int64_t n)
{
    if (!mask) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            sum[i] += dy[i];
            product[i] += dy[i] * (x[i] - shift[i]);
        }
        return;
    }
    const float *restrict mc = mask->centre, *restrict ma = mask->a, *restrict mr = mask->rest;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float d = (x[i] - mc[i]) * ma[i] + mr[i] > 0 ? dy[i] : 0.0f;
        sum[i] += d;
        product[i] += d * (x[i] - shift[i]);
    }
}

BODY moments_body(float *restrict sum, float *restrict square, const float *x, const float *shift,
                  int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float off = x[i] - shift[i];
        sum[i] += off;
        square[i] += off * off;
    }
}

BODY score_dx_body(float *restrict s, const float *restrict w, nl_affinity f, float over, float own,
                   float scale, int64_t n)
{
    if (f == NL_F_EXP) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) s[i] = w[i] * (s[i] - own) * scale;
    } else if (f == NL_F_RELU) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) s[i] = w[i] > 0 ? (s[i] - own) * (over * scale) : 0.0f;
    } else {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) s[i] = (s[i] - own) * (over * scale);
    }
}

BODY key_dx_body(float *restrict w, float *restrict s, const struct nl_cpu_key_dx *key, int64_t n)
{
    const float *restrict shift = key->shift, *restrict over = key->over, *restrict own = key->own;
    const float scale = key->scale;
    if (key->f == NL_F_EXP) {
#pragma omp simd
        for (int64_t i = 0; i < n; i++) {
            w[i] = nl_cpu_exp(w[i] * scale - shift[i]) * over[i];
            s[i] = w[i] * (s[i] - own[i]) * scale;
        }
        return;
    }
    const bool relu = key->f == NL_F_RELU;
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        const float score = w[i] * scale - shift[i];
        const bool flat = relu && score <= 0; /* NaN is not */
        w[i] = flat ? 0.0f : score * over[i];
        s[i] = flat ? 0.0f : (s[i] - own[i]) * (over[i] * scale);
    }
}

BODY relu_dx_body(float *dx, const float *dy, const float *y, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) dx[i] = y[i] > 0 ? dy[i] : 0.0f;
}

BODY multiply_body(float *y, const float *a, const float *b, int64_t n)
{
#pragma omp simd
    for (int64_t i = 0; i < n; i++) y[i] = a[i] * b[i];
}

BODY meet_body(float *restrict y, uint8_t *restrict index, const float *restrict x, int place,
               int64_t n)
{
#pragma omp simd
    for (int64_t c = 0; c < n; c++) {
        const bool wins = x[c] > y[c] || x[c] != x[c];
        y[c] = wins ? x[c] : y[c];
        index[c] = wins ? (uint8_t)place : index[c];
    }
}

BODY give_body(float *restrict dx, const float *restrict dy, const uint8_t *restrict index,
               int place, bool first, int64_t n)
{
    if (first) {
#pragma omp simd
        for (int64_t c = 0; c < n; c++) dx[c] = index[c] == place ? dy[c] : 0.0f;
        return;
    }
#pragma omp simd
    for (int64_t c = 0; c < n; c++) dx[c] += index[c] == place ? dy[c] : 0.0f;
}

/* The bodies once more for one instruction set, and their table. */
#define TABLE(set, target)                                                                         \
    static target void affine_##set(float *y, const float *x, const struct nl_cpu_centred *v,      \
                                    const float *residual, bool relu, int64_t n)                   \
    {                                                                                              \
        affine_body(y, x, v, residual, relu, n);                                                   \
    }                                                                                              \
    static target void bn_dx_##set(float *y, const float *dy, const float *x, const float *scale,  \
                                   const struct nl_cpu_centred *v,                                 \
                                   const struct nl_cpu_centred *mask, int64_t n)                   \
    {                                                                                              \
        bn_dx_body(y, dy, x, scale, v, mask, n);                                                   \
    }                                                                                              \
    static target void dab_##set(float *product, float *sum, const float *x, const float *dy,      \
                                 const float *shift, const struct nl_cpu_centred *mask, int64_t n) \
    {                                                                                              \
        dab_body(product, sum, x, dy, shift, mask, n);                                             \
    }                                                                                              \
    static target void moments_##set(float *sum, float *square, const float *x,                    \
                                     const float *shift, int64_t n)                                \
    {                                                                                              \
        moments_body(sum, square, x, shift, n);                                                    \
    }                                                                                              \
    static target void score_dx_##set(float *s, const float *w, nl_affinity f, float over,         \
                                      float own, float scale, int64_t n)                           \
    {                                                                                              \
        score_dx_body(s, w, f, over, own, scale, n);                                               \
    }                                                                                              \
    static target void key_dx_##set(float *w, float *s, const struct nl_cpu_key_dx *key,           \
                                    int64_t n)                                                     \
    {                                                                                              \
        key_dx_body(w, s, key, n);                                                                 \
    }                                                                                              \
    static target void relu_dx_##set(float *dx, const float *dy, const float *y, int64_t n)        \
    {                                                                                              \
        relu_dx_body(dx, dy, y, n);                                                                \
    }                                                                                              \
    static target void multiply_##set(float *y, const float *a, const float *b, int64_t n)         \
    {                                                                                              \
        multiply_body(y, a, b, n);                                                                 \
    }                                                                                              \
    static target void meet_##set(float *y, uint8_t *index, const float *x, int place, int64_t n)  \
    {                                                                                              \
        meet_body(y, index, x, place, n);                                                          \
    }                                                                                              \
    static target void give_##set(float *dx, const float *dy, const uint8_t *index, int place,     \
                                  bool first, int64_t n)                                           \
    {                                                                                              \
        give_body(dx, dy, index, place, first, n);                                                 \
    }                                                                                              \
    static const struct nl_cpu_vector_train table_##set = {.affine = affine_##set,                 \
                                                           .bn_dx = bn_dx_##set,                   \
                                                           .dab = dab_##set,                       \
                                                           .moments = moments_##set,               \
                                                           .score_dx = score_dx_##set,             \
                                                           .key_dx = key_dx_##set,                 \
                                                           .relu_dx = relu_dx_##set,               \
                                                           .multiply = multiply_##set,             \
                                                           .meet = meet_##set,                     \
                                                           .give = give_##set}

TABLE(sse2, );
TABLE(avx2, __attribute__((target("avx2,fma"))));
TABLE(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))));

const struct nl_cpu_vector_train *nl_cpu_vector_train(void)
{
    if (nl_cpu_has_avx512()) return &table_avx512;
    if (nl_cpu_has_avx2()) return &table_avx2;
    return &table_sse2;
}
