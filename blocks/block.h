/* block.h - a non-local block variant is one const description.
 *
 * A block turns x [N,T,H,W,C] into z of the same shape, z = BN(W_z y) + x with
 * y_i = 1/C(x) sum_j f(x_i, x_j) g(x_j)   (Wang et al. 2018, arXiv 1711.07971, Eq. 1 and 6).
 * It appends graph nodes; it never runs kernels. A new variant is one file with such a
 * description at its end and one line in blocks.def, or a plug-in.
 */
#ifndef NL_BLOCK_H
#define NL_BLOCK_H

#include "src/core/config.h"
#include "src/graph/graph.h"

/* Where a block stands and with which switches. */
struct nl_block_site {
    const char *name; /* prefix of its parameters and nodes, "nonlocal_conv4_3" */
    int stage, index; /* after residual block `index` of res`stage` */
    const struct nl_block_options *options;
};

struct nl_block {
    const char *name;   /* the word a config file uses */
    const char *alias;  /* a shorter one, or NULL */
    const char *source; /* paper and equation this file implements */
    nl_status (*build)(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                       nl_value *z);
};

/* Built-in variants, NULL-terminated; defined in blocks/registry.c from blocks.def. */
extern const struct nl_block *const nl_blocks[];

/* Adds a plug-in's variant, which must stay valid. NL_EINVAL if name or alias is taken or 16 are
 * there. */
nl_status nl_block_register(const struct nl_block *block);

/* The i-th known variant, built-in ones first; NULL past the end. */
const struct nl_block *nl_block_at(int i);

/* By name or alias. NL_EUSAGE and the known names if there is none. */
nl_status nl_block_find(const char *name, const struct nl_block **out) NL_MUST_CHECK;

/* Appends the block that site->options->pairwise names, and its note for `info`. NL_EUSAGE for
 * switches that do not fit the shape (frames not divisible by the group). */
nl_status nl_block_append(struct nl_graph *g, const struct nl_block_site *site, nl_value x,
                          nl_value *z) NL_MUST_CHECK;

#endif
