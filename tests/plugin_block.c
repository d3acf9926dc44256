/* A non-local block out of the tree: f = relu(theta_i . phi_j), C = number of keys. */
#include "nonlocal.h"

static nl_status build(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z)
{
    const union nl_attr attr = {.pairwise = {.score = NL_SCORE_PRODUCT,
                                             .f = NL_F_RELU,
                                             .norm = NL_NORM_COUNT,
                                             .scale = nl_block_scale(g, site, x)}};
    struct nl_block_parts parts;
    nl_value y;
    NL_TRY(nl_block_embed(g, site, x, &parts));
    NL_TRY(nl_block_relate(g, site, &parts, &attr, &y));
    return nl_block_finish(g, site, y, x, z);
}

static const struct nl_block rectified = {.name = "rectified_dot_product",
                                          .alias = "rectified",
                                          .source = "a test of this project",
                                          .build = build};
static const struct nl_block *const blocks[] = {&rectified, NULL};

NL_PLUGIN_EXPORT const struct nl_plugin nl_plugin = {
    .abi = NL_PLUGIN_ABI, .size = sizeof(struct nl_plugin), .name = "rectified", .blocks = blocks};
