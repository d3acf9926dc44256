#include "blocks/parts.h"

#include "src/graph/layers.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME = 128 };

static const char *named(char out[NAME], const struct nl_block_site *site, const char *suffix)
{
    snprintf(out, NAME, "%s_%s", site->name, suffix);
    return out;
}

int64_t nl_block_inner(const struct nl_graph *g, const struct nl_block_site *site, nl_value x)
{
    const int64_t half = nl_graph_tensor(g, x)->dim[4] / 2;
    if (site->options->inner > 0) return site->options->inner;
    return half > 0 ? half : 1;
}

double nl_block_scale(const struct nl_graph *g, const struct nl_block_site *site, nl_value x)
{
    switch (site->options->scale) {
    case NL_SCALE_INNER:
        return 1 / sqrt((double)nl_block_inner(g, site, x));
    case NL_SCALE_IN:
        return 1 / sqrt((double)nl_graph_tensor(g, x)->dim[4]);
    default:
        return 1;
    }
}

static nl_status project(struct nl_graph *g, const struct nl_block_site *site, const char *part,
                         int64_t filters, double deviation, nl_value x, nl_value *y)
{
    char name[NAME], weights[NAME + 2], bias[NAME + 2];
    named(name, site, part);
    snprintf(weights, sizeof weights, "%s_w", name);
    snprintf(bias, sizeof bias, "%s_b", name);
    const struct nl_conv_layer layer = {.name = name,
                                        .weights = weights,
                                        .bias = site->options->no_bias ? NULL : bias,
                                        .filters = filters,
                                        .kernel = {1, 1, 1},
                                        .stride = {1, 1, 1},
                                        .role = NL_ROLE_FILTER,
                                        .init = {NL_INIT_NORMAL, deviation}};
    return nl_layer_conv(g, &layer, x, y);
}

nl_status nl_block_project(struct nl_graph *g, const struct nl_block_site *site, const char *part,
                           int64_t filters, nl_value x, nl_value *y)
{
    return project(g, site, part, filters, site->options->conv_init_std, x, y);
}

nl_status nl_block_projection(struct nl_graph *g, const struct nl_block_site *site,
                              const char *part, int64_t filters, int64_t channels,
                              nl_value param[2])
{
    const int64_t dim[5] = {filters, 1, 1, 1, channels};
    const struct nl_init init = {NL_INIT_NORMAL, site->options->conv_init_std},
                         zero = {NL_INIT_CONSTANT, 0};
    char name[NAME], full[NAME + 2];
    snprintf(full, sizeof full, "%s_w", named(name, site, part));
    NL_TRY(nl_graph_param(g, full, 5, dim, NL_ROLE_FILTER, init, &param[0]));
    param[1] = NL_NONE;
    if (site->options->no_bias) return NL_OK;
    snprintf(full, sizeof full, "%s_b", name);
    return nl_graph_param(g, full, 1, dim, NL_ROLE_BIAS, zero, &param[1]);
}

static nl_status max_pool(struct nl_graph *g, const struct nl_block_site *site, const char *part,
                          nl_value x, nl_value *y)
{
    char name[NAME];
    return nl_layer_pool(g, NL_OP_MAX_POOL, named(name, site, part), site->options->pool_size,
                         site->options->pool_size, x, y);
}

/* Frames are related pixel by pixel along time, so there is nothing to sub-sample there. */
static bool pools(const struct nl_block_site *site, nl_pool_kind kind)
{
    return site->options->extent != NL_EXTENT_TIME && site->options->pool == (int)kind;
}

bool nl_block_pools_after(const struct nl_block_site *site)
{
    return pools(site, NL_POOL_AFTER);
}

static bool is_pooled(const struct nl_block_site *site)
{
    return pools(site, NL_POOL_BEFORE) || pools(site, NL_POOL_AFTER);
}

nl_status nl_block_key_side(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                            nl_value *y)
{
    *y = x;
    return pools(site, NL_POOL_BEFORE) ? max_pool(g, site, "pool", x, y) : NL_OK;
}

nl_status nl_block_pool_after(struct nl_graph *g, const struct nl_block_site *site,
                              const char *part, nl_value v, nl_value *y)
{
    *y = v;
    return pools(site, NL_POOL_AFTER) ? max_pool(g, site, part, v, y) : NL_OK;
}

nl_status nl_block_embed(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                         struct nl_block_parts *parts)
{
    const int64_t d = nl_block_inner(g, site, x);
    nl_value keys, phi, values;
    NL_TRY(nl_block_project(g, site, "theta", d, x, &parts->q));
    NL_TRY(nl_block_key_side(g, site, x, &keys));
    NL_TRY(nl_block_project(g, site, "phi", d, keys, &phi));
    NL_TRY(nl_block_project(g, site, "g", d, keys, &values));
    NL_TRY(nl_block_pool_after(g, site, "phi_pool", phi, &parts->k));
    return nl_block_pool_after(g, site, "g_pool", values, &parts->v);
}

/* Frames of t that see each other: all, or the group. */
static nl_status group_of(const struct nl_block_site *site, int64_t frames, int64_t *group)
{
    const int64_t wanted = site->options->group_size;
    *group = wanted && site->options->extent == NL_EXTENT_SPACETIME ? wanted : frames;
    NL_REQUIRE(frames % *group == 0, NL_EUSAGE,
               "%s: NONLOCAL.group_size %lld does not divide the %lld frames of its feature map",
               site->name, (long long)*group, (long long)frames);
    return NL_OK;
}

/* A view [B0,B1,positions,channels] of v [N,T,H,W,C] in which each (B0,B1) is one attention.
 * `groups` is how many parts the frames are split into (spacetime). */
static nl_status fold(struct nl_graph *g, const struct nl_block_site *site, nl_value v,
                      int64_t groups, nl_value *out)
{
    const nl_tensor *t = nl_graph_tensor(g, v);
    const int64_t n = t->dim[0], frames = t->dim[1], pixels = t->dim[2] * t->dim[3], c = t->dim[4];
    nl_tensor view = {.type = t->type, .rank = 4};
    switch (site->options->extent) {
    case NL_EXTENT_SPACE:
        view = nl_tensor_dense(t->type, 4, (const int64_t[]){n, frames, pixels, c});
        break;
    case NL_EXTENT_TIME: {
        const nl_tensor dense =
            nl_tensor_dense(t->type, 4, (const int64_t[]){n, frames, pixels, c});
        view = nl_tensor_permute(&dense, (const int[]){0, 2, 1, 3});
        break;
    }
    default:
        view =
            nl_tensor_dense(t->type, 4, (const int64_t[]){n, groups, frames / groups * pixels, c});
    }
    return nl_graph_view(g, v, &view, 0, out);
}

/* What `info` says; the pairwise node is the last one. */
static nl_status note(struct nl_graph *g, const struct nl_block_site *site, int64_t channels)
{
    const struct nl_node *node = &g->nodes[g->n_nodes - 1];
    const nl_tensor *q = nl_graph_tensor(g, node->in[0]), *v = nl_graph_tensor(g, node->in[2]);
    struct nl_block_note note = {.stage = site->stage,
                                 .index = site->index,
                                 .node = g->n_nodes - 1,
                                 .queries = q->dim[2],
                                 .keys = v->dim[2],
                                 .attentions = q->dim[0] * q->dim[1],
                                 .channels = channels,
                                 .inner = v->dim[3]};
    snprintf(note.name, sizeof note.name, "%s", site->name);
    const struct nl_block *block = NULL;
    NL_TRY(nl_block_find(site->options->pairwise, &block));
    snprintf(note.variant, sizeof note.variant, "%s", block->name);
    return nl_graph_add_note(g, &note);
}

nl_status nl_block_relate(struct nl_graph *g, const struct nl_block_site *site,
                          const struct nl_block_parts *parts, const union nl_attr *attr,
                          nl_value *y)
{
    const nl_tensor q = *nl_graph_tensor(g, parts->q), v = *nl_graph_tensor(g, parts->v);
    int64_t group;
    nl_value in[3], folded;
    char name[NAME];

    NL_TRY(group_of(site, q.dim[1], &group));
    const int64_t groups = q.dim[1] / group;
    NL_REQUIRE(v.dim[1] % groups == 0 &&
                   (groups == 1 || !is_pooled(site) || group % site->options->pool_size[0] == 0),
               NL_EUSAGE,
               "%s: groups of %lld frames are no multiple of the %d that NONLOCAL.pool_size pools",
               site->name, (long long)group, site->options->pool_size[0]);
    NL_REQUIRE(site->options->extent != NL_EXTENT_SPACE || v.dim[1] == q.dim[1], NL_EUSAGE,
               "%s: NONLOCAL.extent space relates positions of a frame, but NONLOCAL.pool_size "
               "leaves %lld of %lld frames; want 1 in time",
               site->name, (long long)v.dim[1], (long long)q.dim[1]);
    NL_TRY(fold(g, site, parts->q, groups, &in[0]));
    NL_TRY(fold(g, site, parts->k, groups, &in[1]));
    NL_TRY(fold(g, site, parts->v, groups, &in[2]));
    NL_TRY(nl_graph_append(g, NL_OP_PAIRWISE, named(name, site, "pairwise"), attr, in, 3, &folded));
    struct nl_node *node = &g->nodes[g->n_nodes - 1];
    snprintf(node->force, sizeof node->force, "%.31s", site->options->impl);
    NL_TRY(note(g, site, 2 * v.dim[4]));
    const nl_tensor whole = nl_tensor_dense(
        q.type, 5, (const int64_t[]){q.dim[0], q.dim[1], q.dim[2], q.dim[3], v.dim[4]});
    return nl_graph_view(g, folded, &whole, 0, y);
}

static nl_status normalise(struct nl_graph *g, const struct nl_block_site *site, nl_value *w)
{
    const struct nl_block_options *opt = site->options;
    char name[NAME], bn_name[NAME], scale[NAME], offset[NAME];
    const struct nl_bn_layer bn = {named(bn_name, site, "bn"), opt->bn_epsilon, opt->bn_momentum,
                                   opt->bn_init_gamma};
    if (opt->use_bn) NL_TRY(nl_layer_bn(g, &bn, *w, w));
    if (opt->use_affine)
        NL_TRY(nl_layer_affine(g, named(name, site, "affine"), named(scale, site, "affine_s"),
                               named(offset, site, "affine_b"), *w, w));
    return NL_OK;
}

nl_status nl_block_finish(struct nl_graph *g, const struct nl_block_site *site, nl_value y,
                          nl_value x, nl_value *z)
{
    const struct nl_block_options *opt = site->options;
    const int64_t channels = nl_graph_tensor(g, x)->dim[4];
    /* Without a BN whose gamma is zero only W_z itself can make the block start as the identity. */
    const bool zero = opt->use_zero_init_conv || !opt->use_bn;
    char name[NAME];
    nl_value w;
    NL_TRY(project(g, site, "out", channels, zero ? 0 : opt->conv_init_std, y, &w));
    NL_TRY(normalise(g, site, &w));
    for (int i = 0; i < g->n_notes; i++)
        if (strcmp(g->notes[i].name, site->name) == 0) g->notes[i].channels = channels;
    return nl_layer_add(g, named(name, site, "sum"), w, x, z);
}
