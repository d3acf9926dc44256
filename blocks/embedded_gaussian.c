/* f = exp(s * theta_i . phi_j), C = sum_j f: softmax over the keys. */
#include "blocks/parts.h"

static nl_status build(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z)
{
    const union nl_attr attr = {.pairwise = {.score = NL_SCORE_PRODUCT,
                                             .f = NL_F_EXP,
                                             .norm = NL_NORM_SUM,
                                             .scale = nl_block_scale(g, site, x)}};
    struct nl_block_parts parts;
    nl_value y;
    NL_TRY(nl_block_embed(g, site, x, &parts));
    NL_TRY(nl_block_relate(g, site, &parts, &attr, &y));
    return nl_block_finish(g, site, y, x, z);
}

const struct nl_block nl_block_embedded_gaussian = {
    .name = "embedded_gaussian",
    .alias = "embedded",
    .source = "Wang et al. 2018, arXiv:1711.07971, Eq. 3 and 5",
    .build = build,
};
