#include "backends/cpu/vector.h"

#include "backends/cpu/processor.h"
#include "backends/cpu/vector_body.h"

#define TABLE(set, target)                                                                         \
    static target void combine_##set(float *y, const float *x, const struct nl_cpu_after *after,   \
                                     int64_t n)                                                    \
    {                                                                                              \
        combine(y, x, after, n);                                                                   \
    }                                                                                              \
    static target void largest_of_##set(float *y, const float *const *rows, int64_t count,         \
                                        int64_t n)                                                 \
    {                                                                                              \
        largest_of(y, rows, count, n);                                                             \
    }                                                                                              \
    static target void mean_of_##set(float *y, const float *const *rows, int64_t count,            \
                                     float scale, int64_t n)                                       \
    {                                                                                              \
        mean_of(y, rows, count, scale, n);                                                         \
    }                                                                                              \
    static target float largest_##set(const float *x, int64_t n)                                   \
    {                                                                                              \
        return largest(x, n);                                                                      \
    }                                                                                              \
    static target float dot_##set(const float *a, const float *b, int64_t n)                       \
    {                                                                                              \
        return dot(a, b, n);                                                                       \
    }                                                                                              \
    static target void add_scaled_##set(float *y, const float *x, float scale, int64_t n)          \
    {                                                                                              \
        add_scaled(y, x, scale, n);                                                                \
    }                                                                                              \
    static target void scale_##set(float *y, const float *x, float scale, int64_t n)               \
    {                                                                                              \
        scale_row(y, x, scale, n);                                                                 \
    }                                                                                              \
    static target float affinity_##set(float *y, const float *x, nl_affinity f, float shift,       \
                                       int64_t n)                                                  \
    {                                                                                              \
        return affinity(y, x, f, shift, n);                                                        \
    }                                                                                              \
    static target void widen_##set(float *y, const uint16_t *x, int64_t n)                         \
    {                                                                                              \
        widen(y, x, n);                                                                            \
    }                                                                                              \
    static target void narrow_##set(uint16_t *y, const float *x, int64_t n)                        \
    {                                                                                              \
        narrow(y, x, n);                                                                           \
    }                                                                                              \
    static target void pair_##set(uint16_t *y, const uint16_t *a, const uint16_t *b, int64_t n)    \
    {                                                                                              \
        pair(y, a, b, n);                                                                          \
    }                                                                                              \
    static target void largest_of_half_##set(uint16_t *y, const uint16_t *const *rows,             \
                                             int64_t count, int64_t n)                             \
    {                                                                                              \
        largest_of_half(y, rows, count, n);                                                        \
    }                                                                                              \
    static target void turn_##set(uint32_t *y, int64_t step, const void *x, int64_t ld)            \
    {                                                                                              \
        turn(y, step, x, ld);                                                                      \
    }                                                                                              \
    static const struct nl_cpu_vector set = {.name = #set,                                         \
                                             .combine = combine_##set,                             \
                                             .largest_of = largest_of_##set,                       \
                                             .largest_of_half = largest_of_half_##set,             \
                                             .mean_of = mean_of_##set,                             \
                                             .largest = largest_##set,                             \
                                             .dot = dot_##set,                                     \
                                             .add_scaled = add_scaled_##set,                       \
                                             .scale = scale_##set,                                 \
                                             .widen = widen_##set,                                 \
                                             .narrow = narrow_##set,                               \
                                             .pair = pair_##set,                                   \
                                             .turn = turn_##set,                                   \
                                             .affinity = affinity_##set}

TABLE(sse2, );
TABLE(avx2, __attribute__((target("avx2,fma"))));
TABLE(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))));

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
