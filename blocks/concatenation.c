/* f = relu(w_f . [theta_i, phi_j]), C = number of keys.
 *
 * The product with w_f splits into a_i = w_f[:d] . theta_i and b_j = w_f[d:] . phi_j, so the
 * pairwise op gets one number a position and no pair is ever formed.
 */
#include "blocks/parts.h"

#include <stdio.h>

/* score = half . x at each position: a 1x1x1 convolution with one filter, half of w_f. */
static nl_status score(struct nl_graph *g, const struct nl_block_site *site, const char *part,
                       nl_value w_f, int64_t from, nl_value x, nl_value *y)
{
    const int64_t dim[5] = {1, 1, 1, 1, nl_graph_tensor(g, x)->dim[4]};
    const nl_tensor half = nl_tensor_dense(nl_graph_tensor(g, w_f)->type, 5, dim);
    const union nl_attr attr = {.conv = {.stride = {1, 1, 1}}};
    char name[128];
    nl_value in[2] = {x, NL_NONE};
    snprintf(name, sizeof name, "%s_%s", site->name, part);
    NL_TRY(nl_graph_view(g, w_f, &half, from, &in[1]));
    return nl_graph_append(g, NL_OP_CONV, name, &attr, in, 2, y);
}

static nl_status build(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z)
{
    const union nl_attr attr = {
        .pairwise = {.score = NL_SCORE_SUM, .f = NL_F_RELU, .norm = NL_NORM_COUNT, .scale = 1}};
    const int64_t d = nl_block_inner(g, site, x), both = 2 * d;
    const struct nl_init init = {NL_INIT_NORMAL, site->options->conv_init_std};
    struct nl_block_parts parts;
    nl_value w_f, y;
    char name[128];

    NL_TRY(nl_block_embed(g, site, x, &parts));
    snprintf(name, sizeof name, "%s_w_f", site->name);
    NL_TRY(nl_graph_param(g, name, 1, &both, NL_ROLE_FILTER, init, &w_f));
    NL_TRY(score(g, site, "theta_score", w_f, 0, parts.q, &parts.q));
    NL_TRY(score(g, site, "phi_score", w_f, d, parts.k, &parts.k));
    NL_TRY(nl_block_relate(g, site, &parts, &attr, &y));
    return nl_block_finish(g, site, y, x, z);
}

const struct nl_block nl_block_concatenation = {
    .name = "concatenation",
    .alias = "concat",
    .source = "Wang et al. 2018, arXiv:1711.07971, section 3.2, concatenation",
    .build = build,
};
