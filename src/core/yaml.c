#include "src/core/yaml.h"

#include "src/core/text.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static char *place(const char *name, size_t line, char out[NL_YAML_WHERE_MAX])
{
    char shown[NL_YAML_WHERE_MAX - 32];
    if (name)
        snprintf(out, NL_YAML_WHERE_MAX, "%s:%zu", nl_text_escape(name, shown, sizeof shown), line);
    else
        snprintf(out, NL_YAML_WHERE_MAX, "command line");
    return out;
}

static nl_status refuse(const char *name, yaml_mark_t mark, const char *what)
{
    char where[NL_YAML_WHERE_MAX];
    return nl_fail(NL_EUSAGE, "%s: %s", place(name, mark.line + 1, where), what);
}

static nl_status parser_error(const yaml_parser_t *parser, const char *name)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return nl_fail(NL_ENOMEM, "out of memory while reading YAML");
    return refuse(name, parser->problem_mark, parser->problem ? parser->problem : "no YAML");
}

static nl_status start(yaml_parser_t *parser, const char *text, size_t length)
{
    NL_REQUIRE(yaml_parser_initialize(parser), NL_ENOMEM, "out of memory while reading YAML");
    yaml_parser_set_input_string(parser, (const unsigned char *)text, length);
    return NL_OK;
}

struct screening {
    int depth, documents, nodes;
};

/* What this event opens, closes or may not have. */
static const char *objection(const yaml_event_t *event, struct screening *s)
{
    const bool opens =
        event->type == YAML_SEQUENCE_START_EVENT || event->type == YAML_MAPPING_START_EVENT;
    const bool closes =
        event->type == YAML_SEQUENCE_END_EVENT || event->type == YAML_MAPPING_END_EVENT;
    s->depth += opens - closes;
    s->nodes += opens || event->type == YAML_SCALAR_EVENT;
    s->documents += event->type == YAML_DOCUMENT_START_EVENT;
    if (event->type == YAML_ALIAS_EVENT) return "aliases (*name) are not read";
    if (s->documents > 1) return "a second document";
    if (s->depth > NL_YAML_DEPTH_MAX) return "nested too deeply";
    if (s->nodes > NL_YAML_NODES_MAX) return "more values than any configuration has";
    if ((event->type == YAML_SCALAR_EVENT && event->data.scalar.tag) ||
        (event->type == YAML_SEQUENCE_START_EVENT && event->data.sequence_start.tag) ||
        (event->type == YAML_MAPPING_START_EVENT && event->data.mapping_start.tag))
        return "tags (!name) are not read";
    if (event->type == YAML_SCALAR_EVENT &&
        memchr(event->data.scalar.value, '\0', event->data.scalar.length))
        return "a text with a zero byte";
    return NULL;
}

/* Reads the text once by events, so that no tree is built of what is refused. */
static nl_status screen(const char *text, size_t length, const char *name)
{
    yaml_parser_t parser;
    struct screening seen = {.depth = 0};
    nl_status st = NL_OK;
    NL_TRY(start(&parser, text, length));
    for (bool more = true; st == NL_OK && more;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            st = parser_error(&parser, name);
            break;
        }
        const char *what = objection(&event, &seen);
        if (what) st = refuse(name, event.start_mark, what);
        more = event.type != YAML_STREAM_END_EVENT;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return st;
}

static nl_status check_key(struct nl_yaml *yaml, const yaml_node_t *map, int i)
{
    const char *key, *other;
    char where[NL_YAML_WHERE_MAX], shown[128];
    nl_yaml_item(yaml, map, i, &key);
    nl_yaml_where_key(yaml, map, i, where);
    NL_REQUIRE(key, NL_EUSAGE, "%s: a key must be a plain word", where);
    for (int k = 0; k < i; k++) {
        nl_yaml_item(yaml, map, k, &other);
        NL_REQUIRE(strcmp(key, other) != 0, NL_EUSAGE, "%s: %s stands twice", where,
                   nl_text_escape(key, shown, sizeof shown));
    }
    return NL_OK;
}

static nl_status check_keys(struct nl_yaml *yaml, const yaml_node_t *node)
{
    if (node->type != YAML_MAPPING_NODE) return NL_OK;
    if (nl_yaml_count(node) > NL_YAML_PAIRS_MAX)
        return refuse(yaml->name, node->start_mark, "more keys than any section has");
    for (int i = 0; i < nl_yaml_count(node); i++) NL_TRY(check_key(yaml, node, i));
    return NL_OK;
}

nl_status nl_yaml_parse(const char *text, size_t length, const char *name, struct nl_yaml *yaml)
{
    yaml_parser_t parser;
    nl_status st = NL_OK;
    yaml->name = name;
    NL_REQUIRE(length <= NL_YAML_BYTES_MAX, NL_EUSAGE, "%s: larger than %d bytes",
               name ? name : "command line", NL_YAML_BYTES_MAX);
    NL_TRY(screen(text, length, name));
    NL_TRY(start(&parser, text, length));
    if (!yaml_parser_load(&parser, &yaml->document)) st = parser_error(&parser, name);
    yaml_parser_delete(&parser);
    NL_TRY(st);
    for (yaml_node_t *n = yaml->document.nodes.start; st == NL_OK && n < yaml->document.nodes.top;
         n++)
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
    static const char *const nothing[] = {"null", "Null", "NULL", "~"};
    if (!node || node->type != YAML_SCALAR_NODE) return NULL;
    const char *text = (const char *)node->data.scalar.value;
    if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) return text;
    for (size_t i = 0; i < NL_COUNT(nothing); i++)
        if (strcmp(text, nothing[i]) == 0) return "";
    return text;
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

char *nl_yaml_where(const struct nl_yaml *yaml, const yaml_node_t *node,
                    char out[NL_YAML_WHERE_MAX])
{
    return place(yaml->name, node->start_mark.line + 1, out);
}

char *nl_yaml_where_key(struct nl_yaml *yaml, const yaml_node_t *node, int i,
                        char out[NL_YAML_WHERE_MAX])
{
    const yaml_node_pair_t pair = node->data.mapping.pairs.start[i];
    return nl_yaml_where(yaml, yaml_document_get_node(&yaml->document, pair.key), out);
}

/* One character of UTF-8 at `s`; its length, 0 where there is none. */
static int decode(const unsigned char *s, uint32_t *code)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const int length = s[0] < 0x80 ? 1 : s[0] < 0xC0 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (length == 0 || s[0] > 0xF4) return 0;
    *code = length == 1 ? s[0] : s[0] & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0; /* the terminating zero, too */
        *code = *code << 6 | (s[i] & 0x3F);
    }
    const bool surrogate = *code >= 0xD800 && *code < 0xE000;
    return *code < least[length] || *code > 0x10FFFF || surrogate ? 0 : length;
}

/* What YAML takes as a break, refuses or folds where it stands as it is. */
static bool needs_escape(uint32_t code)
{
    return code < 32 || (code >= 0x7F && code < 0xA0) || code == 0x2028 || code == 0x2029 ||
           code == 0xFEFF || code == 0xFFFE || code == 0xFFFF;
}

static bool is_plain(const char *value)
{
    uint32_t code;
    for (int length; *value; value += length) {
        length = decode((const unsigned char *)value, &code);
        if (length == 0 || needs_escape(code)) return false;
    }
    return true;
}

void nl_yaml_quote(const char *value, struct nl_text *out)
{
    const bool plain = is_plain(value);
    uint32_t code = 0;
    nl_text_add(out, plain ? "'" : "\"");
    while (*value) {
        const int length = decode((const unsigned char *)value, &code);
        if (length == 0)
            nl_text_add(out, "\\uFFFD");
        else if (plain && code == '\'')
            nl_text_add(out, "''");
        else if (!plain && (needs_escape(code) || code == '"' || code == '\\'))
            nl_text_add(out, "\\u%04X", (unsigned)code);
        else
            nl_text_add(out, "%.*s", length, value);
        value += length ? length : 1;
    }
    nl_text_add(out, plain ? "'" : "\"");
}
