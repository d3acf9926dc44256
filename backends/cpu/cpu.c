#include "backends/cpu/cpu.h"

#include "backends/cpu/kernel.h"
#include "backends/cpu/multiply.h"
#include "src/core/memory.h"

#include <immintrin.h>

static bool can(const struct nl_op_desc *desc, bool half, nl_reason *why)
{
    for (int i = 0; i < NL_MAX_IN + NL_MAX_OUT; i++) {
        const nl_tensor *t = i < NL_MAX_IN ? &desc->in[i] : &desc->out[i - NL_MAX_IN];
        if (t->rank == 0) continue;
        if (t->type != NL_F32 && !(half && t->type == NL_BF16))
            return nl_decline(why, "computes %s, not %s", half ? "f32 and bf16" : "f32",
                              nl_type_name(t->type));
        if (t->dim[t->rank - 1] > 1 && t->stride[t->rank - 1] != 1)
            return nl_decline(why, "the last axis is not dense");
    }
    return true;
}

bool nl_cpu_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    (void)be;
    return can(desc, false, why);
}

bool nl_cpu_can_half(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    (void)be;
    return can(desc, true, why);
}

nl_status nl_cpu_rows_prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                              struct nl_need *need)
{
    const nl_tensor *x = &desc->in[0];
    (void)prepared;
    if (x->type != NL_BF16 && desc->out[0].type != NL_BF16) return NL_OK;
    return nl_cpu_slices(be, nl_cpu_room(x->dim[x->rank - 1]), &need->workspace);
}

/* Tiles are handed out as threads become free; which thread takes one changes no sum. What was
 * written past the caches is fenced once at the end, since a fence waits for memory. */
void nl_cpu_for_tiles(const struct nl_backend *be, int64_t count, nl_cpu_tile_fn *tile,
                      const void *job, void *workspace, size_t slice)
{
    const int64_t threads = be->threads;
    int64_t taken = 0;
#pragma omp parallel for num_threads(be->threads) schedule(static, 1)
    for (int64_t thread = 0; thread < threads; thread++) {
        void *scratch = workspace ? (char *)workspace + (size_t)thread * nl_align_up(slice) : NULL;
        for (;;) {
            int64_t i;
#pragma omp atomic capture
            i = taken++;
            if (i >= count) break;
            tile(job, i, scratch);
        }
        _mm_sfence();
    }
}

void nl_cpu_spread(struct nl_backend *be, int64_t count, nl_lane_fn *fn, void *job)
{
    int64_t taken = 0;
#pragma omp parallel for num_threads(be->threads) schedule(static, 1)
    for (int lane = 0; lane < be->threads; lane++) {
        for (;;) {
            int64_t i;
#pragma omp atomic capture
            i = taken++;
            if (i >= count) break;
            fn(job, i, lane);
        }
    }
}

nl_status nl_cpu_slices(const struct nl_backend *be, size_t slice, size_t *bytes)
{
    return nl_size_mul((size_t)be->threads, nl_align_up(slice), bytes);
}

struct nl_cpu_rows nl_cpu_rows_of(const nl_tensor *t)
{
    struct nl_cpu_rows rows = {.n_axes = t->rank - 1, .count = 1, .uniform = true};
    int64_t next = 0; /* the stride that the axis must have to go on evenly */
    for (int i = t->rank - 2; i >= 0; i--) {
        rows.dim[i] = t->dim[i];
        rows.stride[i] = t->stride[i];
        if (t->dim[i] == 1) continue;
        if (rows.ld == 0) rows.ld = next = t->stride[i];
        rows.uniform = rows.uniform && t->stride[i] == next;
        next = t->stride[i] * t->dim[i];
        rows.count *= t->dim[i];
    }
    if (rows.count == 1 && t->rank) rows.ld = t->dim[t->rank - 1];
    return rows;
}

static nl_status open_cpu(struct nl_backend *be)
{
    (void)be;
    nl_cpu_multiply_alone();
    return NL_OK;
}

/* One implementation each: of F32, without preparation, and of rows that may be BF16. */
#define PLAIN(op)                                                                                  \
    static const struct nl_impl op = {.name = "rows", .can = nl_cpu_can, .run = nl_cpu_##op};      \
    static const struct nl_impl *const op##_list[] = {&op, NULL}
#define ROWS(op)                                                                                   \
    static const struct nl_impl op = {.name = "rows",                                              \
                                      .framewise = true,                                           \
                                      .can = nl_cpu_can_half,                                      \
                                      .prepare = nl_cpu_rows_prepare,                              \
                                      .run = nl_cpu_##op};                                         \
    static const struct nl_impl *const op##_list[] = {&op, NULL}

ROWS(add);
ROWS(relu);
ROWS(softmax);
ROWS(mean);
ROWS(map);
ROWS(relu_dx);
ROWS(mul);
PLAIN(outer_sum);
PLAIN(conv_fold);
PLAIN(sgd);
PLAIN(accumulate);

/* The plain ones decline what training adds. */
#define POOL(op)                                                                                   \
    static const struct nl_impl op = {.name = "rows",                                              \
                                      .framewise = true,                                           \
                                      .can = nl_cpu_can_half,                                      \
                                      .prepare = nl_cpu_pool_prepare,                              \
                                      .run = nl_cpu_##op}
POOL(max_pool);
POOL(avg_pool);
static const struct nl_impl *const avg_pool_list[] = {&avg_pool, NULL};
static const struct nl_impl *const max_pool_list[] = {&max_pool, &nl_cpu_max_pool_index, NULL};
static const struct nl_impl affine = {.name = "rows",
                                      .framewise = true,
                                      .can = nl_cpu_can_half,
                                      .prepare = nl_cpu_rows_prepare,
                                      .run = nl_cpu_affine};
static const struct nl_impl *const affine_list[] = {&affine, &nl_cpu_affine_centred, NULL};
static const struct nl_impl *const cast_list[] = {&nl_cpu_cast, NULL};
static const struct nl_impl *const affine_dab_list[] = {&nl_cpu_affine_dab, NULL};
static const struct nl_impl *const bn_dx_list[] = {&nl_cpu_bn_dx, NULL};
static const struct nl_impl *const bn_sums_list[] = {&nl_cpu_bn_sums, NULL};
static const struct nl_impl *const pairwise_dx_list[] = {&nl_cpu_pairwise_dx_sorted_widened,
                                                         &nl_cpu_pairwise_dx_reassociated,
                                                         &nl_cpu_pairwise_dx_half,
                                                         &nl_cpu_pairwise_dx_widened,
                                                         &nl_cpu_pairwise_dx_sorted,
                                                         &nl_cpu_pairwise_dx_reassociated,
                                                         &nl_cpu_pairwise_dx,
                                                         NULL};
static const struct nl_impl *const pool_dx_list[] = {&nl_cpu_pool_dx, NULL};

static const struct nl_impl *const conv_list[] = {
    &nl_cpu_conv_lines,  &nl_cpu_conv_winograd,   &nl_cpu_conv_amx,
    &nl_cpu_conv_amx_x3, &nl_cpu_conv_avx512bf16, &nl_cpu_conv_avx512,
    &nl_cpu_conv_avx2,   &nl_cpu_conv_blas,       NULL};
static const struct nl_impl *const conv_dx_list[] = {&nl_cpu_conv_winograd, &nl_cpu_conv_dx, NULL};
static const struct nl_impl *const conv_dw_list[] = {
    &nl_cpu_conv_dw_lines, &nl_cpu_conv_dw_winograd, &nl_cpu_conv_dw, NULL};
static const struct nl_impl *const square_sum_list[] = {&nl_cpu_square_sum, NULL};
static const struct nl_impl *const product_list[] = {&nl_cpu_product_widened, &nl_cpu_product,
                                                     NULL};

/* Those for BF16 come first, so that for F32 the last reason is one for F32; the reassociated one
 * serves both, and stands in both places. The forced ones are reached only when they are asked for
 * by name. */
static const struct nl_impl *const pairwise_list[] = {&nl_cpu_pairwise_sorted_widened,
                                                      &nl_cpu_pairwise_reassociated,
                                                      &nl_cpu_pairwise_half,
                                                      &nl_cpu_pairwise_packed_widened,
                                                      &nl_cpu_pairwise_tiled_widened,
                                                      &nl_cpu_pairwise_sorted_forced_widened,
                                                      &nl_cpu_pairwise_sorted,
                                                      &nl_cpu_pairwise_reassociated,
                                                      &nl_cpu_pairwise_packed,
                                                      &nl_cpu_pairwise_tiled,
                                                      &nl_cpu_pairwise_sorted_forced,
                                                      &nl_cpu_pairwise_reassociated_forced,
                                                      NULL};

static const struct nl_impl_list impls[] = {
    {NL_OP_CONV, conv_list},
    {NL_OP_MAX_POOL, max_pool_list},
    {NL_OP_AVG_POOL, avg_pool_list},
    {NL_OP_AFFINE, affine_list},
    {NL_OP_ADD, add_list},
    {NL_OP_RELU, relu_list},
    {NL_OP_SOFTMAX, softmax_list},
    {NL_OP_MEAN, mean_list},
    {NL_OP_PAIRWISE, pairwise_list},
    {NL_OP_PRODUCT, product_list},
    {NL_OP_OUTER_SUM, outer_sum_list},
    {NL_OP_MAP, map_list},
    {NL_OP_CAST, cast_list},
    {NL_OP_CONV_FOLD, conv_fold_list},
    {NL_OP_CONV_DX, conv_dx_list},
    {NL_OP_CONV_DW, conv_dw_list},
    {NL_OP_SGD, sgd_list},
    {NL_OP_ACCUMULATE, accumulate_list},
    {NL_OP_RELU_DX, relu_dx_list},
    {NL_OP_MUL, mul_list},
    {NL_OP_AFFINE_DAB, affine_dab_list},
    {NL_OP_BN_DX, bn_dx_list},
    {NL_OP_BN_SUMS, bn_sums_list},
    {NL_OP_PAIRWISE_DX, pairwise_dx_list},
    {NL_OP_MAX_POOL_DX, pool_dx_list},
    {NL_OP_AVG_POOL_DX, pool_dx_list},
    {NL_OP_SQUARE_SUM, square_sum_list},
};

static const char *emulates(const struct nl_backend *be, nl_type type)
{
    (void)be;
    if (type != NL_BF16 || nl_cpu_kernel_half()) return NULL;
    return nl_cpu_kernel_avx512bf16() ? "the processor multiplies f32 faster"
                                      : "the processor has neither AVX512-BF16 nor AMX";
}

extern const struct nl_backend_ops nl_backend_ref, nl_backend_cpu;

const struct nl_backend_ops nl_backend_cpu = {
    .name = "cpu",
    .memory = &nl_host_memory,
    .next = &nl_backend_ref,
    .automatic = true,
    .open = open_cpu,
    .spread = nl_cpu_spread,
    .emulates = emulates,
    .impls = impls,
    .n_impls = (int)NL_COUNT(impls),
};
