/* names.h - parameter names: the original program's, and Caffe2's for the same parts.
 *
 * original_program.md 3.1. Both spellings of a part are made from one description, so that a name
 * is understood only if it is exactly what would be written for it.
 */
#ifndef NL_PART_NAMES_H
#define NL_PART_NAMES_H

#include <stdbool.h>
#include <stddef.h>

typedef enum {
    NL_PART_CONV1,    /* conv1_weights */
    NL_PART_CONV1_BN, /* bn_conv1_LEAF */
    NL_PART_CONV,     /* res{stage}{block}_branch{branch}_weights */
    NL_PART_BN,       /* bn{stage}{block}_branch{branch}_LEAF */
    NL_PART_BLOCK,    /* nonlocal_conv{stage}_{index}_LEAF: theta_w, out_b, w_f, affine_s ... */
    NL_PART_BLOCK_BN, /* nonlocal_conv{stage}_{index}_bn_LEAF */
    NL_PART_PRED      /* pred_w, pred_b */
} nl_part_kind;

struct nl_part {
    nl_part_kind kind;
    int stage, index; /* of CONV to BLOCK_BN; index counts residual blocks from 0 */
    bool grouped; /* of a block: res3 of affine networks, nonlocal_conv3_group_{index} */
    bool numbered;    /* block written b1, b2, ... as in res4 of depth 101; else a letter */
    char branch[4];   /* "1", "2a", "2b", "2c" */
    char leaf[16];    /* BN: scale, offset, mean, variance; else the rest of the name */
};

enum { NL_PART_NAME_MAX = 64 };

/* Whether `name` is one of the original's, and which part it names. */
bool nl_part_parse(const char *name, struct nl_part *part);
/* The same for Caffe2's blob names; `numbered` stays false. */
bool nl_part_parse_caffe2(const char *name, struct nl_part *part);

/* The part's name; `out` holds NL_PART_NAME_MAX bytes. Returns out. */
char *nl_part_name(const struct nl_part *part, char *out);
char *nl_part_name_caffe2(const struct nl_part *part, char *out);

/* Whether a name occurs in Caffe2's files only. */
bool nl_part_only_caffe2(const char *name);

#endif
