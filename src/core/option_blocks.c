/* NONLOCAL.blocks: where blocks stand, each possibly with switches of its own. */
#include "src/core/option_value.h"

#include <stdlib.h>
#include <string.h>

bool nl_option_is_switch(int index)
{
    const size_t from = offsetof(struct nl_config, nonlocal.options);
    const struct nl_option *option = &nl_options[index];
    return option->offset >= from && option->offset < from + sizeof(struct nl_block_options);
}

static nl_status at(const struct nl_yaml *yaml, const yaml_node_t *node, const char *what)
{
    return nl_fail(NL_EUSAGE, "%s:%d: NONLOCAL.blocks: %s", yaml->name, nl_yaml_line(node), what);
}

/* One {switch: value, ...} of a block. Bit k of `given` is the k-th switch row of the table. */
static nl_status set_switches(struct nl_place_override *override, struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *key;
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        const int index = nl_option_find("NONLOCAL", key);
        if (index < 0 || !nl_option_is_switch(index)) return at(yaml, value, "a block has no such switch");
        const int first = nl_option_find("NONLOCAL", "bn_momentum");
        override->given |= (uint64_t)1 << (index - first);
        if (nl_options[index].type == NL_OPT_GROUPS) {
            const char *text = nl_yaml_scalar(value);
            char *end = NULL;
            const long group = text ? strtol(text, &end, 10) : -1;
            if (!text || end == text || *end || group < 0 || group > 4096)
                return at(yaml, value, "group_size of one block is a number of frames");
            override->place.options.group_size = (int)group;
            continue;
        }
        const size_t from = offsetof(struct nl_config, nonlocal.options);
        NL_TRY(nl_option_set_at((char *)&override->place.options + (nl_options[index].offset - from), index, yaml, value));
    }
    return NL_OK;
}

static nl_status add_place(struct nl_settings *settings, int stage, const char *index, struct nl_yaml *yaml,
                           const yaml_node_t *node, const yaml_node_t *switches)
{
    int *count = &settings->config.nonlocal.n_blocks;
    char *end = NULL;
    const long number = index ? strtol(index, &end, 10) : -1;
    if (!index || end == index || *end || number < 0 || number > 1000)
        return at(yaml, node, "a residual block is an integer from 0");
    if (*count == NL_BLOCKS_MAX) return at(yaml, node, "too many blocks");
    for (int i = 0; i < *count; i++)
        if (settings->overrides[i].place.stage == stage && settings->overrides[i].place.index == number)
            return at(yaml, node, "a place stands twice");
    struct nl_place_override *override = &settings->overrides[(*count)++];
    *override = (struct nl_place_override){.place = {.stage = stage, .index = (int)number}};
    return switches ? set_switches(override, yaml, switches) : NL_OK;
}

static nl_status set_stage(struct nl_settings *settings, int stage, struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *key;
    if (node->type == YAML_SCALAR_NODE) return at(yaml, node, "a stage has a list or a map of residual blocks");
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *item = nl_yaml_item(yaml, node, i, &key);
        if (node->type == YAML_SEQUENCE_NODE) {
            NL_TRY(add_place(settings, stage, nl_yaml_scalar(item), yaml, item, NULL));
            continue;
        }
        if (item->type != YAML_MAPPING_NODE) return at(yaml, item, "a block's switches are a map, {} for none");
        NL_TRY(add_place(settings, stage, key, yaml, item, item));
    }
    return NL_OK;
}

nl_status nl_blocks_set(struct nl_settings *settings, struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *key, *text = nl_yaml_scalar(node);
    settings->config.nonlocal.n_blocks = 0;
    settings->config.nonlocal.blocks_given = !(text && !*text);
    if (text && !*text) return NL_OK; /* unset */
    if (node->type != YAML_MAPPING_NODE) return at(yaml, node, "want a map such as {3: [1, 3], 4: [1, 3, 5]}");
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        if (key[0] < '2' || key[0] > '5' || key[1]) return at(yaml, value, "stages are 2 to 5");
        NL_TRY(set_stage(settings, key[0] - '0', yaml, value));
    }
    return NL_OK;
}

/* Writes the given switches of one place by lending its options to a scratch configuration. */
static void write_switches(const struct nl_place_override *override, struct nl_text *out)
{
    static _Thread_local struct nl_settings scratch;
    const int first = nl_option_find("NONLOCAL", "bn_momentum");
    bool any = false;
    scratch.config.nonlocal.options = override->place.options;
    memset(scratch.config.nonlocal.group_of_stage, -1, sizeof scratch.config.nonlocal.group_of_stage);
    for (int k = 0; k < 64 && first + k < nl_n_options; k++) {
        if (!(override->given >> k & 1)) continue;
        nl_text_add(out, "%s%s: ", any ? ", " : "", nl_options[first + k].key);
        nl_option_write(&scratch, first + k, out);
        any = true;
    }
}

void nl_blocks_write(const struct nl_settings *settings, struct nl_text *out)
{
    bool any_stage = false;
    if (!settings->config.nonlocal.blocks_given) {
        nl_text_add(out, "''");
        return;
    }
    for (int stage = 2; stage <= 5; stage++) {
        bool any = false;
        for (int i = 0; i < settings->config.nonlocal.n_blocks; i++) {
            const struct nl_place_override *override = &settings->overrides[i];
            if (override->place.stage != stage) continue;
            if (any)
                nl_text_add(out, ", ");
            else
                nl_text_add(out, "%s%d: {", any_stage ? ", " : "{", stage);
            nl_text_add(out, "%d: {", override->place.index);
            write_switches(override, out);
            nl_text_add(out, "}");
            any = any_stage = true;
        }
        if (any) nl_text_add(out, "}");
    }
    nl_text_add(out, any_stage ? "}" : "{}");
}
