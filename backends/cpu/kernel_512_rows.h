/* kernel_512_rows.h - as many rows as registers hold, their number a constant wherever it matters. For the
 * kernels alone, which include it behind foresee, add_products and finish_row, their own.
 */
#ifndef NL_KERNEL_512_ROWS_H
#define NL_KERNEL_512_ROWS_H

#include "backends/cpu/kernel_512_row.h"

/* 14 rows x 2 vectors of sums, 2 vectors of filters and one input leave one register of 32. */
enum { ROWS = 14 };

INLINE void rows_from(const struct nl_cpu_block *b, struct lanes on, int64_t row, int rows,
                      struct tally *tally)
{
    struct sums sum[ROWS];
    start_row(b, on, row, 0, rows, sum);
    start_row(b, on, row, 1, rows, sum);
    start_row(b, on, row, 2, rows, sum);
    start_row(b, on, row, 3, rows, sum);
    start_row(b, on, row, 4, rows, sum);
    start_row(b, on, row, 5, rows, sum);
    start_row(b, on, row, 6, rows, sum);
    start_row(b, on, row, 7, rows, sum);
    start_row(b, on, row, 8, rows, sum);
    start_row(b, on, row, 9, rows, sum);
    start_row(b, on, row, 10, rows, sum);
    start_row(b, on, row, 11, rows, sum);
    start_row(b, on, row, 12, rows, sum);
    start_row(b, on, row, 13, rows, sum);
    foresee(b, row, rows);
    add_products(b, row, rows, sum);
    const struct after after = after_of(b, on);
    finish_row(b, on, row, 0, rows, sum, &after, tally);
    finish_row(b, on, row, 1, rows, sum, &after, tally);
    finish_row(b, on, row, 2, rows, sum, &after, tally);
    finish_row(b, on, row, 3, rows, sum, &after, tally);
    finish_row(b, on, row, 4, rows, sum, &after, tally);
    finish_row(b, on, row, 5, rows, sum, &after, tally);
    finish_row(b, on, row, 6, rows, sum, &after, tally);
    finish_row(b, on, row, 7, rows, sum, &after, tally);
    finish_row(b, on, row, 8, rows, sum, &after, tally);
    finish_row(b, on, row, 9, rows, sum, &after, tally);
    finish_row(b, on, row, 10, rows, sum, &after, tally);
    finish_row(b, on, row, 11, rows, sum, &after, tally);
    finish_row(b, on, row, 12, rows, sum, &after, tally);
    finish_row(b, on, row, 13, rows, sum, &after, tally);
}

/* The same for each number of rows, a constant in there. */
#define ROWS_FROM(n)                                                                               \
    static AVX512 void rows_##n(const struct nl_cpu_block *b, struct lanes on, int64_t row,        \
                                struct tally *tally)                                               \
    {                                                                                              \
        if (tally)                                                                                 \
            rows_from(b, on, row, n, tally);                                                       \
        else                                                                                       \
            rows_from(b, on, row, n, NULL);                                                        \
    }
ROWS_FROM(1)
ROWS_FROM(2)
ROWS_FROM(3)
ROWS_FROM(4)
ROWS_FROM(5)
ROWS_FROM(6)
ROWS_FROM(7)
ROWS_FROM(8)
ROWS_FROM(9)
ROWS_FROM(10)
ROWS_FROM(11)
ROWS_FROM(12)
ROWS_FROM(13)
ROWS_FROM(14)

typedef void rows_fn(const struct nl_cpu_block *b, struct lanes on, int64_t row,
                     struct tally *tally);
static rows_fn *const by_rows[] = {NULL,    rows_1,  rows_2,  rows_3,  rows_4,
                                   rows_5,  rows_6,  rows_7,  rows_8,  rows_9,
                                   rows_10, rows_11, rows_12, rows_13, rows_14};

/* As many rows as registers hold. Sums of fewer than FEW would wait for one another: they share with
 * those before. */
static int64_t rows_of(int64_t left)
{
    enum { FEW = 4 };
    if (left > ROWS && left < ROWS + FEW) return left / 2;
    return left < ROWS ? left : ROWS;
}

INLINE void some_rows(const struct nl_cpu_block *b, struct lanes on, int64_t row, int64_t rows,
                      struct tally *tally)
{
    by_rows[rows](b, on, row, tally);
}

#endif
