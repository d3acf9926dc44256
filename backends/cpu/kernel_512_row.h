/* kernel_512_row.h - one row of sums in two vectors of 512 bits: how it starts, what comes after, what is
 * counted. For the kernels alone, which include it behind AVX512, their instruction set.
 */
#ifndef NL_KERNEL_512_ROW_H
#define NL_KERNEL_512_ROW_H

#include "backends/cpu/kernel.h"

#include <immintrin.h>
#include <stddef.h>

enum { PANEL = 32 };
static const int64_t lanes = 16, panel_width = PANEL;

#define INLINE static inline __attribute__((always_inline)) AVX512

/* Which lanes of the panel's vectors are filters. */
struct lanes {
    __mmask16 left, right;
};

INLINE struct lanes lanes_of(int64_t columns)
{
    const uint32_t all = columns >= panel_width ? 0xffffffffu : (1u << columns) - 1u;
    return (struct lanes){(__mmask16)(all & 0xffffu), (__mmask16)(all >> 16)};
}

/* Sums of one row, in registers: arrays of these are only ever indexed by constants, and loops over
 * rows are written out, since compilers differ in what they unroll. */
struct sums {
    __m512 left, right;
};

INLINE void start_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                      struct sums *sum)
{
    if (i >= rows) return;
    sum[i].left = sum[i].right = _mm512_setzero_ps();
    if (!b->sums) return;
    const float *from = b->sums + (row + i) * b->ld_sums;
    sum[i].left = _mm512_maskz_loadu_ps(on.left, from);
    sum[i].right = _mm512_maskz_loadu_ps(on.right, from + lanes);
}

/* What comes after the sums, the same for every row. */
struct after {
    struct sums bias;
    __m512 floor;
};

INLINE struct after after_of(const struct nl_cpu_block *b, struct lanes on)
{
    struct after after = {.floor = _mm512_set1_ps(b->relu ? 0.0f : -__builtin_inff())};
    after.bias.left = after.bias.right = _mm512_setzero_ps();
    if (!b->bias) return after;
    const float *from = b->bias;
    after.bias.left = _mm512_maskz_loadu_ps(on.left, from);
    after.bias.right = _mm512_maskz_loadu_ps(on.right, from + lanes);
    return after;
}

/* Sums over some rows of y's distances from its first row, and of their squares. */
struct tally {
    struct sums first, sum, square;
};

INLINE void count_row(struct sums v, bool begins, struct tally *tally)
{
    if (begins) tally->first = v;
    const struct sums off = {_mm512_sub_ps(v.left, tally->first.left),
                             _mm512_sub_ps(v.right, tally->first.right)};
    tally->sum.left = _mm512_add_ps(tally->sum.left, off.left);
    tally->sum.right = _mm512_add_ps(tally->sum.right, off.right);
    tally->square.left = _mm512_fmadd_ps(off.left, off.left, tally->square.left);
    tally->square.right = _mm512_fmadd_ps(off.right, off.right, tally->square.right);
}

#endif
