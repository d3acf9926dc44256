/* Options as text: YAML that reads back, and the page of all of them. */
#include "src/core/option_value.h"
#include "src/core/yaml.h"

#include <stdlib.h>
#include <string.h>

/* The shortest of the forms that read back to the same number. */
static void write_real(double value, struct nl_text *out)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    nl_text_add(out, "%s", text);
}

static void write_list(const int *values, int count, struct nl_text *out)
{
    for (int i = 0; i < count; i++) nl_text_add(out, "%s%d", i ? ", " : "[", values[i]);
    nl_text_add(out, "]");
}

static void write_groups(const struct nl_config *config, struct nl_text *out)
{
    const int *groups = config->nonlocal.group_of_stage;
    bool any = false;
    for (int i = 0; i < NL_STAGES; i++) {
        if (groups[i] < 0) continue;
        nl_text_add(out, "%s%d: %d", any ? ", " : "{", i + 2, groups[i]);
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

void nl_option_write_at(const void *at, int index, struct nl_text *out)
{
    const struct nl_option *option = &nl_options[index];
    switch (option->type) {
    case NL_OPT_BOOL:
        nl_text_add(out, "%s", *(const bool *)at ? "True" : "False");
        break;
    case NL_OPT_INT:
    case NL_OPT_GROUPS:
        nl_text_add(out, "%d", *(const int *)at);
        break;
    case NL_OPT_INT64:
        nl_text_add(out, "%lld", (long long)*(const int64_t *)at);
        break;
    case NL_OPT_REAL:
        write_real(*(const double *)at, out);
        break;
    case NL_OPT_CHOICE:
        nl_text_add(out, "%s", option->choices[*(const int *)at]);
        break;
    case NL_OPT_INTS:
        write_list(at, option->count, out);
        break;
    default:
        nl_yaml_quote(at, out);
    }
}

void nl_option_write(const struct nl_settings *settings, int index, struct nl_text *out)
{
    switch (nl_options[index].type) {
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
        nl_option_write_at((const char *)&settings->config + nl_options[index].offset, index, out);
    }
}

void nl_settings_dump(const struct nl_settings *settings, struct nl_text *out)
{
    const char *section = "";
    for (int i = 0; i < nl_n_options; i++) {
        if (strcmp(section, nl_options[i].section) != 0)
            nl_text_add(out, "%s:\n", nl_options[i].section);
        section = nl_options[i].section;
        nl_text_add(out, "  %s: ", nl_options[i].key);
        nl_option_write(settings, i, out);
        nl_text_add(out, "\n");
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
            used += (size_t)snprintf(out + used, size - used, "%s%s", i ? " or " : "",
                                     option->choices[i]);
        break;
    case NL_OPT_INTS:
        snprintf(out, size, "a list of %d integers from %.0f to %.0f", option->count, option->min,
                 option->max);
        break;
    case NL_OPT_STEPS:
        snprintf(out, size, "a list of 1 to %d integers, at least 1", NL_STEPS_MAX);
        break;
    case NL_OPT_GROUPS:
        snprintf(out, size,
                 "a number of frames from 0 to %.0f, or a map from stage (2 to 5) to one",
                 option->max);
        break;
    case NL_OPT_BLOCKS:
        snprintf(out, size,
                 "a map from stage (2 to 5) to a list of residual blocks, such as {3: [1, 3]}");
        break;
    default:
        snprintf(out, size, "a text of at most %d bytes",
                 (option->type == NL_OPT_NAME ? NL_NAME_MAX : NL_PATH_MAX) - 1);
    }
    return out;
}

void nl_options_markdown(FILE *out)
{
    const char *section = "";
    char wanted[512];
    fputs("# Options\n\nEvery key of the configuration file, in its sections. "
          "`--set SECTION.KEY=VALUE` sets any of them on the\ncommand line; those of NONLOCAL are "
          "flags too (`--pairwise=dot`). Keys marked `+` are not in the original\nprogram's file. "
          "This page is made by `nonlocal options --markdown`.\n",
          out);
    for (int i = 0; i < nl_n_options; i++) {
        const struct nl_option *o = &nl_options[i];
        if (strcmp(section, o->section) != 0)
            fprintf(out, "\n## %s\n\n| key | default | wants | what it is |\n|---|---|---|---|\n",
                    o->section);
        section = o->section;
        fprintf(out, "| `%s`%s | `%s` | %s | %s%s |\n", o->key, o->flags & NL_OPT_OURS ? " +" : "",
                *o->preset ? o->preset : "''", nl_option_wanted(o, wanted, sizeof wanted),
                o->flags & NL_OPT_UNUSED ? "no effect: " : "", o->help);
    }
}
