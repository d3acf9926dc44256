/* kernel_512_moments.h - the moments of what a kernel makes. For the kernels alone, which include
 * it behind AVX512, their instruction set.
 */
#ifndef NL_KERNEL_512_MOMENTS_H
#define NL_KERNEL_512_MOMENTS_H

#include "backends/cpu/kernel_512_row.h"

/* Of all rows in double: a few rows' sums are added at a time. */
struct moments {
    struct tally tally;
    double sum[PANEL], square[PANEL];
};

INLINE void add_tally(struct moments *m)
{
    _Alignas(NL_ALIGN) float sum[PANEL], square[PANEL];
    _mm512_store_ps(sum, m->tally.sum.left);
    _mm512_store_ps(sum + lanes, m->tally.sum.right);
    _mm512_store_ps(square, m->tally.square.left);
    _mm512_store_ps(square + lanes, m->tally.square.right);
    for (int c = 0; c < PANEL; c++) m->sum[c] += (double)sum[c];
    for (int c = 0; c < PANEL; c++) m->square[c] += (double)square[c];
}

static AVX512 void give_moments(const struct nl_cpu_block *b, const struct moments *m)
{
    _Alignas(NL_ALIGN) float first[PANEL];
    const double rows = (double)b->rows;
    _mm512_store_ps(first, m->tally.first.left);
    _mm512_store_ps(first + lanes, m->tally.first.right);
    for (int64_t c = 0; c < b->columns; c++) {
        const double off = m->sum[c] / rows;
        b->mean[c] = (double)first[c] + off;
        b->spread[c] = m->square[c] - off * m->sum[c];
    }
}

#endif
