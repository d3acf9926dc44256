#include "src/app/flags.h"

#include <stdio.h>
#include <string.h>

enum {
    PREDICT = NL_CMD_PREDICT,
    FORWARD = NL_CMD_FORWARD,
    CLIP = NL_CMD_CLIP,
    INIT = NL_CMD_INIT,
    CONVERT = NL_CMD_CONVERT,
    INFO = NL_CMD_INFO,
    BENCH = NL_CMD_BENCH,
    OPTIONS = NL_CMD_OPTIONS,
    TRAIN = NL_CMD_TRAIN,
    RECOMPUTE = NL_CMD_BN_RECOMPUTE,
    EVAL = NL_CMD_EVAL,
    LOADS = PREDICT | FORWARD | INFO | BENCH | RECOMPUTE | EVAL,
    PREPARE = NL_CMD_PREPARE,
    DEMO = NL_CMD_DEMO,
    MAKE_LIST = NL_CMD_MAKE_LIST,
    CHECK_DATA = NL_CMD_CHECK_DATA,
    ALL = ~0,
};

#define FLAG(name, type, commands, help)                                                           \
    {                                                                                              \
        name, NL_FLAG_##type, (unsigned)(commands), 0, NULL, 0, 0, help                            \
    }
#define KEY(name, type, commands, key, help)                                                       \
    {                                                                                              \
        name, NL_FLAG_##type, (unsigned)(commands), 0, key, 0, 0, help                             \
    }
#define FIELD(name, type, commands, field, help)                                                   \
    {                                                                                              \
        name, NL_FLAG_##type, (unsigned)(commands), offsetof(struct nl_flags, field), NULL, 0, 0,  \
            help                                                                                   \
    }
#define NUMBER(name, commands, field, low, high, help)                                             \
    {                                                                                              \
        name, NL_FLAG_NUMBER, (unsigned)(commands), offsetof(struct nl_flags, field), NULL, low,   \
            high, help                                                                             \
    }

static const struct nl_flag flags[] = {
    FIELD("config", PATH, ALL, config,
          "configuration file; without it the defaults of configs/nonlocal.yaml"),
    FLAG("set", SET, ALL, "SECTION.KEY=VALUE: any key of the configuration; may be repeated"),
    KEY("backend", KEY, ALL, "MODEL.backend", "auto, or one that `nonlocal info` lists"),
    KEY("precision", KEY, ALL, "MODEL.precision", "f32, bf16 or f64"),
    FIELD("use_gpu", GPU, ALL, use_gpu, "True, False or auto"),
    NUMBER("threads", ALL, threads, 1, 1024,
           "at most one per processor; compute threads: by default one each"),
    NUMBER("seed", ALL, seed, 0, 9e18, "of random numbers"),
    NUMBER("log_interval", ALL, log_interval, 0, 1e9,
           "progress lines: one every so many views or steps"),
    KEY("model_name", KEY, ALL, "MODEL.name", "NONLOCAL"),
    FIELD("help", SWITCH, ALL, help, "this text"),
    FIELD("weights", PATH, LOADS, weights, "weights in any form that `nonlocal convert` reads"),
    FIELD("allow_missing", SWITCH, LOADS, allow_missing,
          "go on where weights lack tensors; those keep their initial values"),
    KEY("video_path", KEY_PATH, PREDICT | CLIP | BENCH, "INFER.video_path", "one video"),
    KEY("filelist", KEY_PATH, PREDICT, "INFER.filelist",
        "list: PATH, PATH LABEL, or PATH INDEX TEMPORAL SPATIAL"),
    NUMBER("infer_topk", PREDICT, infer_topk, 1, 1e6, "classes shown; default 20"),
    FIELD("views", TEXT, PREDICT | CLIP | BENCH | EVAL, views,
          "TxS: temporal positions and crops; default 10x3"),
    FIELD("json", PATH, PREDICT, json, "file for one JSON object a video"),
    FIELD("json", PATH, CHECK_DATA, json, "file for one JSON object a line of the lists"),
    FIELD("json", SWITCH, BENCH, bare_json, "nothing but JSON, one object a line"),
    KEY("batch_size", KEY, PREDICT, "INFER.batch_size",
        "views at a time; default 3, whatever the file says"),
    FIELD("pretrain", PATH, TRAIN, pretrain,
          "weights to start from, of any known form; 2-D kernels are spread over frames"),
    FIELD("resume", PATH, TRAIN, resume,
          "checkpoint to go on from, or a folder: its newest; goes before --pretrain"),
    FIELD("save_dir", PATH, DEMO, save_dir, "folder of everything; default nonlocal-demo"),
    FIELD("difficulty", TEXT, DEMO, difficulty,
          "0 to 1: noise, distractors, paler and smaller objects; default 0"),
    KEY("epoch", KEY, DEMO, "TRAIN.epoch", "passes over the videos; default 15"),
    NUMBER("videos", DEMO, videos, 3, 10000,
           "training videos a class, a third as many to test; default 120"),
    FIELD("save_dir", PATH, TRAIN | EVAL, save_dir,
          "folder of what is written; default data/checkpoints, of eval data/evaluate_results"),
    KEY("filelist", KEY_PATH, EVAL, "TEST.filelist",
        "list: PATH LABEL, or PATH INDEX TEMPORAL SPATIAL with TEST.filename_gt"),
    KEY("batch_size", KEY, EVAL, "TEST.batch_size", "views at a time"),
    FIELD("early_stop", SWITCH, EVAL, early_stop,
          "leave a video once no view can change its best class; TOP1_ACC stays exact"),
    FIELD("rescore", PATH, EVAL, rescore,
          "views.safetensors of an evaluation: its accuracies for --views=TxS of them"),
    KEY("epoch", KEY, TRAIN, "TRAIN.epoch", "passes over the training list"),
    KEY("batch_size", KEY, TRAIN, "TRAIN.batch_size", "clips a step"),
    KEY("learning_rate", KEY, TRAIN, "TRAIN.learning_rate", "of the first phase"),
    FIELD("scale_lr", SWITCH, TRAIN, scale_lr,
          "learning rate and phases for the batch at hand, given those for 64"),
    KEY("trainable", KEY, TRAIN, "TRAIN.trainable", "all, blocks, head or res5"),
    NUMBER("valid_interval", TRAIN, valid_interval, 0, 1e9,
           "epochs from one validation to the next; 0: never; default 1"),
    NUMBER("save_steps", TRAIN, save_steps, 0, 1e9,
           "steps from one NONLOCAL_last checkpoint to the next; 0: only when stopped"),
    FIELD("fix_random_seed", SWITCH, TRAIN, fix_random_seed, "seed 1000"),
    FLAG("save_dir", UNUSED, PREDICT, "the original's; results go to --json"),
    FIELD("input", PATH, FORWARD, input,
          ".npy, float32 (N,3,T,H,W) or (3,T,H,W), already normalised"),
    FIELD("output", PATH, FORWARD | CLIP, output, ".npy to write"),
    FIELD("layer", TEXT, FORWARD, layer,
          "a node that `nonlocal info` lists: its activation (N,C,T,H,W) instead"),
    NUMBER("temporal", CLIP, temporal, 0, 1e6, "temporal position, from 0"),
    NUMBER("spatial", CLIP, spatial, 0, 5, "crop: 0 to 2, 3 to 5 mirrored"),
    KEY("filelist", KEY_PATH, RECOMPUTE, "TRAIN.filelist", "list: PATH LABEL"),
    NUMBER("batches", RECOMPUTE, batches, 1, 1e9, "micro-batches to gather; default 200"),
    FIELD("to", PATH, INIT | CONVERT | RECOMPUTE, to, "safetensors file to write"),
    FIELD("to", PATH, PREPARE, to, "folder for the videos and their list"),
    FIELD("to", PATH, MAKE_LIST, to, "folder for lists, labels.json and config.yaml"),
    FIELD("split", TEXT, MAKE_LIST, split, "shares TRAIN,VAL,TEST; default 80,10,10"),
    FIELD("force", SWITCH, MAKE_LIST, force, "write files anew that are there"),
    FIELD("decode", SWITCH, CHECK_DATA, decode, "decode every frame, not just the first"),
    FIELD("bad", PATH, CHECK_DATA, bad, "file for the lines of videos that cannot be read"),
    NUMBER("short_side", PREPARE, short_side, 2, 8192,
           "pixels; default 256; smaller videos keep their size"),
    NUMBER("key_interval", PREPARE, key_interval, 1, 1000,
           "frames from one key frame to the next at most; default 12"),
    FIELD("from", PATH, CONVERT, from, "weights to read"),
    FIELD("mode", TEXT, BENCH, mode, "infer, train, block, data or peak"),
    NUMBER("batch", BENCH | INFO, batch, 1, 65536, "clips at a time; default 1"),
    NUMBER("crop", BENCH | INFO, crop, 16, 4096,
           "pixels; default: bench TRAIN.crop_size, info TEST.crop_size"),
    NUMBER("repeat", BENCH, repeat, 1, 1e6, "timed runs; default 5"),
    FIELD("per-op", SWITCH, BENCH, per_op,
          "distinct ops: times, GFLOP/s, GB/s, shares of what the machine can do"),
    FIELD("backward", SWITCH, BENCH, backward, "mode block: forward and backward"),
    FIELD("train", SWITCH, BENCH, train, "mode data: one training clip"),
    FIELD("shape", TEXT, BENCH, shape, "C,T,H,W of mode block"),
    FIELD("markdown", SWITCH, OPTIONS, markdown, "as the page docs/options.md"),
    FLAG("no_memory_optimize", BARE, ALL, "the original's"),
    FLAG("profiler_path", UNUSED, ALL, "the original's"),
    FLAG("is_profiler", UNUSED, ALL, "the original's"),
};

/* Row `index` of the options as a flag. NONLOCAL.impl is --nl_impl. */
static const struct nl_flag *key_flag(int index)
{
    static struct nl_flag flag;
    static char key[96];
    const struct nl_option *option = &nl_options[index];
    snprintf(key, sizeof key, "%s.%s", option->section, option->key);
    flag = (struct nl_flag){.name = strcmp(option->key, "impl") == 0 ? "nl_impl" : option->key,
                            .type = NL_FLAG_KEY,
                            .commands = (unsigned)ALL,
                            .key = key,
                            .help = option->help};
    return &flag;
}

const struct nl_flag *nl_flag_at(int i, unsigned command)
{
    for (size_t k = 0; k < NL_COUNT(flags); k++)
        if ((flags[k].commands & command) && i-- == 0) return &flags[k];
    for (int k = 0; k < nl_n_options; k++)
        if (strcmp(nl_options[k].section, "NONLOCAL") == 0 && i-- == 0) return key_flag(k);
    return NULL;
}

const struct nl_flag *nl_flag_find(const char *name, unsigned command)
{
    const struct nl_flag *flag = NULL;
    for (int i = 0; (flag = nl_flag_at(i, command)); i++)
        if (strcmp(flag->name, name) == 0) return flag;
    return strcmp(name, "impl") == 0 ? nl_flag_find("nl_impl", command) : NULL;
}

static void print_flag(const struct nl_flag *flag, FILE *out)
{
    char name[64];
    const bool bare = flag->type == NL_FLAG_SWITCH || flag->type == NL_FLAG_BARE;
    const bool unused = flag->type == NL_FLAG_UNUSED || flag->type == NL_FLAG_BARE;
    snprintf(name, sizeof name, "--%s%s", flag->name, bare ? "" : "=...");
    fprintf(out, "  %-24s %s%s\n", name, unused ? "no effect; " : "", flag->help);
}

static void print_commands(FILE *out)
{
    fputs("usage: nonlocal COMMAND [ARGUMENT...] [--flag=value...]\n\n", out);
    for (const struct nl_command *c = nl_commands; c->name; c++)
        fprintf(out, "  %-12s  %s\n", c->name, c->summary);
    fputs("\n`nonlocal COMMAND --help` lists the flags of a command, "
          "`nonlocal --version` says what this is.\n",
          out);
}

void nl_print_usage(const struct nl_command *command, FILE *out)
{
    const struct nl_flag *flag = NULL;
    bool keys = false;
    if (!command) {
        print_commands(out);
        return;
    }
    fprintf(out, "usage: nonlocal %s %s[--flag=value...]\n\n%s.\n\n", command->name,
            command->arguments, command->summary);
    for (int i = 0; (flag = nl_flag_at(i, command->bit)); i++) {
        const bool key = flag->key && strncmp(flag->key, "NONLOCAL.", 9) == 0;
        if (key && !keys) fputs("\nEvery key of NONLOCAL is a flag too:\n", out);
        keys = key;
        print_flag(flag, out);
    }
}
