#include "models/arc.h"

#include <stdio.h>
#include <string.h>

static const struct nl_arc arcs[] = {
    {1, "C2D-ResNet50", 50, {3, 4, 6, 3}, 1, {"0", "0", "0", "0"}},
    {2, "I3D-ResNet50", 50, {3, 4, 6, 3}, 5, {"1", "10", "10", "01"}},
    {3, "C2D-ResNet101", 101, {3, 4, 23, 3}, 1, {"0", "0", "0", "0"}},
    {4, "I3D-ResNet101", 101, {3, 4, 23, 3}, 5, {"1", "10", "10", "01"}},
};

const struct nl_arc *nl_arc_find(int choice)
{
    return choice >= 1 && choice <= (int)NL_COUNT(arcs) ? &arcs[choice - 1] : NULL;
}

bool nl_arc_is_temporal(const struct nl_arc *arc, int stage, int index)
{
    const char *pattern = arc->temporal[stage - 2];
    return pattern[(size_t)index % strlen(pattern)] == '1';
}

const char *nl_arc_block_letter(const struct nl_arc *arc, int stage, int index, char out[16])
{
    const bool numbered = arc->depth == 101 && stage == 4 && index > 0;
    if (numbered)
        snprintf(out, 16, "b%d", index);
    else
        snprintf(out, 16, "%c", 'a' + index);
    return out;
}

/* Every mod-th residual block of a stage is followed by a non-local one; 0: none is. */
static int modulus(const struct nl_arc *arc, const struct nl_config *config, int stage)
{
    const int mod = config->nonlocal.layer_mod;
    if (stage == 3) return config->nonlocal.conv3_nonlocal ? (arc->depth == 101 ? 2 : mod) : 0;
    if (stage == 4)
        return config->nonlocal.conv4_nonlocal ? (arc->depth == 101 ? 4 * mod - 1 : mod) : 0;
    return 0;
}

/* The switches of a block without its own. The original's affine networks relate res3's frames
 * in groups of four (original_program.md 2.5). */
static struct nl_block_options stage_options(const struct nl_config *config, int stage)
{
    struct nl_block_options options = config->nonlocal.options;
    const int group = config->nonlocal.group_of_stage[stage - 2];
    if (group >= 0) options.group_size = group;
    if (config->model.use_affine && stage == 3 && options.group_size == 0) options.group_size = 4;
    return options;
}

static nl_status placed_by_rule(const struct nl_arc *arc, const struct nl_config *config,
                                struct nl_block_place *places, int *count)
{
    for (int stage = 3; stage <= 4; stage++) {
        const int mod = modulus(arc, config, stage);
        for (int i = 0; mod > 0 && i < arc->blocks[stage - 2]; i++) {
            if (i % mod != mod - 1) continue;
            places[(*count)++] = (struct nl_block_place){stage, i, stage_options(config, stage)};
        }
    }
    return NL_OK;
}

static bool before(const struct nl_block_place *a, const struct nl_block_place *b)
{
    return a->stage != b->stage ? a->stage < b->stage : a->index < b->index;
}

static nl_status placed_by_hand(const struct nl_arc *arc, const struct nl_config *config,
                                struct nl_block_place *places, int *count)
{
    for (int i = 0; i < config->nonlocal.n_blocks; i++) {
        const struct nl_block_place *place = &config->nonlocal.blocks[i];
        NL_REQUIRE(place->stage >= 2 && place->stage <= 5, NL_EUSAGE,
                   "NONLOCAL.blocks: stages are 2 to 5, not %d", place->stage);
        const int blocks = arc->blocks[place->stage - 2];
        NL_REQUIRE(place->index >= 0 && place->index < blocks, NL_EUSAGE,
                   "NONLOCAL.blocks: res%d of %s has blocks 0 to %d, not %d", place->stage,
                   arc->name, blocks - 1, place->index);
        int at = (*count)++;
        for (; at > 0 && before(place, &places[at - 1]); at--) places[at] = places[at - 1];
        places[at] = *place;
    }
    return NL_OK;
}

nl_status nl_arc_places(const struct nl_arc *arc, const struct nl_config *config,
                        struct nl_block_place places[NL_BLOCKS_MAX], int *count)
{
    *count = 0;
    if (config->nonlocal.blocks_given) return placed_by_hand(arc, config, places, count);
    return placed_by_rule(arc, config, places, count);
}
