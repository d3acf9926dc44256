#include "src/app/command.h"

#include "src/app/flags.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/tensor/backend.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_other_commands(const char *name)
{
    return nl_flag_find(name, ~0u) != NULL;
}

static nl_status unknown_flag(const char *name, const struct nl_command *command)
{
    enum { FLAGS_MAX = 256 };
    const char *known[FLAGS_MAX];
    const struct nl_flag *flag = NULL;
    char shown[128];
    int n = 0;
    nl_text_escape(name, shown, sizeof shown);
    if (is_other_commands(name))
        return nl_fail(NL_EUSAGE, "--%s is no flag of this command; see nonlocal %s --help", shown,
                       command->name);
    for (; n + 1 < FLAGS_MAX && (flag = nl_flag_at(n, command->bit)); n++) known[n] = flag->name;
    known[n] = NULL;
    const char *near = nl_suggest(name, known);
    if (near) return nl_fail(NL_EUSAGE, "unknown flag --%s; the nearest is --%s", shown, near);
    return nl_fail(NL_EUSAGE, "unknown flag --%s; see nonlocal %s --help", shown, command->name);
}

static nl_status refuse(const struct nl_flag *flag, const char *wanted, const char *value)
{
    char shown[128];
    return nl_fail(NL_EUSAGE, "--%s: want %s, got \"%s\"", flag->name, wanted,
                   nl_text_escape(value, shown, sizeof shown));
}

static nl_status read_number(const struct nl_flag *flag, const char *value, int64_t *out)
{
    char *end, wanted[96];
    errno = 0;
    const long long number = strtoll(value, &end, 10);
    snprintf(wanted, sizeof wanted, "an integer from %.0f to %.0f", flag->low, flag->high);
    if (end == value || *end || errno || (double)number < flag->low || (double)number > flag->high)
        return refuse(flag, wanted, value);
    *out = number;
    return NL_OK;
}

/* More would only wait for each other. */
static nl_status check_threads(const struct nl_flag *flag, int64_t threads)
{
    const int most = nl_processors();
    NL_REQUIRE(threads <= most, NL_EUSAGE,
               "--%s: want at most %d, the processors that this process may run on, got %lld; "
               "without the flag all are used",
               flag->name, most, (long long)threads);
    return NL_OK;
}

static bool is_one_of(const char *value, const char *a, const char *b, const char *c)
{
    return strcmp(value, a) == 0 || strcmp(value, b) == 0 || strcmp(value, c) == 0;
}

static nl_status read_literal(const struct nl_flag *flag, const char *value, bool *out)
{
    const bool yes = is_one_of(value, "True", "true", "1");
    if (!yes && !is_one_of(value, "False", "false", "0"))
        return refuse(flag, "True or False", value);
    *out = yes;
    return NL_OK;
}

static nl_status read_gpu(const struct nl_flag *flag, const char *value, int *out)
{
    bool yes = false;
    *out = NL_GPU_AUTO;
    if (!*value || strcmp(value, "auto") == 0) return NL_OK;
    if (read_literal(flag, value, &yes) != NL_OK) return refuse(flag, "True, False or auto", value);
    *out = yes ? NL_GPU_TRUE : NL_GPU_FALSE;
    return NL_OK;
}

static nl_status read_set(const struct nl_flag *flag, struct nl_settings *settings,
                          const char *value)
{
    char key[128];
    const char *equals = strchr(value, '=');
    if (!equals || (size_t)(equals - value) >= sizeof key)
        return refuse(flag, "SECTION.KEY=VALUE", value);
    memcpy(key, value, (size_t)(equals - value));
    key[equals - value] = '\0';
    return nl_settings_set(settings, key, equals + 1, NL_BY_FLAG);
}

static nl_status apply(struct nl_run *run, const struct nl_flag *flag, const char *value)
{
    void *at = (char *)&run->args + flag->offset;
    switch (flag->type) {
    case NL_FLAG_TEXT:
        if (!*value) return refuse(flag, "a value", value);
        *(const char **)at = value;
        return NL_OK;
    case NL_FLAG_PATH:
        *(const char **)at = *value ? value : NULL;
        return NL_OK;
    case NL_FLAG_NUMBER:
        if (at == &run->args.seed) run->args.has_seed = true;
        NL_TRY(read_number(flag, value, at));
        return at == &run->args.threads ? check_threads(flag, run->args.threads) : NL_OK;
    case NL_FLAG_SWITCH:
        return read_literal(flag, value, at);
    case NL_FLAG_GPU:
        return read_gpu(flag, value, at);
    case NL_FLAG_SET:
        return read_set(flag, &run->settings, value);
    case NL_FLAG_KEY:
        return *value ? nl_settings_set(&run->settings, flag->key, value, NL_BY_FLAG) : NL_OK;
    case NL_FLAG_KEY_PATH:
        return *value ? nl_settings_set_text(&run->settings, flag->key, value, NL_BY_FLAG) : NL_OK;
    default:
        nl_warn("--%s has no effect", flag->name);
        return NL_OK;
    }
}

/* One --name[=value] at argv[*i]; the value may be the next argument. */
static nl_status read_flag(struct nl_run *run, int argc, char *const *argv, int *i)
{
    char name[64];
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    const size_t length = equals ? (size_t)(equals - word) : strlen(word);
    if (length >= sizeof name) return unknown_flag(word, run->command);
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    const struct nl_flag *flag = nl_flag_find(name, run->command->bit);
    if (!flag) return unknown_flag(name, run->command);
    if (equals) return apply(run, flag, equals + 1);
    if (flag->type == NL_FLAG_SWITCH || flag->type == NL_FLAG_BARE) return apply(run, flag, "True");
    NL_REQUIRE(*i + 1 < argc && strncmp(argv[*i + 1], "--", 2) != 0, NL_EUSAGE,
               "--%s: no value; write --%s=VALUE", name, name);
    return apply(run, flag, argv[++*i]);
}

static nl_status load_config(struct nl_run *run)
{
    if (!run->args.config) return NL_OK;
    const nl_status st = nl_settings_load(&run->settings, run->args.config);
    return st == NL_EIO ? nl_fail(st, "--config: %s", nl_error()) : st;
}

nl_status nl_args_read(struct nl_run *run, int argc, char *const *argv)
{
    bool flags_end = false;
    run->args = (struct nl_flags){.temporal = -1, .valid_interval = 1, .argc = argc, .argv = argv};
    NL_TRY(nl_settings_init(&run->settings));
    NL_TRY(nl_calloc((size_t)argc + 1, sizeof *run->args.rest, &run->args.rest));
    for (int i = 0; i < argc; i++) {
        const bool is_flag = !flags_end && strncmp(argv[i], "--", 2) == 0;
        if (is_flag && !argv[i][2])
            flags_end = true;
        else if (is_flag)
            NL_TRY(read_flag(run, argc, argv, &i));
        else if (*argv[i])
            run->args.rest[run->args.n_rest++] = argv[i];
    }
    return load_config(run);
}

void nl_args_clear(struct nl_run *run)
{
    nl_free(run->args.rest);
    run->args.rest = NULL;
    run->args.n_rest = 0;
}
