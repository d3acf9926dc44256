#include "backends/cpu/kernel.h"

#include <string.h>

/* The kernel for BF16: kernel_avx512.c with two numbers where that has one. A row gives pairs of
 * its depth, a panel has pairs of each filter's, and each product adds both of a pair. */
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,fma,prfchw")))
#include "backends/cpu/kernel_512_row.h"

/* Pairs of 16 filters. */
struct pairs {
    __m512bh left, right;
};

/* One step of depth for row `i`. Rows are reached from every third one, since an address is a base
 * plus 0, 1 or 2 leading dimensions. */
INLINE void add_row(struct sums *sum, const uint16_t *const *base, int64_t lda, int i, int rows,
                    struct pairs filters)
{
    int32_t pair;
    if (i >= rows) return;
    memcpy(&pair, base[i / 3] + i % 3 * lda, sizeof pair);
    const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
    sum[i].left = _mm512_dpbf16_ps(sum[i].left, a, filters.left);
    sum[i].right = _mm512_dpbf16_ps(sum[i].right, a, filters.right);
}

/* Adds products over all depth; `a` goes on by lda a row and by `step` a pair. `rows` is a constant
 * wherever this is inlined, and so is lda or step. */
INLINE void multiply(const struct nl_cpu_block *b, const uint16_t *a, int64_t lda, int64_t step,
                     int rows, struct sums *sum)
{
    const int64_t one[] = {0}, *const runs = b->runs ? b->runs : one;
    const int64_t n_runs = b->runs ? b->n_runs : 1;
    const uint16_t *panel = b->panel;
    for (int64_t run = 0; run < n_runs; run++) {
        const uint16_t *const from = a + runs[run];
        const uint16_t *base[] = {from, from + (rows > 3 ? 3 * lda : 0),
                                  from + (rows > 6 ? 6 * lda : 0), from + (rows > 9 ? 9 * lda : 0),
                                  from + (rows > 12 ? 12 * lda : 0)};
        for (int64_t d = b->depth; d > 0; d -= 2, panel += 2 * panel_width) {
            const struct pairs filters = {(__m512bh)_mm512_load_si512(panel),
                                          (__m512bh)_mm512_load_si512(panel + 2 * lanes)};
            add_row(sum, base, lda, 0, rows, filters);
            add_row(sum, base, lda, 1, rows, filters);
            add_row(sum, base, lda, 2, rows, filters);
            add_row(sum, base, lda, 3, rows, filters);
            add_row(sum, base, lda, 4, rows, filters);
            add_row(sum, base, lda, 5, rows, filters);
            add_row(sum, base, lda, 6, rows, filters);
            add_row(sum, base, lda, 7, rows, filters);
            add_row(sum, base, lda, 8, rows, filters);
            add_row(sum, base, lda, 9, rows, filters);
            add_row(sum, base, lda, 10, rows, filters);
            add_row(sum, base, lda, 11, rows, filters);
            add_row(sum, base, lda, 12, rows, filters);
            add_row(sum, base, lda, 13, rows, filters);
            base[0] += step;
            base[1] += step;
            base[2] += step;
            base[3] += step;
            base[4] += step;
        }
    }
}

INLINE void add_products(const struct nl_cpu_block *b, int64_t row, int rows, struct sums *sum)
{
    if (b->turned)
        multiply(b, (const uint16_t *)b->a + 2 * row, 2, 2 * b->lda, rows, sum);
    else
        multiply(b, (const uint16_t *)b->a + row * b->lda, b->lda, 2, rows, sum);
}

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

#include "backends/cpu/kernel_512_run.h"

const struct nl_cpu_kernel *nl_cpu_kernel_avx512bf16(void)
{
    static const struct nl_cpu_kernel kernel = {
        .name = "avx512bf16", .type = NL_BF16, .step = 2, .rows = ROWS, .panel = 32, .run = run};
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl")
               ? &kernel
               : NULL;
}
