/* f = relu(w_f . [theta_i, phi_j]), C = number of keys.
 *
 * The product with w_f splits into a_i = w_f[:d] . theta_i and b_j = w_f[d:] . phi_j, so the
 * pairwise op gets one number a position and no pair is ever formed. And since theta and phi are
 * linear, a_i = (w_f[:d] W_theta) . x_i + w_f[:d] . b_theta: their vectors are never formed either,
 * but those of phi where it is pooled after its convolution.
 */
#include "blocks/parts.h"

#include <stdio.h>

/* What scoring needs to know: w_f, and where the half at hand begins. */
struct half {
    const struct nl_block_site *site;
    const char *part;
    nl_value w_f;
    int64_t from, inner;
};

static const char *named(char out[128], const struct half *h, const char *suffix)
{
    snprintf(out, 128, "%s_%s%s", h->site->name, h->part, suffix);
    return out;
}

/* half of w_f . b for b [d,n]: a row of n, shown as `view`. */
static nl_status combine(struct nl_graph *g, const struct half *h, const char *suffix, nl_value b,
                         int64_t n, const nl_tensor *view, nl_value *out)
{
    const nl_type type = g->type;
    const union nl_attr attr = {.product = {.scale = 1}};
    const nl_tensor row = nl_tensor_dense(type, 4, (const int64_t[]){1, 1, 1, h->inner}),
                    matrix = nl_tensor_dense(type, 4, (const int64_t[]){1, 1, h->inner, n});
    nl_value in[2], made;
    char name[128];
    NL_TRY(nl_graph_view(g, h->w_f, &row, h->from, &in[0]));
    NL_TRY(nl_graph_view(g, b, &matrix, 0, &in[1]));
    NL_TRY(nl_graph_append(g, NL_OP_PRODUCT, named(name, h, suffix), &attr, in, 2, &made));
    return nl_graph_view(g, made, view, 0, out);
}

/* One number a position: a 1x1x1 convolution of x with one filter. */
static nl_status score(struct nl_graph *g, const struct half *h, const nl_value filter[2],
                       nl_value x, nl_value *y)
{
    const union nl_attr attr = {.conv = {.stride = {1, 1, 1}}};
    const nl_value in[3] = {x, filter[0], filter[1]};
    char name[128];
    return nl_graph_append(g, NL_OP_CONV, named(name, h, "_score"), &attr, in, 3, y);
}

static nl_tensor one_filter(const struct nl_graph *g, int64_t channels)
{
    return nl_tensor_dense(g->type, 5, (const int64_t[]){1, 1, 1, 1, channels});
}

/* The score of the vectors that the convolution NAME_PART would make of x, without making them. */
static nl_status score_composed(struct nl_graph *g, const struct half *h, nl_value x, nl_value *y)
{
    const int64_t channels = nl_graph_tensor(g, x)->dim[4];
    const nl_tensor filter = one_filter(g, channels),
                    bias = nl_tensor_dense(g->type, 1, (const int64_t[]){1});
    nl_value param[2], composed[2] = {NL_NONE, NL_NONE};
    NL_TRY(nl_block_projection(g, h->site, h->part, h->inner, channels, param));
    NL_TRY(combine(g, h, "_composed", param[0], channels, &filter, &composed[0]));
    if (param[1] != NL_NONE) NL_TRY(combine(g, h, "_composed_b", param[1], 1, &bias, &composed[1]));
    return score(g, h, composed, x, y);
}

/* The same where the vectors are pooled before they are scored. */
static nl_status score_pooled(struct nl_graph *g, const struct half *h, nl_value x, nl_value *y)
{
    const nl_tensor half = one_filter(g, h->inner);
    nl_value vectors, filter[2] = {NL_NONE, NL_NONE};
    NL_TRY(nl_block_project(g, h->site, h->part, h->inner, x, &vectors));
    NL_TRY(nl_block_pool_after(g, h->site, "phi_pool", vectors, &vectors));
    NL_TRY(nl_graph_view(g, h->w_f, &half, h->from, &filter[0]));
    return score(g, h, filter, vectors, y);
}

static nl_status build(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z)
{
    const union nl_attr attr = {
        .pairwise = {.score = NL_SCORE_SUM, .f = NL_F_RELU, .norm = NL_NORM_COUNT, .scale = 1}};
    const int64_t d = nl_block_inner(g, site, x), both = 2 * d;
    const struct nl_init init = {NL_INIT_NORMAL, site->options->conv_init_std};
    struct half theta = {site, "theta", NL_NONE, 0, d}, phi = {site, "phi", NL_NONE, d, d};
    struct nl_block_parts parts;
    nl_value keys, values, y;
    char name[128];

    snprintf(name, sizeof name, "%s_w_f", site->name);
    NL_TRY(nl_graph_param(g, name, 1, &both, NL_ROLE_FILTER, init, &theta.w_f));
    phi.w_f = theta.w_f;
    NL_TRY(score_composed(g, &theta, x, &parts.q));
    NL_TRY(nl_block_key_side(g, site, x, &keys));
    NL_TRY((nl_block_pools_after(site) ? score_pooled : score_composed)(g, &phi, keys, &parts.k));
    NL_TRY(nl_block_project(g, site, "g", d, keys, &values));
    NL_TRY(nl_block_pool_after(g, site, "g_pool", values, &parts.v));
    NL_TRY(nl_block_relate(g, site, &parts, &attr, &y));
    return nl_block_finish(g, site, y, x, z);
}

const struct nl_block nl_block_concatenation = {
    .name = "concatenation",
    .alias = "concat",
    .source = "Wang et al. 2018, arXiv:1711.07971, section 3.2, concatenation",
    .build = build,
};
