#include "src/app/command.h"
#include "src/app/plugin.h"
#include "src/app/settle.h"
#include "src/app/signals.h"
#include "src/core/memory.h"

#include "autoconf.h"

#include <stdio.h>
#include <string.h>

const struct nl_command nl_commands[] = {
    {"train", "Trains a network from lists of videos", "", NL_CMD_TRAIN, nl_cmd_train},
    {"eval", "Accuracy over a list of labelled videos, all views of each", "", NL_CMD_EVAL,
     nl_cmd_eval},
    {"predict", "Classes of videos", "[VIDEO|FOLDER...] ", NL_CMD_PREDICT, nl_cmd_predict},
    {"forward", "Clips in a .npy file to probabilities or a layer's activation", "", NL_CMD_FORWARD,
     nl_cmd_forward},
    {"clip", "The clip that the reader cuts from a video", "", NL_CMD_CLIP, nl_cmd_clip},
    {"init", "Seeded, non-trivial weights of the configured network", "", NL_CMD_INIT, nl_cmd_init},
    {"convert", "Weights of any known origin to safetensors", "", NL_CMD_CONVERT, nl_cmd_convert},
    {"info", "Backends, blocks, models; with --config or --set the network", "", NL_CMD_INFO,
     nl_cmd_info},
    {"bench", "Times a network, training steps, a block or the reader, or what the machine can do",
     "", NL_CMD_BENCH, nl_cmd_bench},
    {"bn-recompute", "Running statistics anew, as exact means over training clips", "",
     NL_CMD_BN_RECOMPUTE, nl_cmd_bn_recompute},
    {"prepare", "Videos of a list once more, small and quick to read", "LIST ", NL_CMD_PREPARE,
     nl_cmd_prepare},
    {"make-list",
     "Lists, labels and a configuration from a folder per class, or Kinetics' CSV files",
     "FOLDER [CSV...] ", NL_CMD_MAKE_LIST, nl_cmd_make_list},
    {"check-data", "What is wrong with lists and their videos", "[LIST...] ", NL_CMD_CHECK_DATA,
     nl_cmd_check_data},
    {"demo", "Makes videos, trains a narrow network on them, evaluates and predicts", "",
     NL_CMD_DEMO, nl_cmd_demo},
    {"options", "Every key of the configuration", "", NL_CMD_OPTIONS, nl_cmd_options},
    {NULL, NULL, NULL, 0, NULL},
};

static int usage_error(const char *line)
{
    fprintf(stderr, "nonlocal: %s\n", line);
    return NL_EXIT_USAGE;
}

static int unknown_command(const char *name)
{
    const char *known[NL_COUNT(nl_commands)];
    char line[256], shown[96];
    int n = 0;
    for (const struct nl_command *c = nl_commands; c->name; c++) known[n++] = c->name;
    known[n] = NULL;
    const char *near = nl_suggest(name, known);
    snprintf(line, sizeof line, "unknown command %s%s%s", nl_text_escape(name, shown, sizeof shown),
             near ? "; the nearest is " : "; see nonlocal --help", near ? near : "");
    return usage_error(line);
}

static int status_of(nl_status st, const struct nl_run *run)
{
    if (st == NL_OK) return run->exit_status;
    if (st == NL_EINTR) return NL_EXIT_INTERRUPTED;
    fprintf(stderr, "nonlocal %s: %s\n", run->command->name, nl_error());
    return st == NL_EUSAGE ? NL_EXIT_USAGE : NL_EXIT_FAILED;
}

/* What a command printed must have arrived. */
static nl_status flush_output(void)
{
    NL_REQUIRE(fflush(stdout) == 0 && !ferror(stdout), NL_EIO,
               "standard output: cannot be written");
    return NL_OK;
}

static nl_status run_it(struct nl_run *run, int argc, char *const *argv)
{
    const nl_status st = nl_args_read(run, argc, argv);
    if (run->args.help) {
        nl_print_usage(run->command, stdout);
        return flush_output();
    }
    NL_TRY(st);
    NL_REQUIRE(*run->command->arguments || run->args.n_rest == 0, NL_EUSAGE,
               "unexpected argument \"%s\"; nonlocal %s takes flags only", run->args.rest[0],
               run->command->name);
    NL_TRY(nl_plugins_load_env());
    NL_TRY(run->command->run(run));
    return flush_output();
}

static int run_command(const struct nl_command *command, int argc, char *const *argv)
{
    struct nl_run *run = NULL;
    if (nl_calloc(1, sizeof *run, &run) != NL_OK) {
        fprintf(stderr, "nonlocal %s: %s\n", command->name, nl_error());
        return NL_EXIT_FAILED;
    }
    run->command = command;
    const nl_status st = run_it(run, argc, argv);
    const int status = status_of(st, run);
    nl_args_clear(run);
    nl_free(run);
    return status;
}

int nl_run_command(const char *name, int argc, char *const *argv)
{
    for (const struct nl_command *c = nl_commands; c->name; c++)
        if (strcmp(name, c->name) == 0) return run_command(c, argc, argv);
    return unknown_command(name);
}

int main(int argc, char **argv)
{
    nl_settle(argv);
    if (argc < 2) {
        nl_print_usage(NULL, stderr);
        return NL_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        nl_print_usage(NULL, stdout);
        return NL_EXIT_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        puts(PACKAGE_STRING);
        return NL_EXIT_DONE;
    }
    return nl_run_command(argv[1], argc - 2, argv + 2);
}
