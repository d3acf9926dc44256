/* kernel.h - products of rows with packed filters, in registers, finished before they are stored.
 *
 * Filters are packed in panels: `panel` filters side by side, depth by depth, the last panel
 * filled up with zeros. A block is up to any number of rows times one panel. Sums of one element
 * run over depth in order, whatever the rows around it, so how rows are cut changes no bits.
 */
#ifndef NL_KERNEL_H
#define NL_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* y[r,c] = act(sums[r,c] + sum_d a[r,d] panel[d,c] + bias[c] + residual[r,c]) */
struct nl_cpu_block {
    int64_t rows, columns, depth; /* columns: at most a panel */
    const float *a, *panel;
    const float *sums, *bias, *residual; /* each may be NULL; y may be sums or residual */
    float *y;
    int64_t lda, ld_sums, ld_residual, ldy;
    bool turned; /* a[r,d] is at a[d * lda + r], else at a[r * lda + d] */
    bool relu;
    bool stream; /* y goes past the caches: whole panels only, rows aligned to vectors */
};

struct nl_cpu_kernel {
    const char *name; /* "avx512", "avx2" */
    int rows, panel;  /* what registers hold at a time */
    void (*run)(const struct nl_cpu_block *block);
};

/* NULL where the processor cannot run it; _best is the fastest that it can run, or NULL. */
const struct nl_cpu_kernel *nl_cpu_kernel_avx512(void);
const struct nl_cpu_kernel *nl_cpu_kernel_avx2(void);
const struct nl_cpu_kernel *nl_cpu_kernel_best(void);

#endif
