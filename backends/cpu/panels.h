/* panels.h - lays matrices out in the panels that kernel.h multiplies with: `kernel->panel` columns
 * side by side, step by step of the depth, the last panel and step filled up with zeros. */
#ifndef NL_PANELS_H
#define NL_PANELS_H

#include "backends/cpu/kernel.h"

/* Elements that `columns` columns of `depth` take. */
int64_t nl_cpu_panel_elements(const struct nl_cpu_kernel *kernel, int64_t depth, int64_t columns);

/* Panels hold thirds (thirds.h) where the kernel takes those, else numbers. */
static inline bool nl_cpu_panels_of_thirds(const struct nl_cpu_kernel *kernel)
{
    return kernel->takes > kernel->fill;
}

/* y = [y +] a b for all columns of b's panels, which follow one another; `block` has the rest. */
void nl_cpu_multiply_panels(const struct nl_cpu_kernel *kernel, struct nl_cpu_block block,
                            const void *panels, float *y, bool add);

/* A matrix [depth, columns] with rows at from + r * ld. */
void nl_cpu_lay_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                       int64_t depth, int64_t columns, float *to);

/* The same from BF16: pairs of depth where the kernel is one for BF16, else widened. */
void nl_cpu_lay_half(const struct nl_cpu_kernel *kernel, const uint16_t *from, int64_t ld,
                     int64_t depth, int64_t columns, void *to);

/* The transpose, times `scale`, of a matrix [columns, depth] with rows at from + r * ld. */
void nl_cpu_turn_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                        int64_t columns, int64_t depth, float scale, float *to);

/* The transpose of BF16, for a kernel for BF16; depth is even. */
void nl_cpu_turn_half(const struct nl_cpu_kernel *kernel, const uint16_t *from, int64_t ld,
                      int64_t columns, int64_t depth, uint16_t *to);

#endif
