#include "src/weights/names.h"

#include <stdio.h>
#include <string.h>

/* BN leaves in the original's and Caffe2's words. Caffe2's riv is the variance, not its inverse. */
static const char *const leaves[][2] = {
    {"scale", "s"}, {"offset", "b"}, {"mean", "rm"}, {"variance", "riv"}};
enum { N_LEAVES = sizeof leaves / sizeof leaves[0] };

/* Translates leaf `from` of spelling `a` into spelling `b`; NULL if it is none. */
static const char *translate(const char *from, int a, int b)
{
    for (int i = 0; i < N_LEAVES; i++)
        if (strcmp(leaves[i][a], from) == 0) return leaves[i][b];
    return NULL;
}

/* A non-local block's, in a group of frames or not. */
static bool scan_block(const char *name, struct nl_part *part)
{
    int *const stage = &part->stage, *const index = &part->index;
    char *const leaf = part->leaf;
    part->kind = NL_PART_BLOCK_BN;
    part->grouped = true;
    if (sscanf(name, "nonlocal_conv%1d_group_%3d_bn_%15s", stage, index, leaf) == 3) return true;
    part->kind = NL_PART_BLOCK;
    if (sscanf(name, "nonlocal_conv%1d_group_%3d_%15s", stage, index, leaf) == 3) return true;
    part->kind = NL_PART_BLOCK_BN;
    part->grouped = false;
    if (sscanf(name, "nonlocal_conv%1d_%3d_bn_%15s", stage, index, leaf) == 3) return true;
    part->kind = NL_PART_BLOCK;
    return sscanf(name, "nonlocal_conv%1d_%3d_%15s", stage, index, leaf) == 3;
}

/* The scans here are loose (sscanf skips blanks, takes signs); spelling the result out again and
 * comparing makes them exact. */
static bool scan(const char *name, struct nl_part *part, char block[8])
{
    *part = (struct nl_part){.kind = NL_PART_CONV1};
    if (strcmp(name, "conv1_weights") == 0) return true;
    part->kind = NL_PART_PRED;
    if (sscanf(name, "pred_%15s", part->leaf) == 1) return true;
    part->kind = NL_PART_CONV1_BN;
    if (sscanf(name, "bn_conv1_%15s", part->leaf) == 1) return true;
    if (scan_block(name, part)) return true;
    part->kind = NL_PART_CONV;
    if (sscanf(name, "res%1d%7[a-z0-9]_branch%3[0-9a-c]_%15s", &part->stage, block, part->branch,
               part->leaf) == 4)
        return true;
    part->kind = NL_PART_BN;
    return sscanf(name, "bn%1d%7[a-z0-9]_branch%3[0-9a-c]_%15s", &part->stage, block, part->branch,
                  part->leaf) == 4;
}

static bool scan_caffe2(const char *name, struct nl_part *part)
{
    char leaf[16] = "";
    *part = (struct nl_part){.kind = NL_PART_CONV1};
    if (strcmp(name, "conv1_w") == 0) return true;
    part->kind = NL_PART_PRED;
    if (sscanf(name, "pred_%15s", part->leaf) == 1) return true;
    part->kind = NL_PART_CONV1_BN;
    bool bn = sscanf(name, "res_conv1_bn_%15s", leaf) == 1;
    if (!bn) {
        part->kind = NL_PART_BLOCK_BN;
        bn = sscanf(name, "nonlocal_conv%1d_%3d_bn_%15s", &part->stage, &part->index, leaf) == 3;
    }
    if (!bn) {
        part->kind = NL_PART_BN;
        bn = sscanf(name, "res%1d_%3d_branch%3[0-9a-c]_bn_%15s", &part->stage, &part->index,
                    part->branch, leaf) == 4;
    }
    if (bn) {
        const char *ours = translate(leaf, 1, 0);
        snprintf(part->leaf, sizeof part->leaf, "%s", ours ? ours : "");
        return ours != NULL;
    }
    part->kind = NL_PART_BLOCK;
    if (sscanf(name, "nonlocal_conv%1d_%3d_%15s", &part->stage, &part->index, part->leaf) == 3)
        return true;
    part->kind = NL_PART_CONV;
    return sscanf(name, "res%1d_%3d_branch%3[0-9a-c]_%15s", &part->stage, &part->index,
                  part->branch, leaf) == 4 &&
           strcmp(leaf, "w") == 0;
}

static bool is_block_leaf(const char *leaf)
{
    static const char *const known[] = {"theta_w", "theta_b", "phi_w", "phi_b",    "g_w",     "g_b",
                                        "out_w",   "out_b",   "w_f",   "affine_s", "affine_b"};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(leaf, known[i]) == 0) return true;
    return false;
}

static bool is_leaf(const struct nl_part *part)
{
    switch (part->kind) {
    case NL_PART_CONV1_BN:
    case NL_PART_BN:
    case NL_PART_BLOCK_BN:
        return translate(part->leaf, 0, 1) != NULL;
    case NL_PART_CONV:
        return strcmp(part->leaf, "weights") == 0;
    case NL_PART_PRED:
        return strcmp(part->leaf, "w") == 0 || strcmp(part->leaf, "b") == 0;
    case NL_PART_BLOCK:
        return is_block_leaf(part->leaf);
    case NL_PART_CONV1:
        return true;
    }
    return false;
}

bool nl_part_parse(const char *name, struct nl_part *part)
{
    char block[8] = "", back[NL_PART_NAME_MAX];
    if (!scan(name, part, block)) return false;
    if (block[0]) {
        part->numbered = sscanf(block, "b%3d", &part->index) == 1;
        if (!part->numbered) part->index = block[0] - 'a';
    }
    return is_leaf(part) && strcmp(nl_part_name(part, back), name) == 0;
}

bool nl_part_parse_caffe2(const char *name, struct nl_part *part)
{
    char back[NL_PART_NAME_MAX];
    if (!scan_caffe2(name, part)) return false;
    if (part->kind == NL_PART_CONV) snprintf(part->leaf, sizeof part->leaf, "weights");
    return is_leaf(part) && strcmp(nl_part_name_caffe2(part, back), name) == 0;
}

char *nl_part_name(const struct nl_part *part, char *out)
{
    const size_t size = NL_PART_NAME_MAX;
    char block[16] = "?";
    const char *group = part->grouped ? "group_" : "";
    if (part->numbered)
        snprintf(block, sizeof block, "b%d", part->index);
    else if (part->index >= 0 && part->index < 26)
        snprintf(block, sizeof block, "%c", 'a' + part->index);
    switch (part->kind) {
    case NL_PART_CONV1:
        snprintf(out, size, "conv1_weights");
        break;
    case NL_PART_CONV1_BN:
        snprintf(out, size, "bn_conv1_%s", part->leaf);
        break;
    case NL_PART_CONV:
        snprintf(out, size, "res%d%s_branch%s_weights", part->stage, block, part->branch);
        break;
    case NL_PART_BN:
        snprintf(out, size, "bn%d%s_branch%s_%s", part->stage, block, part->branch, part->leaf);
        break;
    case NL_PART_BLOCK:
        snprintf(out, size, "nonlocal_conv%d_%s%d_%s", part->stage, group, part->index, part->leaf);
        break;
    case NL_PART_BLOCK_BN:
        snprintf(out, size, "nonlocal_conv%d_%s%d_bn_%s", part->stage, group, part->index,
                 part->leaf);
        break;
    case NL_PART_PRED:
        snprintf(out, size, "pred_%s", part->leaf);
        break;
    }
    return out;
}

char *nl_part_name_caffe2(const struct nl_part *part, char *out)
{
    const size_t size = NL_PART_NAME_MAX;
    const char *bn = translate(part->leaf, 0, 1);
    if (!bn) bn = "?";
    switch (part->kind) {
    case NL_PART_CONV1:
        snprintf(out, size, "conv1_w");
        break;
    case NL_PART_CONV1_BN:
        snprintf(out, size, "res_conv1_bn_%s", bn);
        break;
    case NL_PART_CONV:
        snprintf(out, size, "res%d_%d_branch%s_w", part->stage, part->index, part->branch);
        break;
    case NL_PART_BN:
        snprintf(out, size, "res%d_%d_branch%s_bn_%s", part->stage, part->index, part->branch, bn);
        break;
    case NL_PART_BLOCK:
        snprintf(out, size, "nonlocal_conv%d_%d_%s", part->stage, part->index, part->leaf);
        break;
    case NL_PART_BLOCK_BN:
        snprintf(out, size, "nonlocal_conv%d_%d_bn_%s", part->stage, part->index, bn);
        break;
    case NL_PART_PRED:
        snprintf(out, size, "pred_%s", part->leaf);
        break;
    }
    return out;
}

bool nl_part_only_caffe2(const char *name)
{
    struct nl_part part;
    if (!nl_part_parse_caffe2(name, &part)) return false;
    return part.kind == NL_PART_CONV1 || part.kind == NL_PART_CONV1_BN ||
           part.kind == NL_PART_CONV || part.kind == NL_PART_BN || part.kind == NL_PART_BLOCK_BN;
}
