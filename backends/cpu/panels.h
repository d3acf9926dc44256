/* panels.h - lays matrices out in the panels that kernel.h multiplies with: `kernel->panel` columns
 * side by side, depth by depth, the last panel filled up with zeros. */
#ifndef NL_PANELS_H
#define NL_PANELS_H

#include "backends/cpu/kernel.h"

/* Floats that `columns` columns of `depth` take. */
int64_t nl_cpu_panel_floats(const struct nl_cpu_kernel *kernel, int64_t depth, int64_t columns);

/* A matrix [depth, columns] with rows at from + r * ld. */
void nl_cpu_lay_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                       int64_t depth, int64_t columns, float *to);

/* The transpose, times `scale`, of a matrix [columns, depth] with rows at from + r * ld. */
void nl_cpu_turn_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                        int64_t columns, int64_t depth, float scale, float *to);

#endif
