/* cpu.h - the fast host backend: OpenMP over fixed tiles, single-threaded products inside them.
 *
 * F32 and BF16, the latter widened row by row; what is declined is served by ref. Work is split by
 * shape, never by the number of threads, and every sum belongs to one tile, so results are the same
 * bits for any thread count.
 * Scratch comes from the plan: one slice for each thread (nl_cpu_slices).
 * Implementations hold no state in struct nl_backend, so that other backends of host memory may
 * fall back on them.
 */
#ifndef NL_CPU_H
#define NL_CPU_H

#include "src/tensor/backend.h"

typedef bool nl_cpu_can_fn(const struct nl_backend *be, const struct nl_op_desc *desc,
                           nl_reason *why);
typedef nl_status nl_cpu_run_fn(struct nl_backend *be, const void *prepared,
                                const struct nl_op_desc *desc, const struct nl_args *args);

/* Accepts F32 tensors whose last axis is dense; _can_half BF16 ones, too. */
nl_cpu_can_fn nl_cpu_can, nl_cpu_can_half;

/* Room for two rows of floats in each thread's slice where a tensor is BF16 (lines.h). */
nl_status nl_cpu_rows_prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need);
nl_status nl_cpu_pool_prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need); /* room for what a window gathers */
static inline size_t nl_cpu_room(int64_t columns)
{
    return 2 * (size_t)columns * sizeof(float);
}

nl_cpu_run_fn nl_cpu_max_pool, nl_cpu_avg_pool, nl_cpu_affine, nl_cpu_add, nl_cpu_relu,
    nl_cpu_softmax, nl_cpu_mean, nl_cpu_map, nl_cpu_outer_sum, nl_cpu_conv_fold;

/* Training. */
nl_cpu_run_fn nl_cpu_sgd, nl_cpu_accumulate, nl_cpu_relu_dx, nl_cpu_mul;
extern const struct nl_impl nl_cpu_cast, nl_cpu_affine_centred, nl_cpu_affine_dab, nl_cpu_bn_dx,
    nl_cpu_bn_sums, nl_cpu_max_pool_index, nl_cpu_pairwise_dx_sorted,
    nl_cpu_pairwise_dx_reassociated, nl_cpu_pairwise_dx, nl_cpu_pool_dx, nl_cpu_conv_dx,
    nl_cpu_conv_dw_lines, nl_cpu_conv_dw_winograd, nl_cpu_conv_dw, nl_cpu_square_sum;

extern const struct nl_impl nl_cpu_conv_lines, nl_cpu_conv_amx, nl_cpu_conv_amx_x3,
    nl_cpu_conv_avx512bf16, nl_cpu_conv_winograd, nl_cpu_conv_avx512, nl_cpu_conv_avx2,
    nl_cpu_conv_blas, nl_cpu_product, nl_cpu_pairwise_sorted, nl_cpu_pairwise_reassociated,
    nl_cpu_pairwise_packed, nl_cpu_pairwise_tiled, nl_cpu_pairwise_sorted_forced,
    nl_cpu_pairwise_reassociated_forced;

/* The same on BF16 (widened.c). */
extern const struct nl_impl nl_cpu_product_widened, nl_cpu_pairwise_half,
    nl_cpu_pairwise_sorted_widened, nl_cpu_pairwise_packed_widened, nl_cpu_pairwise_tiled_widened,
    nl_cpu_pairwise_sorted_forced_widened, nl_cpu_pairwise_dx_sorted_widened,
    nl_cpu_pairwise_dx_half, nl_cpu_pairwise_dx_widened;

/* Calls `tile` for each number below `count`, on at most be->threads threads. `scratch` is the
 * calling thread's own slice of the workspace, `slice` bytes of it. */
typedef void nl_cpu_tile_fn(const void *job, int64_t tile, void *scratch);
void nl_cpu_for_tiles(const struct nl_backend *be, int64_t count, nl_cpu_tile_fn *tile,
                      const void *job, void *workspace, size_t slice);

/* For struct nl_backend_ops. */
void nl_cpu_spread(struct nl_backend *be, int64_t count, nl_lane_fn *fn, void *job);

/* Workspace of nl_cpu_for_tiles: `slice` bytes, rounded up, for each thread. */
nl_status nl_cpu_slices(const struct nl_backend *be, size_t slice, size_t *bytes) NL_MUST_CHECK;

static inline int64_t nl_cpu_least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* How many pieces of `part` make up `whole`. */
static inline int64_t nl_cpu_parts(int64_t whole, int64_t part)
{
    return part > 0 ? (whole + part - 1) / part : 0;
}

/* All axes but the last of a view, seen as one list of rows. Offsets count elements. */
struct nl_cpu_rows {
    int n_axes;
    int64_t count, dim[NL_MAX_RANK], stride[NL_MAX_RANK];
    bool uniform; /* row i starts at i * ld */
    int64_t ld;
};

struct nl_cpu_rows nl_cpu_rows_of(const nl_tensor *t);

static inline int64_t nl_cpu_row_at(const struct nl_cpu_rows *rows, int64_t row)
{
    int64_t at = 0;
    if (rows->uniform) return row * rows->ld;
    for (int i = rows->n_axes - 1; i >= 0; i--) {
        at += row % rows->dim[i] * rows->stride[i];
        row /= rows->dim[i];
    }
    return at;
}

#endif
