/* kernel_512_run.h - any number of rows and panels. For the kernels alone, which include it behind
 * rows_of and some_rows, their own.
 */
#ifndef NL_KERNEL_512_RUN_H
#define NL_KERNEL_512_RUN_H

#include "backends/cpu/kernel_512_moments.h"

/* Some rows of one panel; `moments` NULL where none are asked for. */
INLINE void add_rows(const struct nl_cpu_block *b, struct lanes on, int64_t row, int64_t rows,
                     struct moments *m)
{
    const struct sums none = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (m) m->tally.sum = m->tally.square = none;
    some_rows(b, on, row, rows, m ? &m->tally : NULL);
    if (m) add_tally(m);
}

INLINE void all_rows(const struct nl_cpu_block *b, struct moments *m)
{
    const struct lanes on = lanes_of(b->columns);
    for (int64_t row = 0, rows; row < b->rows; row += rows) {
        rows = rows_of(b->rows - row);
        add_rows(b, on, row, rows, m);
    }
}

static AVX512 void run_with_moments(const struct nl_cpu_block *b)
{
    struct moments m = {.sum = {0}};
    all_rows(b, &m);
    give_moments(b, &m);
}

/* A panel stays in the nearest cache while all rows go by. */
INLINE void run_panels(const struct nl_cpu_block *b, int64_t size)
{
    for (int64_t c = 0; c < b->columns; c += PANEL) {
        const struct nl_cpu_block panel = nl_cpu_block_panel(b, c, PANEL, size);
        if (b->mean)
            run_with_moments(&panel);
        else
            all_rows(&panel, NULL);
    }
}

#endif
