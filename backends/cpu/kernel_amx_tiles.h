/* kernel_amx_tiles.h - sums of 32 rows and 32 columns in AMX's tiles 0 to 3, upper rows first. For
 * the kernels alone, which include it behind AVX512, their instruction set.
 */
#ifndef NL_KERNEL_AMX_TILES_H
#define NL_KERNEL_AMX_TILES_H

#include "backends/cpu/amx.h"
#include "backends/cpu/kernel_512_half.h"

/* LINE: bytes of a tile's row; PANEL_LINE: from one pair of a panel to the next, and of sums. */
enum {
    SIDE = NL_CPU_TILE_ROWS,
    ROWS = 2 * SIDE,
    DEEP = 2 * SIDE,
    LINE = NL_CPU_TILE_BYTES,
    PANEL_LINE = 2 * LINE
};

INLINE void clear_tiles(void)
{
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

/* Rows of sums in memory are `ld` floats apart. */
INLINE void store_tiles(float *to, int64_t ld, bool lower)
{
    _tile_stored(0, to, ld * 4);
    _tile_stored(1, to + SIDE, ld * 4);
    if (!lower) return;
    _tile_stored(2, to + ld * SIDE, ld * 4);
    _tile_stored(3, to + ld * SIDE + SIDE, ld * 4);
}

INLINE void load_tiles(const float *from, int64_t ld, bool lower)
{
    _tile_loadd(0, from, ld * 4);
    _tile_loadd(1, from + SIDE, ld * 4);
    if (!lower) return;
    _tile_loadd(2, from + ld * SIDE, ld * 4);
    _tile_loadd(3, from + ld * SIDE + SIDE, ld * 4);
}

/* Whether nothing comes after the products, so that tiles may end in y, of floats. */
INLINE bool is_plain(const struct nl_cpu_block *b)
{
    return !b->bias && !b->residual && !b->relu && !b->mean && !b->stream && !b->half;
}

/* What comes after the sums of some rows. */
INLINE void finish_sums(const struct nl_cpu_block *b, struct lanes on, int64_t row, int64_t rows,
                        const float *sums, struct tally *tally)
{
    const struct after after = after_of(b, on);
    for (int64_t i = 0; i < rows; i++) {
        struct sums sum;
        start_row(b, on, row + i, 0, 1, &sum);
        sum.left = _mm512_add_ps(sum.left, _mm512_load_ps(sums + i * PANEL));
        sum.right = _mm512_add_ps(sum.right, _mm512_load_ps(sums + i * PANEL + lanes));
        finish_row(b, on, row + i, 0, 1, &sum, &after, tally);
    }
}

#endif
