/* f = theta_i . phi_j, C = number of keys. */
#include "blocks/parts.h"

static nl_status build(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z)
{
    const union nl_attr attr = {
        .pairwise = {
            .score = NL_SCORE_PRODUCT, .f = NL_F_IDENTITY, .norm = NL_NORM_COUNT, .scale = 1}};
    struct nl_block_parts parts;
    nl_value y;
    NL_TRY(nl_block_embed(g, site, x, &parts));
    NL_TRY(nl_block_relate(g, site, &parts, &attr, &y));
    return nl_block_finish(g, site, y, x, z);
}

const struct nl_block nl_block_dot_product = {
    .name = "dot_product",
    .alias = "dot",
    .source = "Wang et al. 2018, arXiv:1711.07971, Eq. 4",
    .build = build,
};
