/* yaml.h - a YAML text as a tree, by libyaml, without what a configuration may not have: aliases,
 * tags, NUL, duplicate keys, deep nesting, more nodes than anyone writes, several documents.
 */
#ifndef NL_YAML_H
#define NL_YAML_H

#include "src/core/status.h"
#include "src/core/text.h"

#include <stddef.h>
#include <yaml.h>

enum {
    NL_YAML_BYTES_MAX = 1 << 20, /* of a text */
    NL_YAML_DEPTH_MAX = 16,      /* maps and lists inside each other */
    NL_YAML_NODES_MAX = 16384,   /* scalars, maps and lists of a document */
    NL_YAML_PAIRS_MAX = 1024,    /* keys of a map */
    NL_YAML_WHERE_MAX = 320,     /* bytes that "name:line" takes */
};

struct nl_yaml {
    yaml_document_t document;
    const char *name; /* of the file, for messages; borrowed. NULL: a value of the command line */
};

/* NL_EUSAGE with "name:line: ..." for what is no YAML or is refused; NL_ENOMEM. For nl_yaml_clear
 * after success. */
nl_status nl_yaml_parse(const char *text, size_t length, const char *name,
                        struct nl_yaml *yaml) NL_MUST_CHECK;
void nl_yaml_clear(struct nl_yaml *yaml);

/* The top node; NULL for an empty document. */
yaml_node_t *nl_yaml_root(struct nl_yaml *yaml);

/* Text of a scalar, "" for the plain words null, Null, NULL and ~; NULL for other nodes. */
const char *nl_yaml_scalar(const yaml_node_t *node);

/* Number of items of a sequence or pairs of a mapping; 0 for scalars. */
int nl_yaml_count(const yaml_node_t *node);

/* Item i of a sequence, or value i of a mapping (*key gets its key's text). */
yaml_node_t *nl_yaml_item(struct nl_yaml *yaml, const yaml_node_t *node, int i, const char **key);

/* "name:line" of a node, in `out`, which it returns; "command line" where there is no name. */
char *nl_yaml_where(const struct nl_yaml *yaml, const yaml_node_t *node,
                    char out[NL_YAML_WHERE_MAX]);

/* The same of key i of a mapping. */
char *nl_yaml_where_key(struct nl_yaml *yaml, const yaml_node_t *node, int i,
                        char out[NL_YAML_WHERE_MAX]);

/* Appends the text as a scalar: in single quotes where nothing needs an escape. Bytes that are no
 * UTF-8 become U+FFFD. */
void nl_yaml_quote(const char *value, struct nl_text *out);

#endif
