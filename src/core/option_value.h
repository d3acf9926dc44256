/* option_value.h - one option's value from a YAML node, and back to text. */
#ifndef NL_OPTION_VALUE_H
#define NL_OPTION_VALUE_H

#include "src/core/options.h"
#include "src/core/yaml.h"

/* Sets row `index` of settings->config from `node`. NL_EUSAGE with "name:line: SECTION.KEY: want ...,
 * got ...". Does not touch origins. */
nl_status nl_option_set(struct nl_settings *settings, int index, struct nl_yaml *yaml,
                        const yaml_node_t *node) NL_MUST_CHECK;

/* Appends the value as YAML. */
void nl_option_write(const struct nl_settings *settings, int index, struct nl_text *out);

/* Rows of one field only (not steps, groups, blocks): reads into the field at `at`. */
nl_status nl_option_set_at(void *at, int index, struct nl_yaml *yaml, const yaml_node_t *node) NL_MUST_CHECK;

/* NONLOCAL.blocks: the map into settings->overrides, config.nonlocal.n_blocks and blocks_given. */
nl_status nl_blocks_set(struct nl_settings *settings, struct nl_yaml *yaml, const yaml_node_t *node) NL_MUST_CHECK;
void nl_blocks_write(const struct nl_settings *settings, struct nl_text *out);

/* True for NONLOCAL rows that a single block may have of its own. */
bool nl_option_is_switch(int index);

#endif
