/* level.h - 8-bit pixels to the network's numbers: BGR to RGB, and (x - mean) / std in F32. */
#ifndef NL_LEVEL_H
#define NL_LEVEL_H

#include <stdbool.h>
#include <stdint.h>

/* What each value of a pixel becomes. */
void nl_level_table(double mean, double std, float level[256]);

/* One row; backwards where it is mirrored. */
void nl_level_row(const float level[256], const uint8_t *bgr, int pixels, bool mirrored,
                  float *rgb);

#endif
