/* conv.h - what the convolutions of this backend share: tiling, gathering, finishing.
 *
 * The output is a matrix [rows, filters]: rows are output positions in order. A tile is a run of
 * rows times a run of filters. Its sums run over depth = kt * kh * kw * C, cut into chunks of
 * whole kernel taps; for each chunk the input values are gathered into a matrix [rows, chunk]
 * (im2col of one tile), or, for a 1x1x1 kernel of stride 1, read where they are. Gathering widens
 * BF16 for what multiplies F32.
 */
#ifndef NL_CPU_CONV_H
#define NL_CPU_CONV_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/moments.h"

struct nl_cpu_conv {
    int kernel[3], stride[3], pad[3];
    int64_t rows, filters, channels, depth;
    int64_t in_dim[4], out_dim[4]; /* n, t, h, w */
    int64_t x_stride[4];
    bool direct; /* rows of x are rows of the product */
    bool inside; /* no window hangs over an edge */
    bool near;   /* y stays in a cache */

    int64_t tile_rows, tile_filters, chunk; /* chunk: depth of one product */
    int64_t row_tiles, filter_tiles;
    nl_type from, cell; /* of x, and of gathered rows: F32, or BF16 as x */
    int step;           /* depth of a chunk is made up to a multiple of this, by zeros */
    int64_t gather_ld;  /* elements from one gathered row to the next */
    size_t gather_bytes, sum_bytes;
};

/* What a run hands to every tile. */
struct nl_cpu_conv_job {
    const struct nl_cpu_conv *conv;
    const struct nl_args *args;
    struct nl_cpu_rows x, residual, y;
    struct nl_cpu_moments moments; /* a part each tile of rows */
    bool relu;
};

/* How an implementation likes its tiles. */
struct nl_cpu_conv_wish {
    int64_t rows;    /* tiles have a multiple of this many rows */
    int64_t filters; /* and of this many filters */
    int64_t most_rows, most_chunk;
    int64_t tiles; /* at least as many where the shape allows */
    int64_t pad;   /* elements after each gathered row */
    nl_type cell;  /* of gathered rows */
    int step;      /* chunks but the last are multiples of this */
};

/* Fills in geometry and tiling. */
void nl_cpu_conv_plan(const struct nl_op_desc *desc, const struct nl_cpu_conv_wish *wish,
                      struct nl_cpu_conv *conv);

struct nl_cpu_conv_job nl_cpu_conv_job_of(const struct nl_cpu_conv *conv,
                                          const struct nl_op_desc *desc,
                                          const struct nl_args *args);

/* Copies the inputs of `rows` outputs from `row`, taps [depth_from, depth_to) in elements, to `to`;
 * zeros where the kernel hangs over the edge, and up to a whole step. Both ends are multiples of the
 * channels, or the kernel is 1x1x1. */
void nl_cpu_conv_gather(const struct nl_cpu_conv *conv, const void *x, int64_t row, int64_t rows,
                        int64_t depth_from, int64_t depth_to, void *to);

/* The packed convolution on its own: how it likes its tiles, and a run with args->packed laid out
 * in the kernel's panels, filter by filter, depth by depth. Scratch: nl_cpu_slices of
 * nl_align_up(gather_bytes) + sum_bytes. */
struct nl_cpu_conv_wish nl_cpu_conv_packed_wish(const struct nl_cpu_kernel *kernel);
void nl_cpu_conv_packed_run(struct nl_backend *be, const struct nl_cpu_conv *conv,
                            const struct nl_op_desc *desc, const struct nl_args *args,
                            const struct nl_cpu_kernel *kernel);

/* Filters laid out in panels whose depth comes in runs of `run` elements, each made up to `deep` with
 * zeros: whole steps, and no block of 16 steps that run has not begun; w F32 [K,kt,kh,kw,C], run
 * divides its depth. */
nl_status nl_cpu_conv_packed_bytes(const struct nl_cpu_kernel *kernel, const nl_tensor *w,
                                   int64_t run, int64_t deep, size_t *bytes) NL_MUST_CHECK;
void nl_cpu_conv_pack(const struct nl_backend *be, const struct nl_cpu_kernel *kernel,
                      const nl_tensor *w, int64_t run, int64_t deep, void *packed);

/* Makes `block`, whose rows and columns are set, end in y from output `row` and filter `column` on,
 * with bias, residual and ReLU, and its moments in part `part`. y and the residual have uniform rows;
 * y has the kernel's type. */
void nl_cpu_conv_end(const struct nl_cpu_conv_job *job, const struct nl_cpu_kernel *kernel,
                     int64_t row, int64_t column, int64_t part, struct nl_cpu_block *block);

/* Whether tensors have types and axes that kernels take; with sums also whether y has uniform rows. */
bool nl_cpu_conv_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why);

/* Adds `parts` parts of moments to the workspace where they are asked for; takes them behind the first
 * `before` bytes of it. */
nl_status nl_cpu_conv_moments_need(const struct nl_op_desc *desc, int64_t parts,
                                   struct nl_need *need) NL_MUST_CHECK;
struct nl_cpu_moments nl_cpu_conv_moments(const struct nl_op_desc *desc, const struct nl_args *args,
                                          int64_t parts, size_t before);

/* y = act(sums + bias + residual) for a tile; sums [rows, ld] may be y's own rows. Other sums are
 * overwritten where y is BF16. */
void nl_cpu_conv_finish(const struct nl_cpu_conv_job *job, int64_t row, int64_t rows,
                        int64_t filter, int64_t filters, float *sums, int64_t ld);

#endif
