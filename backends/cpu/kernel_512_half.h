/* kernel_512_half.h - what comes after a row's sums where y and the residual may be BF16. For the kernels
 * alone, which include it behind AVX512, their instruction set.
 */
#ifndef NL_KERNEL_512_HALF_H
#define NL_KERNEL_512_HALF_H

#include "backends/cpu/kernel_512_row.h"

/* Element `at` of memory whose numbers have 2 or 4 bytes. */
INLINE const char *element(const void *memory, int64_t at, bool half)
{
    return (const char *)memory + (half ? at * 2 : at * 4);
}

/* Rows of y and of the residual are far apart, so that no hardware foresees them: they are asked
 * for before the products that they wait for. */
INLINE void foresee(const struct nl_cpu_block *b, int64_t row, int rows)
{
    const int64_t second = lanes * (b->half ? 2 : 4);
    for (int i = 0; i < rows; i++) {
        const char *y = element(b->y, (row + i) * b->ldy, b->half);
        if (!b->stream) __builtin_prefetch(y, 1);
        if (!b->stream) __builtin_prefetch(y + second, 1);
        if (!b->residual) continue;
        const char *residual = element(b->residual, (row + i) * b->ld_residual, b->half);
        __builtin_prefetch(residual);
        __builtin_prefetch(residual + second);
    }
}

INLINE __m512 widened(__m256i half)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* The row of the residual that goes to row `row` of y. */
INLINE struct sums residual_of(const struct nl_cpu_block *b, struct lanes on, int64_t row)
{
    if (b->half) {
        const uint16_t *from = (const uint16_t *)b->residual + row * b->ld_residual;
        return (struct sums){widened(_mm256_maskz_loadu_epi16(on.left, from)),
                             widened(_mm256_maskz_loadu_epi16(on.right, from + lanes))};
    }
    const float *from = (const float *)b->residual + row * b->ld_residual;
    return (struct sums){_mm512_maskz_loadu_ps(on.left, from),
                         _mm512_maskz_loadu_ps(on.right, from + lanes)};
}

INLINE void store(const struct nl_cpu_block *b, struct lanes on, int64_t row, struct sums s)
{
    if (b->half) {
        uint16_t *const y = (uint16_t *)b->y + row * b->ldy;
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(s.right, s.left);
        if (b->stream)
            _mm512_stream_si512((__m512i *)(void *)y, both);
        else
            _mm512_mask_storeu_epi16(y, _mm512_kunpackw(on.right, on.left), both);
        return;
    }
    float *const y = (float *)b->y + row * b->ldy;
    if (b->stream) {
        _mm512_stream_ps(y, s.left);
        _mm512_stream_ps(y + lanes, s.right);
        return;
    }
    _mm512_mask_storeu_ps(y, on.left, s.left);
    _mm512_mask_storeu_ps(y + lanes, on.right, s.right);
}

/* As y has it. */
INLINE struct sums rounded(const struct nl_cpu_block *b, struct sums s)
{
    if (!b->half) return s;
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(s.right, s.left);
    return (struct sums){widened(_mm512_castsi512_si256(both)),
                         widened(_mm512_extracti64x4_epi64(both, 1))};
}

INLINE void finish_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                       const struct sums *sum, const struct after *after, struct tally *tally)
{
    if (i >= rows) return;
    struct sums s = {_mm512_add_ps(sum[i].left, after->bias.left),
                     _mm512_add_ps(sum[i].right, after->bias.right)};
    if (b->residual) {
        const struct sums residual = residual_of(b, on, row + i);
        s.left = _mm512_add_ps(s.left, residual.left);
        s.right = _mm512_add_ps(s.right, residual.right);
    }
    /* the largest of two is the second where that is NaN */
    s.left = _mm512_max_ps(after->floor, s.left);
    s.right = _mm512_max_ps(after->floor, s.right);
    if (tally) count_row(rounded(b, s), row + i == 0, tally);
    store(b, on, row + i, s);
}

#endif
