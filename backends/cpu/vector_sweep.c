#include "backends/cpu/vector_sweep.h"

#include "backends/cpu/processor.h"

#define BODY static inline __attribute__((always_inline))

BODY void add_body(double *plain, double *weighted, const float *row, double score, int64_t n)
{
#pragma omp simd
    for (int64_t c = 0; c < n; c++) {
        plain[c] += (double)row[c];
        weighted[c] += score * (double)row[c];
    }
}

BODY void take_body(float *restrict y, const double *plain, const double *weighted, double score,
                    double scale, int64_t n)
{
#pragma omp simd
    for (int64_t c = 0; c < n; c++) y[c] = (float)((score * plain[c] + weighted[c]) * scale);
}

BODY double dot_body(const double *plain, const float *row, int64_t n)
{
    double sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n; c++) sum += (double)row[c] * plain[c];
    return sum;
}

#define TABLE(set, target)                                                                         \
    static target void add_##set(double *plain, double *weighted, const float *row, double score,  \
                                 int64_t n)                                                        \
    {                                                                                              \
        add_body(plain, weighted, row, score, n);                                                  \
    }                                                                                              \
    static target void take_##set(float *y, const double *plain, const double *weighted,           \
                                  double score, double scale, int64_t n)                           \
    {                                                                                              \
        take_body(y, plain, weighted, score, scale, n);                                            \
    }                                                                                              \
    static target double dot_##set(const double *plain, const float *row, int64_t n)               \
    {                                                                                              \
        return dot_body(plain, row, n);                                                            \
    }                                                                                              \
    static const struct nl_cpu_vector_sweep table_##set = {                                        \
        .add = add_##set, .take = take_##set, .dot = dot_##set}

TABLE(sse2, );
TABLE(avx2, __attribute__((target("avx2,fma"))));
TABLE(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))));

const struct nl_cpu_vector_sweep *nl_cpu_vector_sweep(void)
{
    if (nl_cpu_has_avx512()) return &table_avx512;
    if (nl_cpu_has_avx2()) return &table_avx2;
    return &table_sse2;
}
