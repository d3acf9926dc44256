/* option_value.h - one option's value from a YAML node, and back to text. */
#ifndef NL_OPTION_VALUE_H
#define NL_OPTION_VALUE_H

#include "src/core/options.h"
#include "src/core/yaml.h"

/* Sets row `index` of settings->config from `node`. NL_EUSAGE with "name:line: SECTION.KEY: want
 * ..., got ...". Does not touch origins. */
nl_status nl_option_set(struct nl_settings *settings, int index, struct nl_yaml *yaml,
                        const yaml_node_t *node) NL_MUST_CHECK;

/* Rows of one field only (not steps, groups, blocks): reads into the field at `at`. */
nl_status nl_option_set_at(void *at, int index, struct nl_yaml *yaml,
                           const yaml_node_t *node) NL_MUST_CHECK;

/* Stage 2 to 5 of a key of a map; -1 if it is none. */
int nl_option_stage(const char *key);

/* Appends the value as YAML; nl_option_write_at that of one field, of groups the number. */
void nl_option_write(const struct nl_settings *settings, int index, struct nl_text *out);
void nl_option_write_at(const void *at, int index, struct nl_text *out);

/* NONLOCAL.blocks: the map into settings->overrides, in order of stage and residual block,
 * config.nonlocal.n_blocks and blocks_given. */
nl_status nl_blocks_set(struct nl_settings *settings, struct nl_yaml *yaml,
                        const yaml_node_t *node) NL_MUST_CHECK;
void nl_blocks_write(const struct nl_settings *settings, struct nl_text *out);

/* config.nonlocal.blocks from the overrides: switches given there, else those of all blocks. */
void nl_blocks_resolve(struct nl_settings *settings);

/* "unknown key SECTION.KEY; the nearest is ..." at `where`. */
nl_status nl_option_unknown(const char *where, const char *section, const char *key);

#endif
