/* f = exp(x_i . x_j) over all C channels, C = sum_j f. No theta, no phi. */
#include "blocks/parts.h"

static nl_status build(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z)
{
    const union nl_attr attr = {
        .pairwise = {.score = NL_SCORE_PRODUCT, .f = NL_F_EXP, .norm = NL_NORM_SUM, .scale = 1}};
    struct nl_block_parts parts = {.q = x};
    nl_value keys, values, y;
    NL_TRY(nl_block_key_side(g, site, x, &keys));
    NL_TRY(nl_block_project(g, site, "g", nl_block_inner(g, site, x), keys, &values));
    NL_TRY(nl_block_pool_after(g, site, "phi_pool", keys, &parts.k));
    NL_TRY(nl_block_pool_after(g, site, "g_pool", values, &parts.v));
    NL_TRY(nl_block_relate(g, site, &parts, &attr, &y));
    return nl_block_finish(g, site, y, x, z);
}

const struct nl_block nl_block_gaussian = {
    .name = "gaussian",
    .source = "Wang et al. 2018, arXiv:1711.07971, Eq. 2",
    .build = build,
};
