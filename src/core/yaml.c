#include "src/core/yaml.h"

#include "src/core/text.h"

#include <stdbool.h>
#include <string.h>

static nl_status syntax_error(const yaml_parser_t *parser, const char *name)
{
    return nl_fail(NL_EUSAGE, "%s:%zu: %s", name, parser->problem_mark.line + 1,
                   parser->problem ? parser->problem : "not YAML");
}

static void start(yaml_parser_t *parser, const char *text, size_t length)
{
    yaml_parser_initialize(parser);
    yaml_parser_set_input_string(parser, (const unsigned char *)text, length);
}

/* One event's contribution to depth and refusals. */
static nl_status inspect(const yaml_event_t *event, const char *name, int *depth, int *documents)
{
    const size_t line = event->start_mark.line + 1;
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return nl_fail(NL_EUSAGE, "%s:%zu: aliases (*name) are not read", name, line);
    case YAML_DOCUMENT_START_EVENT:
        NL_REQUIRE(++*documents == 1, NL_EUSAGE, "%s:%zu: a second document", name, line);
        return NL_OK;
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        NL_REQUIRE(++*depth <= NL_YAML_DEPTH_MAX, NL_EUSAGE, "%s:%zu: nested deeper than %d", name, line,
                   NL_YAML_DEPTH_MAX);
        return NL_OK;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        --*depth;
        return NL_OK;
    default:
        return NL_OK;
    }
}

/* Reads the text once by events, so that no tree is built of what is refused. */
static nl_status screen(const char *text, size_t length, const char *name)
{
    yaml_parser_t parser;
    int depth = 0, documents = 0;
    bool more = true;
    nl_status st = NL_OK;
    start(&parser, text, length);
    while (st == NL_OK && more) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            st = syntax_error(&parser, name);
            break;
        }
        st = inspect(&event, name, &depth, &documents);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return st;
}

static nl_status check_keys(struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *key, *other;
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        if (node->type != YAML_MAPPING_NODE) continue;
        NL_REQUIRE(key, NL_EUSAGE, "%s:%d: a key must be a plain word", yaml->name, nl_yaml_line(value));
        for (int k = 0; k < i; k++) {
            nl_yaml_item(yaml, node, k, &other);
            NL_REQUIRE(strcmp(key, other) != 0, NL_EUSAGE, "%s:%d: %s stands twice", yaml->name,
                       nl_yaml_line(value), key);
        }
    }
    return NL_OK;
}

nl_status nl_yaml_parse(const char *text, size_t length, const char *name, struct nl_yaml *yaml)
{
    yaml_parser_t parser;
    nl_status st = NL_OK;
    yaml->name = name;
    NL_REQUIRE(length <= NL_YAML_BYTES_MAX, NL_EUSAGE, "%s: larger than %d bytes", name, NL_YAML_BYTES_MAX);
    NL_TRY(screen(text, length, name));
    start(&parser, text, length);
    if (!yaml_parser_load(&parser, &yaml->document)) st = syntax_error(&parser, name);
    yaml_parser_delete(&parser);
    NL_TRY(st);
    for (yaml_node_t *n = yaml->document.nodes.start; st == NL_OK && n < yaml->document.nodes.top; n++)
        st = check_keys(yaml, n);
    if (st != NL_OK) nl_yaml_clear(yaml);
    return st;
}

void nl_yaml_clear(struct nl_yaml *yaml)
{
    yaml_document_delete(&yaml->document);
}

yaml_node_t *nl_yaml_root(struct nl_yaml *yaml)
{
    return yaml_document_get_root_node(&yaml->document);
}

const char *nl_yaml_scalar(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

int nl_yaml_count(const yaml_node_t *node)
{
    if (node->type == YAML_SEQUENCE_NODE)
        return (int)(node->data.sequence.items.top - node->data.sequence.items.start);
    if (node->type == YAML_MAPPING_NODE)
        return (int)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
    return 0;
}

yaml_node_t *nl_yaml_item(struct nl_yaml *yaml, const yaml_node_t *node, int i, const char **key)
{
    *key = NULL;
    if (node->type == YAML_SEQUENCE_NODE)
        return yaml_document_get_node(&yaml->document, node->data.sequence.items.start[i]);
    const yaml_node_pair_t pair = node->data.mapping.pairs.start[i];
    *key = nl_yaml_scalar(yaml_document_get_node(&yaml->document, pair.key));
    return yaml_document_get_node(&yaml->document, pair.value);
}

int nl_yaml_line(const yaml_node_t *node)
{
    return (int)node->start_mark.line + 1;
}
