#include "backends/cpu/vector.h"

#include "backends/cpu/processor.h"
#include "backends/cpu/vector_body.h"

static void combine_sse2(float *y, const float *x, const struct nl_cpu_after *after, int64_t n)
{
    combine(y, x, after, n);
}

static void largest_of_sse2(float *y, const float *const *rows, int64_t count, int64_t n)
{
    largest_of(y, rows, count, n);
}

static void mean_of_sse2(float *y, const float *const *rows, int64_t count, float scale, int64_t n)
{
    mean_of(y, rows, count, scale, n);
}

static float largest_sse2(const float *x, int64_t n)
{
    return largest(x, n);
}

static float dot_sse2(const float *a, const float *b, int64_t n)
{
    return dot(a, b, n);
}

static void add_scaled_sse2(float *y, const float *x, float scale, int64_t n)
{
    add_scaled(y, x, scale, n);
}

static void scale_sse2(float *y, const float *x, float scale, int64_t n)
{
    scale_row(y, x, scale, n);
}

static float affinity_sse2(float *y, const float *x, nl_affinity f, float shift, int64_t n)
{
    return affinity(y, x, f, shift, n);
}

static void widen_sse2(float *y, const uint16_t *x, int64_t n)
{
    widen(y, x, n);
}

static void narrow_sse2(uint16_t *y, const float *x, int64_t n)
{
    narrow(y, x, n);
}

static void pair_sse2(uint16_t *y, const uint16_t *a, const uint16_t *b, int64_t n)
{
    pair(y, a, b, n);
}

static void largest_of_half_sse2(uint16_t *y, const uint16_t *const *rows, int64_t count, int64_t n)
{
    largest_of_half(y, rows, count, n);
}

static void turn_sse2(uint32_t *y, int64_t step, const void *x, int64_t ld)
{
    turn(y, step, x, ld);
}

static const struct nl_cpu_vector sse2 = {
    .name = "sse2",
    .combine = combine_sse2,
    .largest_of = largest_of_sse2,
    .largest_of_half = largest_of_half_sse2,
    .mean_of = mean_of_sse2,
    .largest = largest_sse2,
    .dot = dot_sse2,
    .add_scaled = add_scaled_sse2,
    .scale = scale_sse2,
    .widen = widen_sse2,
    .narrow = narrow_sse2,
    .pair = pair_sse2,
    .turn = turn_sse2,
    .affinity = affinity_sse2,
};

#define AVX2 __attribute__((target("avx2,fma")))

static AVX2 void combine_avx2(float *y, const float *x, const struct nl_cpu_after *after, int64_t n)
{
    combine(y, x, after, n);
}

static AVX2 void largest_of_avx2(float *y, const float *const *rows, int64_t count, int64_t n)
{
    largest_of(y, rows, count, n);
}

static AVX2 void mean_of_avx2(float *y, const float *const *rows, int64_t count, float scale,
                              int64_t n)
{
    mean_of(y, rows, count, scale, n);
}

static AVX2 float largest_avx2(const float *x, int64_t n)
{
    return largest(x, n);
}

static AVX2 float dot_avx2(const float *a, const float *b, int64_t n)
{
    return dot(a, b, n);
}

static AVX2 void add_scaled_avx2(float *y, const float *x, float scale, int64_t n)
{
    add_scaled(y, x, scale, n);
}

static AVX2 void scale_avx2(float *y, const float *x, float scale, int64_t n)
{
    scale_row(y, x, scale, n);
}

static AVX2 float affinity_avx2(float *y, const float *x, nl_affinity f, float shift, int64_t n)
{
    return affinity(y, x, f, shift, n);
}

static AVX2 void widen_avx2(float *y, const uint16_t *x, int64_t n)
{
    widen(y, x, n);
}

static AVX2 void narrow_avx2(uint16_t *y, const float *x, int64_t n)
{
    narrow(y, x, n);
}

static AVX2 void pair_avx2(uint16_t *y, const uint16_t *a, const uint16_t *b, int64_t n)
{
    pair(y, a, b, n);
}

static AVX2 void largest_of_half_avx2(uint16_t *y, const uint16_t *const *rows, int64_t count,
                                      int64_t n)
{
    largest_of_half(y, rows, count, n);
}

static AVX2 void turn_avx2(uint32_t *y, int64_t step, const void *x, int64_t ld)
{
    turn(y, step, x, ld);
}

static const struct nl_cpu_vector avx2 = {
    .name = "avx2",
    .combine = combine_avx2,
    .largest_of = largest_of_avx2,
    .largest_of_half = largest_of_half_avx2,
    .mean_of = mean_of_avx2,
    .largest = largest_avx2,
    .dot = dot_avx2,
    .add_scaled = add_scaled_avx2,
    .scale = scale_avx2,
    .widen = widen_avx2,
    .narrow = narrow_avx2,
    .pair = pair_avx2,
    .turn = turn_avx2,
    .affinity = affinity_avx2,
};

#define AVX512 __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma")))

static AVX512 void combine_avx512(float *y, const float *x, const struct nl_cpu_after *after,
                                  int64_t n)
{
    combine(y, x, after, n);
}

static AVX512 void largest_of_avx512(float *y, const float *const *rows, int64_t count, int64_t n)
{
    largest_of(y, rows, count, n);
}

static AVX512 void mean_of_avx512(float *y, const float *const *rows, int64_t count, float scale,
                                  int64_t n)
{
    mean_of(y, rows, count, scale, n);
}

static AVX512 float largest_avx512(const float *x, int64_t n)
{
    return largest(x, n);
}

static AVX512 float dot_avx512(const float *a, const float *b, int64_t n)
{
    return dot(a, b, n);
}

static AVX512 void add_scaled_avx512(float *y, const float *x, float scale, int64_t n)
{
    add_scaled(y, x, scale, n);
}

static AVX512 void scale_avx512(float *y, const float *x, float scale, int64_t n)
{
    scale_row(y, x, scale, n);
}

static AVX512 float affinity_avx512(float *y, const float *x, nl_affinity f, float shift, int64_t n)
{
    return affinity(y, x, f, shift, n);
}

static AVX512 void widen_avx512(float *y, const uint16_t *x, int64_t n)
{
    widen(y, x, n);
}

static AVX512 void narrow_avx512(uint16_t *y, const float *x, int64_t n)
{
    narrow(y, x, n);
}

static AVX512 void pair_avx512(uint16_t *y, const uint16_t *a, const uint16_t *b, int64_t n)
{
    pair(y, a, b, n);
}

static AVX512 void largest_of_half_avx512(uint16_t *y, const uint16_t *const *rows, int64_t count,
                                          int64_t n)
{
    largest_of_half(y, rows, count, n);
}

static AVX512 void turn_avx512(uint32_t *y, int64_t step, const void *x, int64_t ld)
{
    turn(y, step, x, ld);
}

static const struct nl_cpu_vector avx512 = {
    .name = "avx512",
    .combine = combine_avx512,
    .largest_of = largest_of_avx512,
    .largest_of_half = largest_of_half_avx512,
    .mean_of = mean_of_avx512,
    .largest = largest_avx512,
    .dot = dot_avx512,
    .add_scaled = add_scaled_avx512,
    .scale = scale_avx512,
    .widen = widen_avx512,
    .narrow = narrow_avx512,
    .pair = pair_avx512,
    .turn = turn_avx512,
    .affinity = affinity_avx512,
};

/* The instruction sets are asked of the processor, not of the compiler: one build runs anywhere. */
static bool runs(int i)
{
    if (i == 0) return nl_cpu_has_avx512();
    return i != 1 || nl_cpu_has_avx2();
}

const struct nl_cpu_vector *nl_cpu_vector_at(int i)
{
    static const struct nl_cpu_vector *const tables[] = {&avx512, &avx2, &sse2};
    for (int k = 0; k < (int)NL_COUNT(tables); k++)
        if (runs(k) && i-- == 0) return tables[k];
    return NULL;
}

const struct nl_cpu_vector *nl_cpu_vector(void)
{
    return nl_cpu_vector_at(0);
}
