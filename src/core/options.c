#include "src/core/options.h"

#include "src/core/file.h"
#include "src/core/memory.h"
#include "src/core/option_value.h"

#include <string.h>

int nl_option_find(const char *section, const char *key)
{
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, section) == 0 && strcmp(nl_options[i].key, key) == 0)
            return i;
    return -1;
}

/* A row of any section that has this very key; -1 if none. */
static int row_with(const char *key)
{
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].key, key) == 0) return i;
    return -1;
}

nl_status nl_option_unknown(const char *where, const char *section, const char *key)
{
    const char *known[NL_OPTIONS_MAX + 1];
    char name[128];
    int n = 0;
    nl_text_escape(key, name, sizeof name);
    const int row = row_with(key);
    if (row >= 0)
        return nl_fail(NL_EUSAGE, "%s: unknown key %s.%s; there is %s.%s", where, section, name,
                       nl_options[row].section, name);
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, section) == 0) known[n++] = nl_options[i].key;
    known[n] = NULL;
    const char *near = nl_suggest(key, known);
    return nl_fail(NL_EUSAGE, "%s: unknown key %s.%s%s%s", where, section, name,
                   near ? "; the nearest is " : "; docs/options.md has them all", near ? near : "");
}

static nl_status unknown_section(const char *where, const char *section)
{
    const char *known[NL_OPTIONS_MAX + 1];
    char name[128];
    int n = 0;
    for (int i = 0; i < nl_n_options; i++)
        if (n == 0 || strcmp(known[n - 1], nl_options[i].section) != 0)
            known[n++] = nl_options[i].section;
    known[n] = NULL;
    const char *near = nl_suggest(section, known);
    nl_text_escape(section, name, sizeof name);
    return nl_fail(NL_EUSAGE, "%s: unknown section %s; %s%s", where, name,
                   near ? "the nearest is " : "",
                   near ? near : "there are MODEL, RESNETS, NONLOCAL, TRAIN, VALID, TEST, INFER");
}

static bool is_section(const char *section)
{
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, section) == 0) return true;
    return false;
}

/* Whether `setter` has no say in row `index`. */
static bool outranked(const struct nl_settings *settings, int index, nl_setter setter)
{
    const bool local = nl_options[index].flags & NL_OPT_LOCAL;
    return settings->origin[index] > (unsigned char)setter || (local && setter == NL_BY_CHECKPOINT);
}

static nl_status assign(struct nl_settings *settings, int index, struct nl_yaml *yaml,
                        const yaml_node_t *node, nl_setter setter)
{
    if (outranked(settings, index, setter)) { /* checked all the same */
        struct nl_settings *scratch = NULL;
        NL_TRY(nl_calloc(1, sizeof *scratch, &scratch));
        const nl_status st = nl_option_set(scratch, index, yaml, node);
        nl_free(scratch);
        return st;
    }
    NL_TRY(nl_option_set(settings, index, yaml, node));
    settings->origin[index] = (unsigned char)setter;
    return NL_OK;
}

/* The map of a section; an empty one, as after "TRAIN:", says nothing. */
static nl_status read_section(struct nl_settings *settings, const char *section,
                              struct nl_yaml *yaml, const yaml_node_t *node, nl_setter setter)
{
    const char *key, *text = nl_yaml_scalar(node);
    char where[NL_YAML_WHERE_MAX];
    if (text && !*text) return NL_OK;
    NL_REQUIRE(node->type == YAML_MAPPING_NODE, NL_EUSAGE, "%s: section %s is no map of keys",
               nl_yaml_where(yaml, node, where), section);
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        const int index = nl_option_find(section, key);
        if (index < 0)
            return nl_option_unknown(nl_yaml_where_key(yaml, node, i, where), section, key);
        NL_TRY(assign(settings, index, yaml, value, setter));
    }
    return NL_OK;
}

static nl_status read_all(struct nl_settings *settings, struct nl_yaml *yaml, nl_setter setter)
{
    const yaml_node_t *root = nl_yaml_root(yaml);
    const char *section;
    char where[NL_YAML_WHERE_MAX];
    if (!root) return NL_OK; /* an empty file says nothing */
    NL_REQUIRE(root->type == YAML_MAPPING_NODE, NL_EUSAGE,
               "%s: want sections such as MODEL:, found %s", nl_yaml_where(yaml, root, where),
               root->type == YAML_SEQUENCE_NODE ? "a list" : "plain text");
    for (int i = 0; i < nl_yaml_count(root); i++) {
        const yaml_node_t *node = nl_yaml_item(yaml, root, i, &section);
        if (!is_section(section))
            return unknown_section(nl_yaml_where_key(yaml, root, i, where), section);
        NL_TRY(read_section(settings, section, yaml, node, setter));
    }
    return NL_OK;
}

nl_status nl_settings_read(struct nl_settings *settings, const char *text, const char *name,
                           nl_setter setter)
{
    struct nl_yaml yaml;
    NL_TRY(nl_yaml_parse(text, strlen(text), name, &yaml));
    const nl_status st = read_all(settings, &yaml, setter);
    nl_yaml_clear(&yaml);
    return st;
}

nl_status nl_settings_load(struct nl_settings *settings, const char *path)
{
    char *text = NULL, name[256];
    size_t size;
    NL_TRY(nl_file_read(path, NL_YAML_BYTES_MAX, &text, &size));
    nl_status st = NL_OK;
    if (strlen(text) != size)
        st = nl_fail(NL_EUSAGE, "%s: not a text file", nl_text_escape(path, name, sizeof name));
    else
        st = nl_settings_read(settings, text, path, NL_BY_FILE);
    nl_free(text);
    return st;
}

/* YAML wants a blank after the colons of a map, which {3:[1,3]} on a command line rarely has. */
static nl_status space_colons(const char *map, struct nl_text *out)
{
    char quote = '\0';
    for (; *map; map++) {
        if (!quote && (*map == '\'' || *map == '"'))
            quote = *map;
        else if (quote == *map)
            quote = '\0';
        nl_text_add(out, *map == ':' && !quote ? "%c " : "%c", *map);
    }
    return nl_text_check(out);
}

/* `value` as a document of its own. */
static nl_status set_document(struct nl_settings *settings, int index, const char *value,
                              nl_setter setter)
{
    struct nl_yaml yaml;
    NL_TRY(nl_yaml_parse(value, strlen(value), NULL, &yaml));
    const yaml_node_t *root = nl_yaml_root(&yaml);
    const nl_status st = root ? assign(settings, index, &yaml, root, setter)
                              : nl_fail(NL_EUSAGE, "command line: %s.%s: no value",
                                        nl_options[index].section, nl_options[index].key);
    nl_yaml_clear(&yaml);
    return st;
}

/* A value without the context of a file; an empty one is an empty text. */
static nl_status set_index(struct nl_settings *settings, int index, const char *value,
                           nl_setter setter)
{
    struct nl_text map = {.data = NULL};
    if (*value != '{') return set_document(settings, index, *value ? value : "''", setter);
    nl_status st = space_colons(value, &map);
    if (st == NL_OK) st = set_document(settings, index, map.data, setter);
    nl_text_clear(&map);
    return st;
}

/* The row of "SECTION.KEY". */
static nl_status locate(const char *name, int *index)
{
    const char *dot = strchr(name, '.');
    char section[64] = "", shown[128];
    NL_REQUIRE(dot && (size_t)(dot - name) < sizeof section, NL_EUSAGE,
               "command line: want SECTION.KEY, got \"%s\"",
               nl_text_escape(name, shown, sizeof shown));
    memcpy(section, name, (size_t)(dot - name));
    if (!is_section(section)) return unknown_section("command line", section);
    *index = nl_option_find(section, dot + 1);
    return *index < 0 ? nl_option_unknown("command line", section, dot + 1) : NL_OK;
}

nl_status nl_settings_set(struct nl_settings *settings, const char *key, const char *value,
                          nl_setter setter)
{
    int index = 0;
    NL_TRY(locate(key, &index));
    return set_index(settings, index, value, setter);
}

nl_status nl_settings_set_text(struct nl_settings *settings, const char *key, const char *text,
                               nl_setter setter)
{
    int index = 0;
    NL_TRY(locate(key, &index));
    const struct nl_option *option = &nl_options[index];
    const bool is_path = option->type == NL_OPT_PATH;
    NL_REQUIRE(is_path || option->type == NL_OPT_NAME, NL_EINVAL, "%s is no text", key);
    const size_t length = strlen(text), room = is_path ? NL_PATH_MAX : NL_NAME_MAX;
    NL_REQUIRE(length < room, NL_EUSAGE, "%s: longer than %zu bytes", key, room - 1);
    if (outranked(settings, index, setter)) return NL_OK;
    memcpy((char *)&settings->config + option->offset, text, length + 1);
    settings->origin[index] = (unsigned char)setter;
    return NL_OK;
}

nl_status nl_settings_init(struct nl_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (int i = 0; i < nl_n_options; i++)
        NL_TRY(set_index(settings, i, nl_options[i].preset, NL_BY_DEFAULT));
    return NL_OK;
}

/* Row of a "SECTION.KEY" that the caller knows to exist. */
static int row_of(const char *key)
{
    const char *dot = strchr(key, '.');
    char section[64] = "";
    memcpy(section, key, (size_t)(dot - key));
    return nl_option_find(section, dot + 1);
}

nl_setter nl_settings_origin(const struct nl_settings *settings, const char *key)
{
    return (nl_setter)settings->origin[row_of(key)];
}

void nl_settings_write(const struct nl_settings *settings, const char *key, struct nl_text *out)
{
    nl_option_write(settings, row_of(key), out);
}
