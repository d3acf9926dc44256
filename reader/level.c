#include "reader/level.h"

#include <stddef.h>

void nl_level_table(double mean, double std, float level[256])
{
    for (int i = 0; i < 256; i++) level[i] = ((float)i - (float)mean) / (float)std;
}

void nl_level_row(const float level[256], const uint8_t *bgr, int pixels, bool mirrored, float *rgb)
{
    const ptrdiff_t step = mirrored ? -3 : 3;
    const uint8_t *restrict from = mirrored ? bgr + 3 * ((ptrdiff_t)pixels - 1) : bgr;
    const float *restrict table = level;
    float *restrict to = rgb;
    for (int x = 0; x < pixels; x++, from += step, to += 3) {
        to[0] = table[from[2]];
        to[1] = table[from[1]];
        to[2] = table[from[0]];
    }
}
