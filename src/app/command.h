/* command.h - the program's commands and what each may be asked.
 *
 * One table of flags (flags.c) serves all commands: each row names the commands that take it, and
 * either a key of the configuration or a field of struct nl_flags.
 */
#ifndef NL_COMMAND_H
#define NL_COMMAND_H

#include "src/core/options.h"

/* Exit statuses of the program. */
enum {
    NL_EXIT_DONE = 0,
    NL_EXIT_FAILED = 1,
    NL_EXIT_USAGE = 2,
    NL_EXIT_SKIPPED = 3, /* some inputs */
    NL_EXIT_INTERRUPTED = 130,
};

/* One bit a command, for the sets of commands that take a flag. */
enum {
    NL_CMD_PREDICT = 1,
    NL_CMD_FORWARD = 2,
    NL_CMD_CLIP = 4,
    NL_CMD_INIT = 8,
    NL_CMD_CONVERT = 16,
    NL_CMD_INFO = 32,
    NL_CMD_BENCH = 64,
    NL_CMD_OPTIONS = 128,
    NL_CMD_TRAIN = 256,
    NL_CMD_BN_RECOMPUTE = 512,
    NL_CMD_EVAL = 1024,
    NL_CMD_PREPARE = 4096,
    NL_CMD_DEMO = 8192,
    NL_CMD_MAKE_LIST = 16384,
    NL_CMD_CHECK_DATA = 32768,
};

/* Flags that are no configuration keys. Texts are borrowed from argv; NULL: not given. */
struct nl_flags {
    const char *config, *weights, *json, *views, *input, *output, *layer, *to, *from, *mode, *shape;
    const char *pretrain, *resume, *save_dir, *rescore, *difficulty, *split, *bad;
    int64_t threads, seed, log_interval, infer_topk, temporal, spatial, batch, crop, repeat;
    int64_t valid_interval, save_steps, batches, videos;
    bool fix_random_seed, scale_lr, early_stop, force, decode;
    int64_t short_side, key_interval;
    bool has_seed, per_op, bare_json, train, backward, allow_missing, markdown, help;
    int use_gpu;       /* nl_use_gpu */
    const char **rest; /* bare arguments; the array is nl_args_clear's */
    int n_rest;
    int argc; /* the command line after the program's name, for manifests */
    char *const *argv;
};

/* One invocation. */
struct nl_run {
    const struct nl_command *command;
    struct nl_flags args;
    struct nl_settings settings;
    int exit_status; /* of a command that returned NL_OK */
};

struct nl_command {
    const char *name, *summary, *arguments; /* arguments: how bare ones are shown in the usage */
    unsigned bit;                           /* NL_CMD_... */
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
nl_status nl_cmd_train(struct nl_run *run);
nl_status nl_cmd_eval(struct nl_run *run);
nl_status nl_cmd_bn_recompute(struct nl_run *run);
nl_status nl_cmd_prepare(struct nl_run *run);
nl_status nl_cmd_demo(struct nl_run *run);
nl_status nl_cmd_make_list(struct nl_run *run);
nl_status nl_cmd_check_data(struct nl_run *run);

/* Runs a command as the program would with these arguments; its exit status. */
int nl_run_command(const char *name, int argc, char *const *argv);

/* Reads argv after the command's name into run->args and run->settings (flags and --set as
 * NL_BY_FLAG, the file of --config as NL_BY_FILE). NL_EUSAGE with one line for what is unknown
 * (naming the nearest), incomplete or out of range. nl_args_clear in any case. */
nl_status nl_args_read(struct nl_run *run, int argc, char *const *argv) NL_MUST_CHECK;
void nl_args_clear(struct nl_run *run);

/* The usage of one command, or of the program (NULL). */
void nl_print_usage(const struct nl_command *command, FILE *out);

#endif
