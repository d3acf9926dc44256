/* command.h - the program's commands and what each may be asked.
 *
 * One table of flags (args.c) serves all commands: each row names the commands that take it, and
 * either a key of the configuration or a field of struct nl_flags.
 */
#ifndef NL_COMMAND_H
#define NL_COMMAND_H

#include "src/core/options.h"

/* Exit statuses of the program. */
enum { NL_EXIT_DONE = 0, NL_EXIT_FAILED = 1, NL_EXIT_USAGE = 2, NL_EXIT_SKIPPED = 3, NL_EXIT_INTERRUPTED = 130 };

/* Flags that are no configuration keys. Texts are borrowed from argv; NULL: not given. */
struct nl_flags {
    const char *config, *weights, *json, *views, *input, *output, *layer, *to, *from, *mode, *shape;
    const char *save_dir, *pretrain, *resume;
    int64_t threads, seed, log_interval, infer_topk, temporal, spatial, batch, crop, repeat, valid_interval;
    bool has_seed, per_op, bare_json, train, backward, allow_missing, markdown, help;
    int use_gpu; /* nl_use_gpu */
    bool fix_random_seed;
    const char *const *rest; /* bare arguments */
    int n_rest;
};

/* One invocation. */
struct nl_run {
    const struct nl_command *command;
    struct nl_flags args;
    struct nl_settings settings;
    int exit_status; /* of a command that returned NL_OK */
};

struct nl_command {
    const char *name, *summary, *arguments; /* arguments: how bare ones are shown in the usage line */
    unsigned bit;                           /* of the flags' command sets */
    nl_status (*run)(struct nl_run *run);
};

extern const struct nl_command nl_commands[]; /* ends with a NULL name */

nl_status nl_cmd_predict(struct nl_run *run);
nl_status nl_cmd_forward(struct nl_run *run);
nl_status nl_cmd_clip(struct nl_run *run);
nl_status nl_cmd_init(struct nl_run *run);
nl_status nl_cmd_convert(struct nl_run *run);
nl_status nl_cmd_info(struct nl_run *run);
nl_status nl_cmd_bench(struct nl_run *run);
nl_status nl_cmd_options(struct nl_run *run);

/* Reads argv after the command's name into run->args and run->settings (flags and --set as
 * NL_BY_FLAG, the file of --config as NL_BY_FILE). NL_EUSAGE with one line for what is unknown
 * (naming the nearest), incomplete or out of range. */
nl_status nl_args_read(struct nl_run *run, int argc, char *const *argv) NL_MUST_CHECK;

/* The usage of one command, or of the program (NULL). */
void nl_print_usage(const struct nl_command *command, FILE *out);

#endif
