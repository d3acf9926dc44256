#include "backends/cpu/kernel.h"

#include <string.h>

/* The kernel for BF16: kernel_avx512.c with two numbers where that has one. A row gives pairs of
 * its depth, a panel has pairs of each filter's, and each product adds both of a pair. */
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,fma,prfchw")))
#include "backends/cpu/kernel_512_half.h"

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

#include "backends/cpu/kernel_512_rows.h"
#include "backends/cpu/kernel_512_run.h"

static AVX512 void run(const struct nl_cpu_block *b)
{
    run_panels(b, sizeof(uint16_t));
}

const struct nl_cpu_kernel *nl_cpu_kernel_avx512bf16(void)
{
    static const struct nl_cpu_kernel kernel = {.name = "avx512bf16",
                                                .type = NL_BF16,
                                                .step = 2,
                                                .fill = 2,
                                                .takes = 2,
                                                .deep = 2,
                                                .rows = ROWS,
                                                .panel = 32,
                                                .run = run};
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl")
               ? &kernel
               : NULL;
}
