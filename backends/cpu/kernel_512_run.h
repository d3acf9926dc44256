/* kernel_512_run.h - any number of rows, and the moments of what they make. For the kernels alone, which
 * include it behind rows_of and some_rows, their own.
 */
#ifndef NL_KERNEL_512_RUN_H
#define NL_KERNEL_512_RUN_H

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

INLINE void all_rows(const struct nl_cpu_block *b, struct moments *m)
{
    const struct lanes on = lanes_of(b->columns);
    const struct sums none = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t row = 0, rows; row < b->rows; row += rows) {
        rows = rows_of(b->rows - row);
        if (m) m->tally.sum = m->tally.square = none;
        some_rows(b, on, row, rows, m ? &m->tally : NULL);
        if (m) add_tally(m);
    }
}

static AVX512 void run_with_moments(const struct nl_cpu_block *b)
{
    struct moments m = {.sum = {0}};
    _Alignas(NL_ALIGN) float first[PANEL];
    const double rows = (double)b->rows;
    all_rows(b, &m);
    _mm512_store_ps(first, m.tally.first.left);
    _mm512_store_ps(first + lanes, m.tally.first.right);
    for (int64_t c = 0; c < b->columns; c++) {
        const double off = m.sum[c] / rows;
        b->mean[c] = (double)first[c] + off;
        b->spread[c] = m.square[c] - off * m.sum[c];
    }
}

static AVX512 void run(const struct nl_cpu_block *b)
{
    if (b->mean)
        run_with_moments(b);
    else
        all_rows(b, NULL);
}

#endif
