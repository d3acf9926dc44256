/* kernel.h - products of rows with packed filters, in registers, finished before they are stored.
 *
 * Filters are packed in panels: `panel` filters side by side, step by step of the depth, the last
 * panel and the last step filled up with zeros. Rows of a have whole steps too, of finite numbers.
 * A block is any number of rows times any number of panels. Sums of one element run over depth in
 * order, whatever the rows and columns around it, so how these are cut changes no bits.
 */
#ifndef NL_KERNEL_H
#define NL_KERNEL_H

#include "src/core/memory.h"
#include "src/tensor/tensor.h"

/* y[r,c] = act(sums[r,c] + sum_d a[r,d] panel[d,c] + bias[c] + residual[r,c])
 * a and panel have the kernel's type; residual and y are F32, or BF16 with `half`, which kernels
 * for BF16 know. Where the depth of a row lies in runs, run i is `depth` elements from a + runs[i]
 * on, and the panel has them one behind the other. */
struct nl_cpu_block {
    int64_t rows, columns, depth;
    const void *a, *panel;
    int64_t ld_panel;    /* elements from one panel to the next, where there are more than one */
    const int64_t *runs; /* NULL: one, at a */
    int64_t n_runs;
    const float *sums, *bias; /* each may be NULL, as residual; y may be sums or residual */
    const void *residual;
    void *y;
    int64_t lda, ld_sums, ld_residual, ldy;
    bool turned; /* steps of a lie at (d / step * lda + r) * step, else a[r,d] at r * lda + d */
    bool relu, half;
    double *mean,
        *spread; /* NULL, or per column of y's rows: mean, sum of squared distances from it */
    bool stream; /* y goes past the caches: whole panels only, rows aligned to vectors */
};

/* The panel of `width` columns that column `column` begins, and what goes with it; `size`: bytes
 * of a panel's element. */
static inline struct nl_cpu_block nl_cpu_block_panel(const struct nl_cpu_block *b, int64_t column,
                                                     int64_t width, int64_t size)
{
    struct nl_cpu_block part = *b;
    const int64_t bytes = b->half ? 2 : 4, left = b->columns - column;
    part.columns = left < width ? left : width;
    part.panel = (const char *)b->panel + column / width * b->ld_panel * size;
    part.y = (char *)b->y + column * bytes;
    if (b->sums) part.sums = b->sums + column;
    if (b->bias) part.bias = b->bias + column;
    if (b->residual) part.residual = (const char *)b->residual + column * bytes;
    if (b->mean) part.mean = b->mean + column;
    if (b->spread) part.spread = b->spread + column;
    return part;
}

struct nl_cpu_kernel {
    const char *name; /* "avx512", "avx2", "avx512bf16", "amx", "amx_x3" */
    nl_type type;     /* of what it multiplies: F32 or BF16 */
    int step;         /* depth is taken so many at a time, which lie side by side */
    int fill;         /* panels are made up to a multiple of so many of the depth, */
    int takes;        /* which take the room of so many elements */
    int deep;         /* less depth than a multiple of that costs as much */
    int rows, panel;  /* what registers hold at a time */
    void (*run)(const struct nl_cpu_block *block);
};

/* NULL where the processor cannot run it; _best is the fastest for F32 that it can run, or NULL,
 * and _vector the fastest without AMX; _half one for BF16, or NULL where BF16 is better widened
 * first; _for the fastest for activations of `type`, _half or _best. */
const struct nl_cpu_kernel *nl_cpu_kernel_amx(void);
const struct nl_cpu_kernel *nl_cpu_kernel_amx_x3(void);
const struct nl_cpu_kernel *nl_cpu_kernel_avx512bf16(void);
const struct nl_cpu_kernel *nl_cpu_kernel_avx512(void);
const struct nl_cpu_kernel *nl_cpu_kernel_avx2(void);
const struct nl_cpu_kernel *nl_cpu_kernel_vector(void);
const struct nl_cpu_kernel *nl_cpu_kernel_best(void);
const struct nl_cpu_kernel *nl_cpu_kernel_half(void);
const struct nl_cpu_kernel *nl_cpu_kernel_for(nl_type type);

/* Depth that a panel is made up to, and that in memory, in elements. */
static inline int64_t nl_cpu_kernel_whole(const struct nl_cpu_kernel *kernel, int64_t depth)
{
    return (depth + kernel->fill - 1) / kernel->fill * kernel->fill;
}

static inline int64_t nl_cpu_kernel_depth(const struct nl_cpu_kernel *kernel, int64_t depth)
{
    return (depth + kernel->fill - 1) / kernel->fill * kernel->takes;
}

/* Where element (depth, column) of a panel lies, but in panels of thirds (thirds.h). */
static inline int64_t nl_cpu_kernel_at(const struct nl_cpu_kernel *kernel, int64_t depth,
                                       int64_t column)
{
    const int64_t step = kernel->step;
    return depth / step * step * kernel->panel + column * step + depth % step;
}

#endif
