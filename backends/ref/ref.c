#include "backends/ref/ref.h"

bool nl_ref_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_type type = desc->in[0].type;
    (void)be;
    if (type != NL_F32 && type != NL_F64 && type != NL_BF16)
        return nl_decline(why, "computes f32, f64 and bf16, not %s", nl_type_name(type));
    return true;
}

/* One implementation each; they have no preparation except for pairwise. */
#define PLAIN(op)                                                                                  \
    static const struct nl_impl op = {.name = "plain", .can = nl_ref_can, .run = nl_ref_##op};     \
    static const struct nl_impl *const op##_list[] = {&op, NULL}

PLAIN(conv);
PLAIN(max_pool);
PLAIN(avg_pool);
PLAIN(affine);
PLAIN(add);
PLAIN(relu);
PLAIN(softmax);
PLAIN(mean);
PLAIN(product);
PLAIN(outer_sum);
PLAIN(map);
PLAIN(cast);
PLAIN(bn_fold);
PLAIN(conv_fold);
PLAIN(mul);
PLAIN(bn_sums);
PLAIN(cross_entropy);
PLAIN(conv_dx);
PLAIN(conv_dw);
PLAIN(max_pool_dx);
PLAIN(avg_pool_dx);
PLAIN(affine_dab);
PLAIN(bn_dx);
PLAIN(bn_sums_dx);
PLAIN(bn_fold_dx);
PLAIN(relu_dx);
PLAIN(softmax_dx);
PLAIN(mean_dx);
PLAIN(outer_sum_dx);
PLAIN(map_dx);
PLAIN(cross_entropy_dx);
PLAIN(accumulate);
PLAIN(square_sum);
PLAIN(sgd);
PLAIN(average);

static const struct nl_impl pairwise = {
    .name = "plain", .can = nl_ref_can, .prepare = nl_ref_pairwise_prepare, .run = nl_ref_pairwise};
static const struct nl_impl *const pairwise_list[] = {&pairwise, NULL};

static const struct nl_impl pairwise_dx = {.name = "plain",
                                           .can = nl_ref_can,
                                           .prepare = nl_ref_pairwise_dx_prepare,
                                           .run = nl_ref_pairwise_dx};
static const struct nl_impl *const pairwise_dx_list[] = {&pairwise_dx, NULL};

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
    {NL_OP_BN_FOLD, bn_fold_list},
    {NL_OP_CONV_FOLD, conv_fold_list},
    {NL_OP_PAIRWISE_DX, pairwise_dx_list},
    {NL_OP_MUL, mul_list},
    {NL_OP_BN_SUMS, bn_sums_list},
    {NL_OP_CROSS_ENTROPY, cross_entropy_list},
    {NL_OP_CONV_DX, conv_dx_list},
    {NL_OP_CONV_DW, conv_dw_list},
    {NL_OP_MAX_POOL_DX, max_pool_dx_list},
    {NL_OP_AVG_POOL_DX, avg_pool_dx_list},
    {NL_OP_AFFINE_DAB, affine_dab_list},
    {NL_OP_BN_DX, bn_dx_list},
    {NL_OP_BN_SUMS_DX, bn_sums_dx_list},
    {NL_OP_BN_FOLD_DX, bn_fold_dx_list},
    {NL_OP_RELU_DX, relu_dx_list},
    {NL_OP_SOFTMAX_DX, softmax_dx_list},
    {NL_OP_MEAN_DX, mean_dx_list},
    {NL_OP_OUTER_SUM_DX, outer_sum_dx_list},
    {NL_OP_MAP_DX, map_dx_list},
    {NL_OP_CROSS_ENTROPY_DX, cross_entropy_dx_list},
    {NL_OP_ACCUMULATE, accumulate_list},
    {NL_OP_SQUARE_SUM, square_sum_list},
    {NL_OP_SGD, sgd_list},
    {NL_OP_AVERAGE, average_list},
};

static const char *emulates(const struct nl_backend *be, nl_type type)
{
    (void)be;
    return type == NL_BF16 ? "it computes in double" : NULL;
}

const struct nl_backend_ops nl_backend_ref = {
    .name = "ref",
    .memory = &nl_host_memory,
    .emulates = emulates,
    .impls = impls,
    .n_impls = (int)NL_COUNT(impls),
};
