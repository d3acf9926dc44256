#include "src/core/option_value.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static nl_status refuse(const struct nl_option *option, const struct nl_yaml *yaml,
                        const yaml_node_t *node)
{
    char wanted[512], got[128], where[NL_YAML_WHERE_MAX];
    const char *text = nl_yaml_scalar(node), *quote = text ? "\"" : "";
    const char *kind = node->type == YAML_MAPPING_NODE ? "a map" : "a list";
    return nl_fail(NL_EUSAGE, "%s: %s.%s: want %s, got %s%s%s", nl_yaml_where(yaml, node, where),
                   option->section, option->key, nl_option_wanted(option, wanted, sizeof wanted),
                   quote, text ? nl_text_escape(text, got, sizeof got) : kind, quote);
}

static bool read_bool(const char *text, bool *out)
{
    static const char *const yes[] = {"true", "yes", "1", NULL}, *const no[] = {"false", "no", "0",
                                                                                NULL};
    for (int i = 0; yes[i]; i++) {
        if (strcasecmp(text, yes[i]) == 0) return (*out = true, true);
        if (strcasecmp(text, no[i]) == 0) return (*out = false, true);
    }
    return false;
}

/* Digits, signs, point and exponent: neither spaces nor hexadecimal, infinity or NaN. */
static bool is_decimal(const char *text)
{
    return *text && strspn(text, "0123456789+-.eE") == strlen(text);
}

static bool read_real(const struct nl_option *option, const char *text, double *out)
{
    char *end;
    if (!is_decimal(text)) return false;
    *out = strtod(text, &end);
    return *end == '\0' && isfinite(*out) && *out >= option->min && *out <= option->max;
}

static bool read_int(const struct nl_option *option, const char *text, int64_t *out)
{
    char *end;
    if (!is_decimal(text)) return false;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return *end == '\0' && errno == 0 && (double)*out >= option->min && (double)*out <= option->max;
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

static bool read_ints(const struct nl_option *option, struct nl_yaml *yaml, const yaml_node_t *node,
                      int *out)
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

static nl_status set_steps(struct nl_config *config, const struct nl_option *option,
                           struct nl_yaml *yaml, const yaml_node_t *node)
{
    const char *key;
    const int count = nl_yaml_count(node);
    if (node->type != YAML_SEQUENCE_NODE || count < 1 || count > NL_STEPS_MAX)
        return refuse(option, yaml, node);
    for (int i = 0; i < count; i++) {
        const yaml_node_t *item = nl_yaml_item(yaml, node, i, &key);
        const char *text = nl_yaml_scalar(item);
        if (!text || !read_int(option, text, &config->train.step_sizes[i]))
            return refuse(option, yaml, item);
    }
    config->train.n_steps = count;
    return NL_OK;
}

int nl_option_stage(const char *key)
{
    return key && key[0] >= '2' && key[0] <= '5' && key[1] == '\0' ? key[0] - '0' : -1;
}

static nl_status set_groups(struct nl_config *config, const struct nl_option *option,
                            struct nl_yaml *yaml, const yaml_node_t *node)
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
        if (nl_option_stage(key) < 0 || !text || !read_int(option, text, &whole))
            return refuse(option, yaml, item);
        config->nonlocal.group_of_stage[nl_option_stage(key) - 2] = (int)whole;
    }
    return NL_OK;
}

nl_status nl_option_set(struct nl_settings *settings, int index, struct nl_yaml *yaml,
                        const yaml_node_t *node)
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
