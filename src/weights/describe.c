#include "src/weights/describe.h"

#include "src/core/text.h"
#include "src/weights/fit.h"
#include "src/weights/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* original_program.md 2 and 2.1: residual blocks of res2..res5, frames of conv1, and where a block
 * begins with a 3x1x1 convolution: at even places, odd places, or nowhere. */
typedef enum { NOWHERE, EVERYWHERE, EVEN, ODD } places;
static const struct {
    const char *name;
    int stages[NL_STAGES], conv1_frames;
    places temporal[NL_STAGES];
} arcs[] = {
    {"C2D-ResNet50", {3, 4, 6, 3}, 1, {NOWHERE, NOWHERE, NOWHERE, NOWHERE}},
    {"I3D-ResNet50", {3, 4, 6, 3}, 5, {EVERYWHERE, EVEN, EVEN, ODD}},
    {"C2D-ResNet101", {3, 4, 23, 3}, 1, {NOWHERE, NOWHERE, NOWHERE, NOWHERE}},
    {"I3D-ResNet101", {3, 4, 23, 3}, 5, {EVERYWHERE, EVEN, EVEN, ODD}},
};

const char *nl_network_arc_name(int arc)
{
    return arc >= 1 && arc <= (int)NL_COUNT(arcs) ? arcs[arc - 1].name : NULL;
}

/* Temporal extent of a kernel; a 4-D one has none, which is 1. */
static int frames_of(const struct nl_entry *kernel)
{
    const int64_t frames = kernel->rank == 5 ? kernel->dim[2] : 1;
    return frames > 0 && frames < 100 ? (int)frames : 0;
}

static struct nl_network_block *block_at(struct nl_network *network, int stage, int index)
{
    int at = 0;
    while (at < network->n_blocks &&
           (network->blocks[at].stage < stage ||
            (network->blocks[at].stage == stage && network->blocks[at].index < index)))
        at++;
    struct nl_network_block *block = &network->blocks[at];
    if (at < network->n_blocks && block->stage == stage && block->index == index) return block;
    if (network->n_blocks == NL_BLOCKS_MAX) return NULL;
    memmove(block + 1, block, (size_t)(network->n_blocks - at) * sizeof *block);
    *block = (struct nl_network_block){.stage = stage, .index = index};
    network->n_blocks++;
    return block;
}

static void note_block(struct nl_network *network, const struct nl_part *part,
                       const struct nl_entry *entry)
{
    struct nl_network_block *block = block_at(network, part->stage, part->index);
    if (!block) return;
    const char *leaf = part->leaf;
    if (part->kind == NL_PART_BLOCK_BN)
        block->bn = true;
    else if (strcmp(leaf, "theta_w") == 0)
        block->theta = true;
    else if (strcmp(leaf, "phi_w") == 0)
        block->phi = true;
    else if (strcmp(leaf, "w_f") == 0)
        block->w_f = true;
    else if (strncmp(leaf, "affine_", 7) == 0)
        block->affine = true;
    else if (strlen(leaf) > 2 && strcmp(leaf + strlen(leaf) - 2, "_b") == 0)
        block->bias = true;
    if (strcmp(leaf, "out_w") == 0 && entry->rank >= 2) {
        block->channels = entry->dim[0];
        block->inner = entry->dim[1];
    }
}

/* Residual blocks are numbered from 0; a stage has as many as its last one says. */
static void note_conv(struct nl_network *network, const struct nl_part *part)
{
    int *count = &network->stages[part->stage - 2];
    if (part->index >= *count) *count = part->index + 1;
}

static void note(struct nl_network *network, const struct nl_entry *entry, bool *statistics)
{
    struct nl_part part;
    if (!nl_part_parse(entry->name, &part)) return;
    const bool staged = part.stage >= 2 && part.stage <= 5 && part.index >= 0;
    switch (part.kind) {
    case NL_PART_CONV1:
        network->width = entry->rank ? entry->dim[0] : 0;
        network->conv1_frames = frames_of(entry);
        break;
    case NL_PART_CONV:
        if (staged) note_conv(network, &part);
        break;
    case NL_PART_BLOCK:
    case NL_PART_BLOCK_BN:
        if (staged) note_block(network, &part, entry);
        break;
    case NL_PART_CONV1_BN:
    case NL_PART_BN:
        if (strcmp(part.leaf, "mean") == 0) *statistics = true;
        if (strcmp(part.leaf, "scale") == 0) network->affine = true;
        break;
    case NL_PART_PRED:
        break;
    }
}

static bool is_temporal(places where, int index)
{
    return where == EVERYWHERE || (where == EVEN && index % 2 == 0) ||
           (where == ODD && index % 2 == 1);
}

static bool kernels_agree(const struct nl_state *state, int arc, bool numbered)
{
    char name[NL_PART_NAME_MAX];
    for (int s = 0; s < NL_STAGES; s++)
        for (int i = 0; i < arcs[arc].stages[s]; i++) {
            const struct nl_part part = {.kind = NL_PART_CONV,
                                         .stage = s + 2,
                                         .index = i,
                                         .branch = "2a",
                                         .numbered = numbered && s == 2 && i > 0};
            const struct nl_entry *kernel = nl_state_find(state, nl_part_name(&part, name));
            const int want = is_temporal(arcs[arc].temporal[s], i) ? 3 : 1;
            if (!kernel || frames_of(kernel) != want) return false;
        }
    return true;
}

static int arc_of(const struct nl_state *state, const struct nl_network *network)
{
    for (int i = 0; i < (int)NL_COUNT(arcs); i++) {
        const bool counts = memcmp(arcs[i].stages, network->stages, sizeof network->stages) == 0;
        if (counts && network->conv1_frames == arcs[i].conv1_frames &&
            kernels_agree(state, i, arcs[i].stages[2] > 6))
            return i + 1;
    }
    return 0;
}

static int64_t classes_of(const struct nl_state *state)
{
    const struct nl_entry *bias = nl_state_find(state, "pred_b");
    const struct nl_entry *weights = nl_state_find(state, "pred_w");
    if (bias && bias->rank == 1) return bias->dim[0];
    switch (weights ? nl_pred_read(state->origin, weights, 0) : NL_PRED_UNTOLD) {
    case NL_PRED_PLAIN:
    case NL_PRED_PADDLE_AXES:
        return weights->dim[0];
    case NL_PRED_PADDLE_MATRIX:
        return weights->dim[1];
    case NL_PRED_UNTOLD:
        break;
    }
    return 0;
}

void nl_network_describe(const struct nl_state *state, struct nl_network *network)
{
    bool statistics = false;
    *network = (struct nl_network){.arc = 0};
    if (state->nameless) return;
    for (int i = 0; i < state->count; i++) note(network, &state->list[i], &statistics);
    if (statistics) network->affine = false;
    network->classes = classes_of(state);
    network->arc = arc_of(state, network);
}

char *nl_network_text(const struct nl_network *network, char *out, size_t size)
{
    struct nl_text text = {.data = NULL};
    if (network->arc)
        nl_text_add(&text, "%s (video_arc_choice %d)", arcs[network->arc - 1].name, network->arc);
    else
        nl_text_add(&text,
                    "no known network (residual blocks %d, %d, %d, %d; conv1 over %d frames)",
                    network->stages[0], network->stages[1], network->stages[2], network->stages[3],
                    network->conv1_frames);
    if (network->width) nl_text_add(&text, ", width %" PRId64, network->width);
    if (network->classes) nl_text_add(&text, ", %" PRId64 " classes", network->classes);
    if (network->affine) nl_text_add(&text, ", affine");
    nl_text_add(&text, network->n_blocks ? ", non-local blocks" : ", no non-local blocks");
    int stage = 0;
    for (int i = 0; i < network->n_blocks; i++) {
        const struct nl_network_block *block = &network->blocks[i];
        if (block->stage != stage)
            nl_text_add(&text, "%sres%d: %d", stage ? "; " : " ", block->stage, block->index);
        else
            nl_text_add(&text, ", %d", block->index);
        stage = block->stage;
    }
    snprintf(out, size, "%s", text.data ? text.data : "");
    nl_text_clear(&text);
    return out;
}
