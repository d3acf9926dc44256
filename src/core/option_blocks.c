/* NONLOCAL.blocks: where blocks stand, each possibly with switches of its own. */
#include "src/core/option_value.h"

#include <stdlib.h>
#include <string.h>

enum { SWITCHES_FROM = offsetof(struct nl_config, nonlocal.options) };

/* The row that bit 0 of nl_place_override.given means. */
static int first_row(void)
{
    return nl_option_find("NONLOCAL", "bn_momentum");
}

/* True for rows of NONLOCAL that a single block may have of its own. */
static bool is_switch(int index)
{
    const size_t offset = nl_options[index].offset;
    return offset >= SWITCHES_FROM && offset < SWITCHES_FROM + sizeof(struct nl_block_options);
}

static void *switch_at(struct nl_block_options *options, int index)
{
    return (char *)options + (nl_options[index].offset - SWITCHES_FROM);
}

static nl_status at(const struct nl_yaml *yaml, const yaml_node_t *node, const char *what)
{
    char where[NL_YAML_WHERE_MAX];
    return nl_fail(NL_EUSAGE, "%s: NONLOCAL.blocks: %s", nl_yaml_where(yaml, node, where), what);
}

static nl_status unknown_switch(const struct nl_yaml *yaml, const yaml_node_t *node,
                                const char *name)
{
    const char *known[NL_OPTIONS_MAX + 1];
    char where[NL_YAML_WHERE_MAX], shown[128];
    int n = 0;
    for (int i = 0; i < nl_n_options; i++)
        if (is_switch(i)) known[n++] = nl_options[i].key;
    known[n] = NULL;
    const char *near = nl_suggest(name, known);
    return nl_fail(NL_EUSAGE, "%s: NONLOCAL.blocks: a block has no switch %s%s%s",
                   nl_yaml_where(yaml, node, where), nl_text_escape(name, shown, sizeof shown),
                   near ? "; the nearest is " : "", near ? near : "");
}

/* group_size of one block is a number, never a map. */
static nl_status set_group(int *group, const struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *text = nl_yaml_scalar(node);
    char *end = NULL;
    const long number = text ? strtol(text, &end, 10) : -1;
    if (!text || end == text || *end || number < 0 || number > 4096)
        return at(yaml, node, "group_size of one block is a number of frames");
    *group = (int)number;
    return NL_OK;
}

/* One {switch: value, ...} of a block. */
static nl_status set_switches(struct nl_place_override *override, struct nl_yaml *yaml,
                              const yaml_node_t *node)
{
    const char *key;
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        const int index = nl_option_find("NONLOCAL", key);
        if (index < 0 || !is_switch(index)) return unknown_switch(yaml, value, key);
        void *field = switch_at(&override->place.options, index);
        if (nl_options[index].type == NL_OPT_GROUPS)
            NL_TRY(set_group(field, yaml, value));
        else
            NL_TRY(nl_option_set_at(field, index, yaml, value));
        override->given |= (uint64_t)1 << (index - first_row());
    }
    return NL_OK;
}

/* Block `index` of a stage; `node` is where it stands, `switches` its map or NULL. */
static nl_status add_place(struct nl_settings *settings, int stage, const char *index,
                           struct nl_yaml *yaml, const yaml_node_t *node,
                           const yaml_node_t *switches)
{
    int *count = &settings->config.nonlocal.n_blocks;
    char *end = NULL;
    const long number = index ? strtol(index, &end, 10) : -1;
    if (!index || end == index || *end || number < 0 || number > 1000)
        return at(yaml, node, "a residual block is an integer from 0");
    if (*count == NL_BLOCKS_MAX) return at(yaml, node, "too many blocks");
    for (int i = 0; i < *count; i++)
        if (settings->overrides[i].place.stage == stage &&
            settings->overrides[i].place.index == number)
            return at(yaml, node, "a place stands twice");
    struct nl_place_override *override = &settings->overrides[(*count)++];
    *override = (struct nl_place_override){.place = {.stage = stage, .index = (int)number}};
    return switches ? set_switches(override, yaml, switches) : NL_OK;
}

static nl_status set_stage(struct nl_settings *settings, int stage, struct nl_yaml *yaml,
                           const yaml_node_t *node)
{
    const char *key;
    if (node->type == YAML_SCALAR_NODE)
        return at(yaml, node, "a stage has a list or a map of residual blocks");
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *item = nl_yaml_item(yaml, node, i, &key);
        if (node->type == YAML_SEQUENCE_NODE) {
            NL_TRY(add_place(settings, stage, nl_yaml_scalar(item), yaml, item, NULL));
            continue;
        }
        if (item->type != YAML_MAPPING_NODE)
            return at(yaml, item, "a block's switches are a map, {} for none");
        NL_TRY(add_place(settings, stage, key, yaml, item, item));
    }
    return NL_OK;
}

/* By stage, then by residual block. */
static int in_order(const void *a, const void *b)
{
    const struct nl_block_place *x = &((const struct nl_place_override *)a)->place;
    const struct nl_block_place *y = &((const struct nl_place_override *)b)->place;
    return x->stage != y->stage ? x->stage - y->stage : x->index - y->index;
}

nl_status nl_blocks_set(struct nl_settings *settings, struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *key, *text = nl_yaml_scalar(node);
    settings->config.nonlocal.n_blocks = 0;
    settings->config.nonlocal.blocks_given = !(text && !*text);
    if (text && !*text) return NL_OK; /* unset */
    if (node->type != YAML_MAPPING_NODE)
        return at(yaml, node, "want a map such as {3: [1, 3], 4: [1, 3, 5]}");
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        if (nl_option_stage(key) < 0) return at(yaml, value, "stages are 2 to 5");
        NL_TRY(set_stage(settings, nl_option_stage(key), yaml, value));
    }
    qsort(settings->overrides, (size_t)settings->config.nonlocal.n_blocks,
          sizeof *settings->overrides, in_order);
    return NL_OK;
}

static void write_switches(const struct nl_place_override *override, struct nl_text *out)
{
    struct nl_block_options options = override->place.options;
    const char *before = "";
    for (int k = 0; k < 64 && first_row() + k < nl_n_options; k++) {
        if (!(override->given >> k & 1)) continue;
        const int index = first_row() + k;
        nl_text_add(out, "%s%s: ", before, nl_options[index].key);
        nl_option_write_at(switch_at(&options, index), index, out);
        before = ", ";
    }
}

void nl_blocks_write(const struct nl_settings *settings, struct nl_text *out)
{
    int stage = 0;
    if (!settings->config.nonlocal.blocks_given) {
        nl_text_add(out, "''");
        return;
    }
    nl_text_add(out, "{");
    for (int i = 0; i < settings->config.nonlocal.n_blocks; i++) {
        const struct nl_place_override *override = &settings->overrides[i];
        if (override->place.stage == stage)
            nl_text_add(out, ", ");
        else
            nl_text_add(out, "%s%d: {", stage ? "}, " : "", override->place.stage);
        stage = override->place.stage;
        nl_text_add(out, "%d: {", override->place.index);
        write_switches(override, out);
        nl_text_add(out, "}");
    }
    nl_text_add(out, stage ? "}}" : "}");
}

/* Bytes of a switch in struct nl_block_options. */
static size_t switch_size(const struct nl_option *option)
{
    switch (option->type) {
    case NL_OPT_BOOL:
        return sizeof(bool);
    case NL_OPT_REAL:
        return sizeof(double);
    case NL_OPT_NAME:
        return NL_NAME_MAX;
    case NL_OPT_INTS:
        return (size_t)option->count * sizeof(int);
    default:
        return sizeof(int); /* integers, choices, groups */
    }
}

void nl_blocks_resolve(struct nl_settings *settings)
{
    const int first = first_row();
    for (int i = 0; i < settings->config.nonlocal.n_blocks; i++) {
        struct nl_place_override *override = &settings->overrides[i];
        struct nl_block_place *place = &settings->config.nonlocal.blocks[i];
        *place = (struct nl_block_place){override->place.stage, override->place.index,
                                         settings->config.nonlocal.options};
        const int group = settings->config.nonlocal.group_of_stage[place->stage - 2];
        if (group >= 0) place->options.group_size = group;
        for (int k = 0; k < 64 && first + k < nl_n_options; k++)
            if (override->given >> k & 1)
                memcpy(switch_at(&place->options, first + k),
                       switch_at(&override->place.options, first + k),
                       switch_size(&nl_options[first + k]));
    }
}
