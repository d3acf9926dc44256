#include "src/app/command.h"

#include "src/core/log.h"
#include "src/core/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    PREDICT = 1, FORWARD = 2, CLIP = 4, INIT = 8, CONVERT = 16, INFO = 32, BENCH = 64, OPTIONS = 128,
    ALL = 0xFFFF, NETWORK = PREDICT | FORWARD | INIT | INFO | BENCH, NONE = 0
};

typedef enum {
    TEXT,    /* const char *, not empty */
    PATH,    /* const char *; empty means not given */
    NUMBER,  /* int64_t */
    SWITCH,  /* bool: bare, or a Python literal */
    LITERAL, /* bool that needs a value */
    GPU,     /* int: True, False or auto */
    SET,     /* SECTION.KEY=VALUE */
    KEY,     /* a key of the configuration */
    KEY_PATH, /* likewise; empty means not given */
    NAME,    /* --model_name=NONLOCAL */
    UNUSED,  /* the original's, without effect */
    JSON,    /* a file for predict, bare for bench */
} flag_type;

struct flag {
    const char *name;
    flag_type type;
    unsigned commands;
    size_t offset;   /* in struct nl_flags */
    const char *key; /* SECTION.KEY */
    double low, high;
    const char *help;
};

#define FIELD(field) offsetof(struct nl_flags, field)

static const struct flag flags[] = {
    {"config", PATH, ALL, FIELD(config), NULL, 0, 0, "configuration file; without it the defaults of configs/nonlocal.yaml"},
    {"set", SET, ALL, 0, NULL, 0, 0, "SECTION.KEY=VALUE: any key of the configuration; may be repeated"},
    {"backend", KEY, ALL, 0, "MODEL.backend", 0, 0, "auto, or one that `nonlocal info` lists"},
    {"precision", KEY, ALL, 0, "MODEL.precision", 0, 0, "f32, bf16 or f64"},
    {"use_gpu", GPU, ALL, FIELD(use_gpu), NULL, 0, 0, "True, False or auto"},
    {"threads", NUMBER, ALL, FIELD(threads), NULL, 1, 1024, "compute threads; default: one per processor"},
    {"seed", NUMBER, ALL, FIELD(seed), NULL, 0, 9e18, "of random numbers"},
    {"log_interval", NUMBER, ALL, FIELD(log_interval), NULL, 0, 1e9, "progress lines: one every so many views"},
    {"model_name", NAME, ALL, 0, "MODEL.name", 0, 0, "NONLOCAL"},
    {"help", SWITCH, ALL, FIELD(help), NULL, 0, 0, "this text"},
    {"weights", PATH, PREDICT | FORWARD | INFO | BENCH, FIELD(weights), NULL, 0, 0, "weights in any form that `nonlocal convert` reads"},
    {"allow_missing", SWITCH, PREDICT | FORWARD | INFO | BENCH, FIELD(allow_missing), NULL, 0, 0, "go on where weights lack tensors; those keep their initial values"},
    {"video_path", KEY_PATH, PREDICT | CLIP | BENCH, 0, "INFER.video_path", 0, 0, "one video"},
    {"filelist", KEY_PATH, PREDICT, 0, "INFER.filelist", 0, 0, "list: PATH, PATH LABEL, or PATH INDEX TEMPORAL SPATIAL"},
    {"infer_topk", NUMBER, PREDICT, FIELD(infer_topk), NULL, 1, 1e6, "classes shown; default 20"},
    {"views", TEXT, PREDICT | CLIP | BENCH, FIELD(views), NULL, 0, 0, "TxS: temporal positions and crops; default 10x3"},
    {"json", JSON, PREDICT | BENCH, FIELD(json), NULL, 0, 0, "predict: file for one JSON object a video; bench: bare, only the JSON line"},
    {"batch_size", KEY, PREDICT, 0, "INFER.batch_size", 0, 0, "the original's; views are batched by position here"},
    {"save_dir", UNUSED, PREDICT, 0, NULL, 0, 0, "the original's; results go to --json"},
    {"input", PATH, FORWARD, FIELD(input), NULL, 0, 0, ".npy, float32 (N,3,T,H,W) or (3,T,H,W), already normalised"},
    {"output", PATH, FORWARD | CLIP, FIELD(output), NULL, 0, 0, ".npy to write"},
    {"layer", TEXT, FORWARD, FIELD(layer), NULL, 0, 0, "a node that `nonlocal info` lists: its activation (N,C,T,H,W) instead"},
    {"temporal", NUMBER, CLIP, FIELD(temporal), NULL, 0, 1e6, "temporal position, from 0"},
    {"spatial", NUMBER, CLIP, FIELD(spatial), NULL, 0, 5, "crop: 0 to 2, 3 to 5 mirrored"},
    {"to", PATH, INIT | CONVERT, FIELD(to), NULL, 0, 0, "safetensors file to write"},
    {"from", PATH, CONVERT, FIELD(from), NULL, 0, 0, "weights to read"},
    {"mode", TEXT, BENCH, FIELD(mode), NULL, 0, 0, "infer, block or data"},
    {"batch", NUMBER, BENCH | INFO, FIELD(batch), NULL, 1, 65536, "clips at a time; default 1"},
    {"crop", NUMBER, BENCH | INFO, FIELD(crop), NULL, 16, 4096, "pixels; default: bench TRAIN.crop_size, info TEST.crop_size"},
    {"repeat", NUMBER, BENCH, FIELD(repeat), NULL, 1, 1e6, "timed runs; default 5"},
    {"per-op", SWITCH, BENCH, FIELD(per_op), NULL, 0, 0, "a table of nodes with milliseconds and GFLOP/s"},
    {"backward", SWITCH, BENCH, FIELD(backward), NULL, 0, 0, "mode block: forward and backward"},
    {"train", SWITCH, BENCH, FIELD(train), NULL, 0, 0, "mode data: one training clip"},
    {"shape", TEXT, BENCH, FIELD(shape), NULL, 0, 0, "C,T,H,W of mode block"},
    {"markdown", SWITCH, OPTIONS, FIELD(markdown), NULL, 0, 0, "as the page docs/options.md"},
    {"no_memory_optimize", UNUSED, ALL, 0, NULL, 0, 0, "the original's"},
    {"profiler_path", UNUSED, ALL, 0, NULL, 0, 0, "the original's"},
    {"is_profiler", UNUSED, ALL, 0, NULL, 0, 0, "the original's"},
};

/* A key of NONLOCAL as a flag: --pairwise, ..., and --nl_impl for NONLOCAL.impl. */
static int nonlocal_key(const char *name)
{
    return nl_option_find("NONLOCAL", strcmp(name, "nl_impl") == 0 ? "impl" : name);
}

static const struct flag *find_flag(const char *name, unsigned command)
{
    for (size_t i = 0; i < NL_COUNT(flags); i++)
        if ((flags[i].commands & command) && strcmp(flags[i].name, name) == 0) return &flags[i];
    return NULL;
}

static nl_status unknown_flag(const char *name, const struct nl_command *command)
{
    const char *known[NL_COUNT(flags) + NL_OPTIONS_MAX + 1];
    char shown[128];
    int n = 0;
    for (size_t i = 0; i < NL_COUNT(flags); i++)
        if (flags[i].commands & command->bit) known[n++] = flags[i].name;
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, "NONLOCAL") == 0) known[n++] = nl_options[i].key;
    known[n] = NULL;
    const char *near = nl_suggest(name, known);
    return nl_fail(NL_EUSAGE, "unknown flag --%s%s%s", nl_text_escape(name, shown, sizeof shown),
                   near ? "; the nearest is --" : "; see --help", near ? near : "");
}

static nl_status refuse(const struct flag *flag, const char *wanted, const char *value)
{
    char shown[128];
    return nl_fail(NL_EUSAGE, "--%s: want %s, got \"%s\"", flag->name, wanted,
                   nl_text_escape(value, shown, sizeof shown));
}

static nl_status read_number(const struct flag *flag, const char *value, int64_t *out)
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

static nl_status read_literal(const struct flag *flag, const char *value, bool *out)
{
    const bool yes = strcmp(value, "True") == 0 || strcmp(value, "true") == 0 || strcmp(value, "1") == 0;
    const bool no = strcmp(value, "False") == 0 || strcmp(value, "false") == 0 || strcmp(value, "0") == 0;
    if (!yes && !no) return refuse(flag, "True or False", value);
    *out = yes;
    return NL_OK;
}

static nl_status read_gpu(const struct flag *flag, const char *value, int *out)
{
    bool yes = false;
    *out = NL_GPU_AUTO;
    if (strcmp(value, "auto") == 0 || !*value) return NL_OK;
    if (read_literal(flag, value, &yes) != NL_OK) return refuse(flag, "True, False or auto", value);
    *out = yes ? NL_GPU_TRUE : NL_GPU_FALSE;
    return NL_OK;
}

static nl_status read_set(struct nl_settings *settings, const char *value)
{
    char key[128];
    const char *equals = strchr(value, '=');
    NL_REQUIRE(equals && (size_t)(equals - value) < sizeof key, NL_EUSAGE,
               "--set: want SECTION.KEY=VALUE, got \"%.100s\"", value);
    memcpy(key, value, (size_t)(equals - value));
    key[equals - value] = '\0';
    return nl_settings_set(settings, key, equals + 1, NL_BY_FLAG);
}

/* A path is no YAML: quoted, so that any name works. */
static nl_status set_path(struct nl_settings *settings, const char *key, const char *value)
{
    struct nl_text quoted = {.data = NULL};
    nl_text_add(&quoted, "\"");
    for (const char *c = value; *c; c++) {
        const unsigned char byte = (unsigned char)*c;
        nl_text_add(&quoted, byte < 32 || byte == '"' || byte == '\\' ? "\\x%02X" : "%c", byte);
    }
    nl_text_add(&quoted, "\"");
    nl_status st = nl_text_check(&quoted);
    if (st == NL_OK) st = nl_settings_set(settings, key, quoted.data, NL_BY_FLAG);
    nl_text_clear(&quoted);
    return st;
}

static nl_status apply(struct nl_run *run, const struct flag *flag, const char *value)
{
    char *at = (char *)&run->args + flag->offset;
    switch (flag->type) {
    case TEXT:
        if (!*value) return refuse(flag, "a value", value);
        *(const char **)(void *)at = value;
        return NL_OK;
    case PATH:
    case JSON:
        *(const char **)(void *)at = *value ? value : NULL;
        return NL_OK;
    case NUMBER:
        if (flag->offset == FIELD(seed)) run->args.has_seed = true;
        return read_number(flag, value, (int64_t *)(void *)at);
    case SWITCH:
    case LITERAL:
        return read_literal(flag, value, (bool *)(void *)at);
    case GPU:
        return read_gpu(flag, value, (int *)(void *)at);
    case SET:
        return read_set(&run->settings, value);
    case KEY_PATH:
        return *value ? set_path(&run->settings, flag->key, value) : NL_OK;
    case NAME:
    case KEY:
        return *value ? nl_settings_set(&run->settings, flag->key, value, NL_BY_FLAG) : NL_OK;
    default:
        nl_warn("--%s has no effect", flag->name);
        return NL_OK;
    }
}

static bool is_bare(const struct flag *flag, const struct nl_command *command)
{
    return flag->type == SWITCH || (flag->type == JSON && command->bit == BENCH) ||
           (flag->type == UNUSED && strcmp(flag->name, "no_memory_optimize") == 0);
}

/* One --name[=value] at argv[*i]; a value may be the next argument. */
static nl_status read_flag(struct nl_run *run, int argc, char *const *argv, int *i)
{
    char name[64] = "";
    const char *word = argv[*i] + 2, *equals = strchr(word, '=');
    const size_t length = equals ? (size_t)(equals - word) : strlen(word);
    if (length >= sizeof name) return unknown_flag(word, run->command);
    memcpy(name, word, length);
    const struct flag *flag = find_flag(name, run->command->bit);
    const int key = flag ? -1 : nonlocal_key(name);
    if (!flag && key < 0) return unknown_flag(name, run->command);

    const char *value = equals ? equals + 1 : NULL;
    if (flag && !value && is_bare(flag, run->command)) {
        if (flag->type == JSON) run->args.bare_json = true;
        return flag->type == SWITCH ? apply(run, flag, "True") : NL_OK;
    }
    if (!value) {
        NL_REQUIRE(*i + 1 < argc, NL_EUSAGE, "--%s: no value", name);
        value = argv[++*i];
    }
    if (flag) return apply(run, flag, value);
    char full[96];
    snprintf(full, sizeof full, "NONLOCAL.%s", nl_options[key].key);
    return *value ? nl_settings_set(&run->settings, full, value, NL_BY_FLAG) : NL_OK;
}

nl_status nl_args_read(struct nl_run *run, int argc, char *const *argv)
{
    static const char *rest[4096];
    run->args = (struct nl_flags){.temporal = -1, .rest = rest};
    NL_TRY(nl_settings_init(&run->settings));
    bool flags_end = false;
    for (int i = 0; i < argc; i++) {
        const bool is_flag = !flags_end && strncmp(argv[i], "--", 2) == 0;
        if (is_flag && !argv[i][2]) {
            flags_end = true;
        } else if (is_flag) {
            NL_TRY(read_flag(run, argc, argv, &i));
        } else {
            NL_REQUIRE(run->args.n_rest < (int)NL_COUNT(rest), NL_EUSAGE,
                       "more than %d arguments; give a list with --filelist", (int)NL_COUNT(rest));
            if (*argv[i]) rest[run->args.n_rest++] = argv[i];
        }
    }
    return run->args.config ? nl_settings_load(&run->settings, run->args.config) : NL_OK;
}

static void print_flag(const struct flag *flag, FILE *out)
{
    char name[64];
    snprintf(name, sizeof name, "--%s%s", flag->name, flag->type == SWITCH ? "" : "=...");
    fprintf(out, "  %-20s %s%s\n", name, flag->type == UNUSED ? "no effect; " : "", flag->help);
}

void nl_print_usage(const struct nl_command *command, FILE *out)
{
    if (!command) {
        fputs("usage: nonlocal COMMAND [ARGUMENT...] [--flag=value...]\n\n", out);
        for (const struct nl_command *c = nl_commands; c->name; c++) fprintf(out, "  %-9s %s\n", c->name, c->summary);
        fputs("\n`nonlocal COMMAND --help` lists the flags of a command, `nonlocal --version` says what this is.\n", out);
        return;
    }
    fprintf(out, "usage: nonlocal %s %s[--flag=value...]\n\n%s.\n\n", command->name, command->arguments, command->summary);
    for (size_t i = 0; i < NL_COUNT(flags); i++)
        if (flags[i].commands & command->bit) print_flag(&flags[i], out);
    fputs("\nEvery key of NONLOCAL is a flag too:\n", out);
    for (int i = 0; i < nl_n_options; i++)
        if (strcmp(nl_options[i].section, "NONLOCAL") == 0)
            fprintf(out, "  --%-18s %s\n", strcmp(nl_options[i].key, "impl") == 0 ? "nl_impl" : nl_options[i].key, nl_options[i].help);
}
