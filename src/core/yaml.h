/* yaml.h - a YAML text as a tree, by libyaml, with what a configuration may not have refused:
 * aliases, tags that ask for other types, duplicate keys, deep nesting, several documents.
 */
#ifndef NL_YAML_H
#define NL_YAML_H

#include "src/core/status.h"

#include <stddef.h>
#include <yaml.h>

enum { NL_YAML_BYTES_MAX = 1 << 20, NL_YAML_DEPTH_MAX = 16 };

struct nl_yaml {
    yaml_document_t document;
    const char *name; /* of the file, for messages; borrowed */
};

/* NL_EUSAGE with "name:line: ..." for what is no YAML or is refused. nl_yaml_clear undoes it. */
nl_status nl_yaml_parse(const char *text, size_t length, const char *name, struct nl_yaml *yaml) NL_MUST_CHECK;
void nl_yaml_clear(struct nl_yaml *yaml);

/* The top node; NULL for an empty document. */
yaml_node_t *nl_yaml_root(struct nl_yaml *yaml);

/* Text of a scalar; NULL for other nodes. */
const char *nl_yaml_scalar(const yaml_node_t *node);

/* Number of items of a sequence or pairs of a mapping; 0 for scalars. */
int nl_yaml_count(const yaml_node_t *node);

/* Item i of a sequence, or value i of a mapping (*key gets its key's text). */
yaml_node_t *nl_yaml_item(struct nl_yaml *yaml, const yaml_node_t *node, int i, const char **key);

/* Line of a node, from 1. */
int nl_yaml_line(const yaml_node_t *node);

#endif
