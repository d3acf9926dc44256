#include "backends/cpu/kernel.h"

#include <immintrin.h>
#include <stddef.h>

/* 14 rows x 2 vectors of sums, 2 vectors of filters and one input leave one register of 32. */
enum { ROWS = 14, LANES = 16, VECTORS = 2 };

#define AVX512 __attribute__((target("avx512f,fma,prfchw")))
#define INLINE static inline __attribute__((always_inline)) AVX512

/* Which lanes of the panel's vectors are filters. */
struct lanes {
    __mmask16 of[VECTORS];
};

INLINE struct lanes lanes_of(int64_t columns)
{
    const uint32_t all = columns >= 32 ? 0xffffffffu : (1u << columns) - 1u;
    return (struct lanes){{(__mmask16)(all & 0xffffu), (__mmask16)(all >> 16)}};
}

/* Adds products over all depth. `rows` is a constant wherever this is inlined; rows are reached
 * from every third one, since an address is a base plus 0, 1 or 2 leading dimensions. */
INLINE void multiply(const struct nl_cpu_block *b, int64_t row, const int rows,
                     __m512 sum[ROWS][VECTORS])
{
    const float *base[(ROWS + 2) / 3], *panel = b->panel;
    const int64_t lda = b->lda;
#pragma GCC unroll 5
    for (int i = 0; i < (rows + 2) / 3; i++) base[i] = b->a + (row + 3 * i) * lda;
    for (int64_t d = b->depth; d > 0; d--, panel += VECTORS * LANES) {
        const __m512 left = _mm512_load_ps(panel), right = _mm512_load_ps(panel + LANES);
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            const __m512 a = _mm512_set1_ps(base[i / 3][i % 3 * lda]);
            sum[i][0] = _mm512_fmadd_ps(a, left, sum[i][0]);
            sum[i][1] = _mm512_fmadd_ps(a, right, sum[i][1]);
        }
#pragma GCC unroll 5
        for (int i = 0; i < (rows + 2) / 3; i++) base[i]++;
    }
}

/* Rows of y and of the residual are far apart, so that no hardware foresees them: they are asked
 * for before the products that they wait for. */
INLINE void foresee(const struct nl_cpu_block *b, int64_t row, const int rows)
{
    for (int i = 0; i < rows; i++) {
        const float *y = b->y + (row + i) * b->ldy;
        __builtin_prefetch(y, 1);
        __builtin_prefetch(y + LANES, 1);
        if (!b->residual) continue;
        const float *residual = b->residual + (row + i) * b->ld_residual;
        __builtin_prefetch(residual);
        __builtin_prefetch(residual + LANES);
    }
}

INLINE void rows_from(const struct nl_cpu_block *b, struct lanes lanes, int64_t row, const int rows)
{
    const __m512 floor = _mm512_set1_ps(b->relu ? 0.0f : -__builtin_inff());
    __m512 sum[ROWS][VECTORS];
#pragma GCC unroll 14
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 2
        for (int v = 0; v < VECTORS; v++)
            sum[i][v] = b->sums ? _mm512_maskz_loadu_ps(
                                      lanes.of[v], b->sums + (row + i) * b->ld_sums + v * LANES)
                                : _mm512_setzero_ps();
    foresee(b, row, rows);
    multiply(b, row, rows, sum);
#pragma GCC unroll 2
    for (int v = 0; v < VECTORS; v++) {
        const __mmask16 lane = lanes.of[v];
        const __m512 bias =
            b->bias ? _mm512_maskz_loadu_ps(lane, b->bias + v * LANES) : _mm512_setzero_ps();
#pragma GCC unroll 14
        for (int i = 0; i < rows; i++) {
            __m512 y = _mm512_add_ps(sum[i][v], bias);
            if (b->residual)
                y = _mm512_add_ps(
                    y, _mm512_maskz_loadu_ps(lane,
                                             b->residual + (row + i) * b->ld_residual + v * LANES));
            y = _mm512_max_ps(floor, y); /* the second operand, y, where it is NaN */
            _mm512_mask_storeu_ps(b->y + (row + i) * b->ldy + v * LANES, lane, y);
        }
    }
}

static AVX512 void run(const struct nl_cpu_block *b)
{
    const struct lanes lanes = lanes_of(b->columns);
    int64_t row = 0;
    for (; b->rows - row >= 14; row += 14) rows_from(b, lanes, row, 14);
    if (b->rows - row >= 8) {
        rows_from(b, lanes, row, 8);
        row += 8;
    }
    if (b->rows - row >= 4) {
        rows_from(b, lanes, row, 4);
        row += 4;
    }
    for (; row < b->rows; row++) rows_from(b, lanes, row, 1);
}

const struct nl_cpu_kernel *nl_cpu_kernel_avx512(void)
{
    static const struct nl_cpu_kernel kernel = {
        .name = "avx512", .rows = ROWS, .panel = VECTORS * LANES, .run = run};
    return __builtin_cpu_supports("avx512f") ? &kernel : NULL;
}
