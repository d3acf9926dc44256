/* winograd.h - the transforms of F(4x4, 3x3): sixteen outputs of a 3x3 convolution of stride 1 from 36
 * products instead of 144 (Winograd 1980; Lavin and Gray 2015, arXiv:1509.09308).
 *
 * A tile is 6x6 inputs, which overlap their neighbours by two, or 4x4 outputs. Products are taken
 * at 36 places of the transformed tiles; the sums over channels are taken there, too. Points are
 * 0, +-5/8, +-3/2 and infinity, which lose less to rounding than small integers do.
 */
#ifndef NL_WINOGRAD_H
#define NL_WINOGRAD_H

#include <stdbool.h>
#include <stdint.h>

enum {
    NL_WINOGRAD_OUT = 4,
    NL_WINOGRAD_IN = 6,
    NL_WINOGRAD_PLACES = 36,
    NL_WINOGRAD_LANES = 16 /* channels and filters come in multiples of these */
};

/* Where the 16 outputs of a tile go, row by row, and what is added to them. */
struct nl_cpu_winograd_end {
    void *y[16];              /* NULL: beyond the edge */
    const void *residual[16]; /* NULL where there is none */
    const float *bias;        /* NULL: none */
    bool half;                /* y and the residual are BF16, else F32 */
    /* NULL, or per filter: adds distances of the outputs from `first`, and their squares; the first
     * tile, `begins`, sets `first`. */
    double *sum, *square;
    float *first;
    bool begins;
    bool relu;
    bool stream; /* y goes past the caches: its rows are aligned to 16 bytes */
};

struct nl_cpu_winograd {
    const char *name; /* "avx512", "avx2", "sse2" */

    /* place p of channel c at to[p * step + c], from 36 rows of `channels`, F32, or BF16 if `half`. */
    void (*input)(const void *const *rows, bool half, float *to, int64_t step, int64_t channels);

    /* The inverse, from filter k at from[p * step + k]. */
    void (*output)(const float *from, int64_t step, const struct nl_cpu_winograd_end *end,
                   int64_t filters);

    /* Sixteen 3x3 filters, tap i of them at taps[i], as to[36][16]; in double within. */
    void (*filter)(const float *const *taps, float *to);

    /* The transposes of the last two, for the gradient of filters: place p of filter k of a tile of
     * gradients at to[p * step + k], from 16 rows; and sixteen filters' taps as to[9][16], from place
     * p of them at from + p * step, in double within. */
    void (*gradient)(const void *const *rows, bool half, float *to, int64_t step, int64_t filters);
    void (*taps)(const float *from, int64_t step, float *to);
};

const struct nl_cpu_winograd *nl_cpu_winograd(void);

/* All tables that this processor runs, best first; NULL past the end. For tests. */
const struct nl_cpu_winograd *nl_cpu_winograd_at(int i);

#endif
