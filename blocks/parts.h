/* parts.h - what the variants have in common, so that each file states only what sets it apart. */
#ifndef NL_BLOCK_PARTS_H
#define NL_BLOCK_PARTS_H

#include "blocks/block.h"

/* Queries, keys and values before folding: q [N,T,H,W,d], k and v [N,T',H',W',.]. */
struct nl_block_parts {
    nl_value q, k, v;
};

/* 1x1x1 convolution NAME_PART with `filters` outputs (and bias unless no_bias). */
nl_status nl_block_project(struct nl_graph *g, const struct nl_block_site *site, const char *part,
                           int64_t filters, nl_value x, nl_value *y);

/* The parameters alone of such a convolution from `channels` inputs: filters [filters,1,1,1,channels]
 * and bias (NL_NONE with no_bias). */
nl_status nl_block_projection(struct nl_graph *g, const struct nl_block_site *site,
                              const char *part, int64_t filters, int64_t channels,
                              nl_value param[2]);

/* d: options->inner, or half of x's channels (at least 1). */
int64_t nl_block_inner(const struct nl_graph *g, const struct nl_block_site *site, nl_value x);

/* The keys' side of x: max-pooled where pool is "before" (once for phi and g), else x. */
nl_status nl_block_key_side(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                            nl_value *y);

/* `v` max-pooled where pool is "after", else `v`. `part` names the node. */
nl_status nl_block_pool_after(struct nl_graph *g, const struct nl_block_site *site,
                              const char *part, nl_value v, nl_value *y);

/* Whether that is so. */
bool nl_block_pools_after(const struct nl_block_site *site);

/* theta(x), phi and g of the key side, pooled as the switches say. */
nl_status nl_block_embed(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                         struct nl_block_parts *parts);

/* Folds the parts by extent and groups, relates them, and unfolds y to [N,T,H,W,e]. attr->scale is
 * multiplied as given. */
nl_status nl_block_relate(struct nl_graph *g, const struct nl_block_site *site,
                          const struct nl_block_parts *parts, const union nl_attr *attr,
                          nl_value *y);

/* z = BN(W_z y) + x, with the switches bias, BN, affine and initial values. */
nl_status nl_block_finish(struct nl_graph *g, const struct nl_block_site *site, nl_value y,
                          nl_value x, nl_value *z);

/* The factor on the scores that `scale` asks for: inner^-1/2, 1, or C^-1/2. */
double nl_block_scale(const struct nl_graph *g, const struct nl_block_site *site, nl_value x);

#endif
