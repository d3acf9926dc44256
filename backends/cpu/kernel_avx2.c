#include "backends/cpu/kernel.h"

#include <immintrin.h>
#include <stddef.h>

/* 6 rows x 2 vectors of sums, 2 vectors of filters and one input leave one register of 16. */
enum { ROWS = 6, LANES = 8, VECTORS = 2 };

#define AVX2   __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) AVX2

/* Which lanes of the panel's vectors are filters. */
struct lanes {
    __m256i of[VECTORS];
};

INLINE struct lanes lanes_of(int64_t columns)
{
    const __m256i count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7),
                  end = _mm256_set1_epi32((int)columns);
    return (struct lanes){
        {_mm256_cmpgt_epi32(end, count),
         _mm256_cmpgt_epi32(end, _mm256_add_epi32(count, _mm256_set1_epi32(LANES)))}};
}

/* Adds products over all depth. `rows` is a constant wherever this is inlined. */
INLINE void multiply(const struct nl_cpu_block *b, int64_t row, const int rows,
                     __m256 sum[ROWS][VECTORS])
{
    const float *base[(ROWS + 2) / 3], *panel = b->panel;
    const int64_t lda = b->lda;
#pragma GCC unroll 2
    for (int i = 0; i < (rows + 2) / 3; i++) base[i] = b->a + (row + 3 * i) * lda;
    for (int64_t d = b->depth; d > 0; d--, panel += VECTORS * LANES) {
        const __m256 left = _mm256_load_ps(panel), right = _mm256_load_ps(panel + LANES);
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            const __m256 a = _mm256_broadcast_ss(base[i / 3] + i % 3 * lda);
            sum[i][0] = _mm256_fmadd_ps(a, left, sum[i][0]);
            sum[i][1] = _mm256_fmadd_ps(a, right, sum[i][1]);
        }
#pragma GCC unroll 2
        for (int i = 0; i < (rows + 2) / 3; i++) base[i]++;
    }
}

/* Rows of y and of the residual are far apart, so that no hardware foresees them: they are asked
 * for before the products that they wait for. */
INLINE void foresee(const struct nl_cpu_block *b, int64_t row, const int rows)
{
    for (int i = 0; i < rows; i++) {
        __builtin_prefetch(b->y + (row + i) * b->ldy, 1);
        if (b->residual) __builtin_prefetch(b->residual + (row + i) * b->ld_residual);
    }
}

INLINE void rows_from(const struct nl_cpu_block *b, struct lanes lanes, int64_t row, const int rows)
{
    const __m256 floor = _mm256_set1_ps(b->relu ? 0.0f : -__builtin_inff());
    __m256 sum[ROWS][VECTORS];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            sum[i][v] = b->sums ? _mm256_maskload_ps(b->sums + (row + i) * b->ld_sums + v * LANES,
                                                     lanes.of[v])
                                : _mm256_setzero_ps();
    foresee(b, row, rows);
    multiply(b, row, rows, sum);
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
        const __m256i lane = lanes.of[v];
        const __m256 bias =
            b->bias ? _mm256_maskload_ps(b->bias + v * LANES, lane) : _mm256_setzero_ps();
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) {
            __m256 y = _mm256_add_ps(sum[i][v], bias);
            if (b->residual)
                y = _mm256_add_ps(
                    y,
                    _mm256_maskload_ps(b->residual + (row + i) * b->ld_residual + v * LANES, lane));
            y = _mm256_max_ps(floor, y); /* the second operand, y, where it is NaN */
            _mm256_maskstore_ps(b->y + (row + i) * b->ldy + v * LANES, lane, y);
        }
    }
}

static AVX2 void run(const struct nl_cpu_block *b)
{
    const struct lanes lanes = lanes_of(b->columns);
    int64_t row = 0;
    for (; b->rows - row >= 6; row += 6) rows_from(b, lanes, row, 6);
    if (b->rows - row >= 3) {
        rows_from(b, lanes, row, 3);
        row += 3;
    }
    for (; row < b->rows; row++) rows_from(b, lanes, row, 1);
}

const struct nl_cpu_kernel *nl_cpu_kernel_avx2(void)
{
    static const struct nl_cpu_kernel kernel = {
        .name = "avx2", .rows = ROWS, .panel = VECTORS * LANES, .run = run};
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &kernel : NULL;
}
