#include "src/core/options.h"

#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/option_value.h"

#include <string.h>

int nl_option_find(const char *section, const char *key)
{
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, section) == 0 && strcmp(nl_options[i].key, key) == 0) return i;
    return -1;
}

/* "want" line for an unknown key: the nearest of the section, or of all. */
static nl_status unknown_key(const char *where, const char *section, const char *key)
{
    const char *known[NL_OPTIONS_MAX + 1];
    int n = 0;
    char name[128];
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, section) == 0) known[n++] = nl_options[i].key;
    known[n] = NULL;
    const char *near = nl_suggest(key, known);
    nl_text_escape(key, name, sizeof name);
    if (near) return nl_fail(NL_EUSAGE, "%s: unknown key %s.%s; the nearest is %s", where, section, name, near);
    return nl_fail(NL_EUSAGE, "%s: unknown key %s.%s", where, section, name);
}

static nl_status unknown_section(const char *where, const char *section)
{
    const char *known[NL_OPTIONS_MAX + 1];
    int n = 0;
    char name[128];
    for (int i = 0; i < nl_n_options; i++)
        if (n == 0 || strcmp(known[n - 1], nl_options[i].section) != 0) known[n++] = nl_options[i].section;
    known[n] = NULL;
    const char *near = nl_suggest(section, known);
    nl_text_escape(section, name, sizeof name);
    return nl_fail(NL_EUSAGE, "%s: unknown section %s; %s%s", where, name, near ? "the nearest is " : "",
                   near ? near : "there are MODEL, RESNETS, NONLOCAL, TRAIN, VALID, TEST, INFER");
}

static bool is_section(const char *section)
{
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, section) == 0) return true;
    return false;
}

/* The original's settings without effect: one warning where they say something else than its default. */
static void warn_unused(const struct nl_settings *settings, int index)
{
    const struct nl_option *option = &nl_options[index];
    struct nl_text now = {.data = NULL};
    if (!(option->flags & NL_OPT_UNUSED)) return;
    nl_option_write(settings, index, &now);
    char quoted[NL_NAME_MAX + 2];
    snprintf(quoted, sizeof quoted, "'%s'", option->preset);
    if (now.data && strcmp(now.data, option->preset) != 0 && strcmp(now.data, quoted) != 0)
        nl_warn("%s.%s has no effect, in the original neither", option->section, option->key);
    nl_text_clear(&now);
}

static nl_status assign(struct nl_settings *settings, int index, struct nl_yaml *yaml, const yaml_node_t *node,
                        nl_setter origin)
{
    if (settings->origin[index] > (unsigned char)origin) {
        struct nl_settings *scratch = NULL; /* checked all the same */
        NL_TRY(nl_calloc(1, sizeof *scratch, &scratch));
        const nl_status st = nl_option_set(scratch, index, yaml, node);
        nl_free(scratch);
        return st;
    }
    NL_TRY(nl_option_set(settings, index, yaml, node));
    settings->origin[index] = (unsigned char)origin;
    if (origin != NL_BY_DEFAULT) warn_unused(settings, index);
    return NL_OK;
}

static nl_status read_section(struct nl_settings *settings, const char *section, struct nl_yaml *yaml,
                              const yaml_node_t *node, nl_setter origin)
{
    const char *key;
    char where[256];
    snprintf(where, sizeof where, "%.200s:%d", yaml->name, nl_yaml_line(node));
    if (!is_section(section)) return unknown_section(where, section);
    NL_REQUIRE(node->type == YAML_MAPPING_NODE, NL_EUSAGE, "%s: section %s is no map of keys", where, section);
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *value = nl_yaml_item(yaml, node, i, &key);
        const int index = nl_option_find(section, key);
        snprintf(where, sizeof where, "%.200s:%d", yaml->name, nl_yaml_line(value));
        if (index < 0) return unknown_key(where, section, key);
        NL_TRY(assign(settings, index, yaml, value, origin));
    }
    return NL_OK;
}

static nl_status read_all(struct nl_settings *settings, struct nl_yaml *yaml, nl_setter origin)
{
    const yaml_node_t *root = nl_yaml_root(yaml);
    const char *section;
    if (!root) return NL_OK; /* an empty file says nothing */
    NL_REQUIRE(root->type == YAML_MAPPING_NODE, NL_EUSAGE, "%s:%d: want sections such as MODEL:, found %s",
               yaml->name, nl_yaml_line(root), root->type == YAML_SEQUENCE_NODE ? "a list" : "plain text");
    for (int i = 0; i < nl_yaml_count(root); i++) {
        const yaml_node_t *node = nl_yaml_item(yaml, root, i, &section);
        NL_TRY(read_section(settings, section, yaml, node, origin));
    }
    return NL_OK;
}

nl_status nl_settings_read(struct nl_settings *settings, const char *text, const char *name, nl_setter origin)
{
    struct nl_yaml yaml;
    NL_TRY(nl_yaml_parse(text, strlen(text), name, &yaml));
    const nl_status st = read_all(settings, &yaml, origin);
    nl_yaml_clear(&yaml);
    return st;
}

nl_status nl_settings_load(struct nl_settings *settings, const char *path)
{
    char *text = NULL;
    size_t size;
    NL_TRY(nl_file_read(path, NL_YAML_BYTES_MAX, &text, &size));
    nl_status st = NL_OK;
    if (strlen(text) != size)
        st = nl_fail(NL_EUSAGE, "%s: not a text file", path);
    else
        st = nl_settings_read(settings, text, path, NL_BY_FILE);
    nl_free(text);
    return st;
}

/* `value` as a document of its own; an empty one is an empty text. */
static nl_status set_index(struct nl_settings *settings, int index, const char *value, const char *name,
                           nl_setter origin)
{
    struct nl_yaml yaml;
    NL_TRY(nl_yaml_parse(*value ? value : "''", *value ? strlen(value) : 2, name, &yaml));
    const yaml_node_t *root = nl_yaml_root(&yaml);
    const nl_status st = root ? assign(settings, index, &yaml, root, origin)
                              : nl_fail(NL_EUSAGE, "%s: no value", name);
    nl_yaml_clear(&yaml);
    return st;
}

nl_status nl_settings_set(struct nl_settings *settings, const char *key, const char *value, nl_setter origin)
{
    const char *dot = strchr(key, '.');
    char section[64] = "";
    NL_REQUIRE(dot && (size_t)(dot - key) < sizeof section, NL_EUSAGE, "want SECTION.KEY=VALUE, got \"%s\"", key);
    memcpy(section, key, (size_t)(dot - key));
    if (!is_section(section)) return unknown_section("command line", section);
    const int index = nl_option_find(section, dot + 1);
    if (index < 0) return unknown_key("command line", section, dot + 1);
    return set_index(settings, index, value, "command line", origin);
}

nl_status nl_settings_init(struct nl_settings *settings)
{
    memset(settings, 0, sizeof *settings);
    for (int i = 0; i < nl_n_options; i++)
        NL_TRY(set_index(settings, i, nl_options[i].preset, nl_options[i].key, NL_BY_DEFAULT));
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

nl_status nl_settings_agree(const struct nl_settings *settings, const struct nl_settings *theirs,
                            const char *key, const char *name)
{
    struct nl_text ours = {.data = NULL}, other = {.data = NULL};
    if (nl_settings_origin(settings, key) != NL_BY_FLAG) return NL_OK;
    nl_settings_write(settings, key, &ours);
    nl_settings_write(theirs, key, &other);
    nl_status st = nl_text_check(&ours);
    if (st == NL_OK) st = nl_text_check(&other);
    /* 'dot' and 'dot_product': the shorter without its end quote begins the longer */
    const size_t shorter = ours.length < other.length ? ours.length : other.length;
    const bool alike = st == NL_OK && (strcmp(ours.data, other.data) == 0 ||
                       (ours.data[0] == '\'' && strncmp(ours.data, other.data, shorter - 1) == 0 &&
                        (strlen(ours.data) > shorter ? ours.data : other.data)[shorter - 1] == '_'));
    if (st == NL_OK && !alike)
        st = nl_fail(NL_EUSAGE, "%s: %s is %s, but this checkpoint was made with %s", name, key, ours.data, other.data);
    nl_text_clear(&ours);
    nl_text_clear(&other);
    return st;
}

/* The original's spellings of pool, scale and f. */
static nl_status resolve_spellings(struct nl_settings *settings)
{
    struct nl_config *config = &settings->config;
    NL_REQUIRE(config->nonlocal.use_softmax, NL_EUSAGE,
               "NONLOCAL.use_softmax: False is not built; use pairwise: dot_product (--pairwise=dot)");
    if (nl_settings_origin(settings, "NONLOCAL.pool") < nl_settings_origin(settings, "NONLOCAL.use_maxpool"))
        config->nonlocal.options.pool = config->nonlocal.use_maxpool ? NL_POOL_BEFORE : NL_POOL_NONE;
    if (nl_settings_origin(settings, "NONLOCAL.scale") < nl_settings_origin(settings, "NONLOCAL.use_scale"))
        config->nonlocal.options.scale = config->nonlocal.use_scale ? NL_SCALE_INNER : NL_SCALE_NONE;
    return NL_OK;
}

/* The switches of every placed block: those given there, else those of all. */
static void resolve_blocks(struct nl_settings *settings)
{
    const int first = nl_option_find("NONLOCAL", "bn_momentum");
    const size_t start = offsetof(struct nl_config, nonlocal.options);
    for (int i = 0; i < settings->config.nonlocal.n_blocks; i++) {
        const struct nl_place_override *override = &settings->overrides[i];
        struct nl_block_place *place = &settings->config.nonlocal.blocks[i];
        *place = (struct nl_block_place){override->place.stage, override->place.index,
                                         settings->config.nonlocal.options};
        const int group = settings->config.nonlocal.group_of_stage[place->stage - 2];
        if (group >= 0) place->options.group_size = group;
        for (int k = 0; k < 64 && first + k < nl_n_options; k++) {
            if (!(override->given >> k & 1)) continue;
            const struct nl_option *option = &nl_options[first + k];
            static const size_t bytes[] = {[NL_OPT_BOOL] = sizeof(bool),     [NL_OPT_INT] = sizeof(int),
                                           [NL_OPT_REAL] = sizeof(double),   [NL_OPT_NAME] = NL_NAME_MAX,
                                           [NL_OPT_CHOICE] = sizeof(int),    [NL_OPT_INTS] = 3 * sizeof(int),
                                           [NL_OPT_GROUPS] = sizeof(int),    [NL_OPT_INT64] = sizeof(int64_t)};
            memcpy((char *)&place->options + (option->offset - start),
                   (const char *)&override->place.options + (option->offset - start), bytes[option->type]);
        }
    }
}

nl_status nl_settings_resolve(struct nl_settings *settings)
{
    const struct nl_config *config = &settings->config;
    const int depth = config->model.video_arc_choice >= 3 ? 101 : 50;
    NL_TRY(resolve_spellings(settings));
    resolve_blocks(settings);
    if (config->model.depth != depth && (nl_settings_origin(settings, "MODEL.depth") == NL_BY_FLAG ||
                                         nl_settings_origin(settings, "MODEL.video_arc_choice") != NL_BY_DEFAULT))
        nl_warn("MODEL.depth %d is not that of video_arc_choice %d; the arc decides (%d)", config->model.depth,
                config->model.video_arc_choice, depth);
    return NL_OK;
}

void nl_settings_dump(const struct nl_settings *settings, struct nl_text *out)
{
    const char *section = "";
    for (int i = 0; i < nl_n_options; i++) {
        if (strcmp(section, nl_options[i].section) != 0) nl_text_add(out, "%s:\n", nl_options[i].section);
        section = nl_options[i].section;
        nl_text_add(out, "  %s: ", nl_options[i].key);
        nl_option_write(settings, i, out);
        nl_text_add(out, "\n");
    }
}

void nl_options_markdown(FILE *out)
{
    const char *section = "";
    char wanted[512];
    fputs("# Options\n\nEvery key of the configuration file, in its sections. `--set SECTION.KEY=VALUE` sets any of them on the\n"
          "command line; those of NONLOCAL are flags too (`--pairwise=dot`). Keys marked `+` are not in the original\n"
          "program's file. This page is made by `nonlocal options --markdown`.\n", out);
    for (int i = 0; i < nl_n_options; i++) {
        const struct nl_option *o = &nl_options[i];
        if (strcmp(section, o->section) != 0)
            fprintf(out, "\n## %s\n\n| key | default | wants | what it is |\n|---|---|---|---|\n", o->section);
        section = o->section;
        fprintf(out, "| `%s`%s | `%s` | %s | %s%s |\n", o->key, o->flags & NL_OPT_OURS ? " +" : "",
                *o->preset ? o->preset : "''", nl_option_wanted(o, wanted, sizeof wanted),
                o->flags & NL_OPT_UNUSED ? "no effect: " : "", o->help);
    }
}
