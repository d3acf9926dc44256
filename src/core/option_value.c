#include "src/core/option_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static nl_status refuse(const struct nl_option *option, const struct nl_yaml *yaml, const yaml_node_t *node)
{
    char wanted[512], got[128];
    const char *text = nl_yaml_scalar(node);
    return nl_fail(NL_EUSAGE, "%s:%d: %s.%s: want %s, got %s%s%s", yaml->name, nl_yaml_line(node), option->section,
                   option->key, nl_option_wanted(option, wanted, sizeof wanted), text ? "\"" : "",
                   text ? nl_text_escape(text, got, sizeof got)
                        : (node->type == YAML_MAPPING_NODE ? "a map" : "a list"),
                   text ? "\"" : "");
}

static bool read_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "1", NULL}, *const no[] = {"false", "no", "0", NULL};
    for (int i = 0; yes[i]; i++) {
        if (strcasecmp(text, yes[i]) == 0) return (*out = true, true);
        if (strcasecmp(text, no[i]) == 0) return (*out = false, true);
    }
    return false;
}

static bool read_real(const struct nl_option *option, const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out) && *out >= option->min && *out <= option->max;
}

static bool read_int(const struct nl_option *option, const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0 && (double)*out >= option->min && (double)*out <= option->max;
}

static bool read_choice(const struct nl_option *option, const char *text, int *out)
{
    for (*out = 0; option->choices[*out]; ++*out)
        if (strcasecmp(text, option->choices[*out]) == 0) return true;
    return false;
}

static bool read_text(const char *text, size_t room, char *out)
{
    const size_t length = strlen(text);
    if (length >= room) return false;
    memcpy(out, text, length + 1);
    return true;
}

/* A scalar into the field at `at`; false where it is not what the option wants. */
static bool read_scalar(const struct nl_option *option, const char *text, void *at)
{
    int64_t whole;
    switch (option->type) {
    case NL_OPT_BOOL:
        return read_bool(text, at);
    case NL_OPT_INT:
        if (!read_int(option, text, &whole)) return false;
        *(int *)at = (int)whole;
        return true;
    case NL_OPT_INT64:
        return read_int(option, text, at);
    case NL_OPT_REAL:
        return read_real(option, text, at);
    case NL_OPT_NAME:
        return *text && read_text(text, NL_NAME_MAX, at);
    case NL_OPT_PATH:
        return read_text(text, NL_PATH_MAX, at);
    case NL_OPT_CHOICE:
        return read_choice(option, text, at);
    default:
        return false;
    }
}

static bool read_ints(const struct nl_option *option, struct nl_yaml *yaml, const yaml_node_t *node, int *out)
{
    const char *key;
    if (node->type != YAML_SEQUENCE_NODE || nl_yaml_count(node) != option->count) return false;
    for (int i = 0; i < option->count; i++) {
        const char *text = nl_yaml_scalar(nl_yaml_item(yaml, node, i, &key));
        int64_t whole;
        if (!text || !read_int(option, text, &whole)) return false;
        out[i] = (int)whole;
    }
    return true;
}

nl_status nl_option_set_at(void *at, int index, struct nl_yaml *yaml, const yaml_node_t *node)
{
    const struct nl_option *option = &nl_options[index];
    const char *text = nl_yaml_scalar(node);
    const bool good = option->type == NL_OPT_INTS ? read_ints(option, yaml, node, at)
                                                  : text && read_scalar(option, text, at);
    return good ? NL_OK : refuse(option, yaml, node);
}

static nl_status set_steps(struct nl_config *config, const struct nl_option *option, struct nl_yaml *yaml,
                           const yaml_node_t *node)
{
    const char *key;
    const int count = nl_yaml_count(node);
    if (node->type != YAML_SEQUENCE_NODE || count < 1 || count > NL_STEPS_MAX) return refuse(option, yaml, node);
    for (int i = 0; i < count; i++) {
        const yaml_node_t *item = nl_yaml_item(yaml, node, i, &key);
        const char *text = nl_yaml_scalar(item);
        if (!text || !read_int(option, text, &config->train.step_sizes[i])) return refuse(option, yaml, item);
    }
    config->train.n_steps = count;
    return NL_OK;
}

/* Stage 2 to 5 from a key; -1 if it is none. */
static int stage_of(const char *key)
{
    return key && key[0] >= '2' && key[0] <= '5' && key[1] == '\0' ? key[0] - '0' : -1;
}

static nl_status set_groups(struct nl_config *config, const struct nl_option *option, struct nl_yaml *yaml,
                            const yaml_node_t *node)
{
    const char *text = nl_yaml_scalar(node), *key;
    int64_t whole = 0;
    for (int i = 0; i < NL_STAGES; i++) config->nonlocal.group_of_stage[i] = -1;
    if (text && read_int(option, text, &whole)) {
        config->nonlocal.options.group_size = (int)whole;
        return NL_OK;
    }
    if (node->type != YAML_MAPPING_NODE) return refuse(option, yaml, node);
    config->nonlocal.options.group_size = 0;
    for (int i = 0; i < nl_yaml_count(node); i++) {
        const yaml_node_t *item = nl_yaml_item(yaml, node, i, &key);
        text = nl_yaml_scalar(item);
        if (stage_of(key) < 0 || !text || !read_int(option, text, &whole)) return refuse(option, yaml, item);
        config->nonlocal.group_of_stage[stage_of(key) - 2] = (int)whole;
    }
    return NL_OK;
}

nl_status nl_option_set(struct nl_settings *settings, int index, struct nl_yaml *yaml, const yaml_node_t *node)
{
    const struct nl_option *option = &nl_options[index];
    switch (option->type) {
    case NL_OPT_STEPS:
        return set_steps(&settings->config, option, yaml, node);
    case NL_OPT_GROUPS:
        return set_groups(&settings->config, option, yaml, node);
    case NL_OPT_BLOCKS:
        return nl_blocks_set(settings, yaml, node);
    default:
        return nl_option_set_at((char *)&settings->config + option->offset, index, yaml, node);
    }
}

/* Quotes a text for YAML: single quotes, doubled inside. */
static void write_quoted(const char *value, struct nl_text *out)
{
    nl_text_add(out, "'");
    for (; *value; value++) nl_text_add(out, *value == '\'' ? "''" : "%c", *value);
    nl_text_add(out, "'");
}

static void write_list(const int *values, int count, struct nl_text *out)
{
    for (int i = 0; i < count; i++) nl_text_add(out, "%s%d", i ? ", " : "[", values[i]);
    nl_text_add(out, "]");
}

static void write_groups(const struct nl_config *config, struct nl_text *out)
{
    bool any = false;
    for (int i = 0; i < NL_STAGES; i++)
        if (config->nonlocal.group_of_stage[i] >= 0) {
            nl_text_add(out, "%s%d: %d", any ? ", " : "{", i + 2, config->nonlocal.group_of_stage[i]);
            any = true;
        }
    if (any)
        nl_text_add(out, "}");
    else
        nl_text_add(out, "%d", config->nonlocal.options.group_size);
}

static void write_steps(const struct nl_config *config, struct nl_text *out)
{
    for (int i = 0; i < config->train.n_steps; i++)
        nl_text_add(out, "%s%lld", i ? ", " : "[", (long long)config->train.step_sizes[i]);
    nl_text_add(out, "]");
}

void nl_option_write(const struct nl_settings *settings, int index, struct nl_text *out)
{
    const struct nl_option *option = &nl_options[index];
    const char *at = (const char *)&settings->config + option->offset;
    switch (option->type) {
    case NL_OPT_BOOL:
        nl_text_add(out, "%s", *(const bool *)at ? "True" : "False");
        break;
    case NL_OPT_INT:
        nl_text_add(out, "%d", *(const int *)(const void *)at);
        break;
    case NL_OPT_INT64:
        nl_text_add(out, "%lld", (long long)*(const int64_t *)(const void *)at);
        break;
    case NL_OPT_REAL:
        nl_text_add(out, "%.17g", *(const double *)(const void *)at);
        break;
    case NL_OPT_CHOICE:
        nl_text_add(out, "%s", option->choices[*(const int *)(const void *)at]);
        break;
    case NL_OPT_INTS:
        write_list((const int *)(const void *)at, option->count, out);
        break;
    case NL_OPT_STEPS:
        write_steps(&settings->config, out);
        break;
    case NL_OPT_GROUPS:
        write_groups(&settings->config, out);
        break;
    case NL_OPT_BLOCKS:
        nl_blocks_write(settings, out);
        break;
    default:
        write_quoted(at, out);
    }
}

char *nl_option_wanted(const struct nl_option *option, char *out, size_t size)
{
    size_t used = 0;
    switch (option->type) {
    case NL_OPT_BOOL:
        snprintf(out, size, "True or False");
        break;
    case NL_OPT_INT:
    case NL_OPT_INT64:
        snprintf(out, size, "an integer from %.0f to %.0f", option->min, option->max);
        break;
    case NL_OPT_REAL:
        snprintf(out, size, "a number from %g to %g", option->min, option->max);
        break;
    case NL_OPT_CHOICE:
        for (int i = 0; option->choices[i] && used < size; i++)
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " or " : "", option->choices[i]);
        break;
    case NL_OPT_INTS:
        snprintf(out, size, "a list of %d integers from %.0f to %.0f", option->count, option->min, option->max);
        break;
    case NL_OPT_STEPS:
        snprintf(out, size, "a list of 1 to %d integers, at least 1", NL_STEPS_MAX);
        break;
    case NL_OPT_GROUPS:
        snprintf(out, size, "a number of frames from 0 to %.0f, or a map from stage (2 to 5) to one", option->max);
        break;
    case NL_OPT_BLOCKS:
        snprintf(out, size, "a map from stage (2 to 5) to a list of residual blocks, such as {3: [1, 3]}");
        break;
    default:
        snprintf(out, size, "a text of at most %d bytes", (option->type == NL_OPT_NAME ? NL_NAME_MAX : NL_PATH_MAX) - 1);
    }
    return out;
}
