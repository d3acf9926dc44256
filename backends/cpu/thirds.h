/* thirds.h - numbers of F32 as sums of three of BF16, for kernels that multiply those.
 *
 * The first third is the number rounded to BF16, the second what that leaves, rounded, the third
 * the rest: 3 x 8 bits hold all 24 of a number above 1e-31. Inf, and what rounds to it, leaves NaN.
 */
#ifndef NL_THIRDS_H
#define NL_THIRDS_H

#include <stdbool.h>
#include <stdint.h>

/* Steps of 32 numbers of the depth of 32 rows, each as tiles of AMX: the first thirds of the
 * upper 16 rows, of the lower 16, the second thirds ...; a tile has a line a row. Turned, rows
 * are columns of panels, and a tile has a line for each pair of the depth. */
enum {
    NL_CPU_THIRDS_DEEP = 32,
    NL_CPU_THIRDS_TILE = 1024,                        /* bytes of a tile */
    NL_CPU_THIRDS_STEP = 6 * NL_CPU_THIRDS_TILE,      /* and of a step */
    NL_CPU_THIRDS_FLOATS = 3 * NL_CPU_THIRDS_DEEP / 2 /* floats that a row's 32 numbers take */
};

/* Up to 32 rows [rows, depth] at from + r * ld, times `scale`, to steps; zeros behind the depth.
 * Rows that are not there are undefined, but 0 where they are turned. Needs AVX-512. */
void nl_cpu_thirds_of_rows(const float *from, int64_t ld, int64_t rows, int64_t depth, float scale,
                           bool turned, void *to);

/* The same of what lies depth by depth: number d of row r at from + d * ld + r. */
void nl_cpu_thirds_of_depths(const float *from, int64_t ld, int64_t rows, int64_t depth,
                             bool turned, void *to);

#endif
