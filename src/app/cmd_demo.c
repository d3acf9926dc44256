/* `nonlocal demo`: a data set of small videos, a narrow network trained on it with and without
 * non-local blocks, evaluated, and one video predicted. Each step is a command of this program, and
 * is printed as one could type it. */
#include "src/app/command.h"
#include "src/app/demo_data.h"
#include "src/app/demo_scene.h"
#include "src/app/device.h"
#include "src/app/signals.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/text.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TRAIN = 120, BATCH = 16, EPOCHS = 15, WORDS = 16, WORD = 4200 };

struct demo {
    struct nl_run *run;
    const char *folder;
    double difficulty;
    int epochs, videos; /* videos: of a class to train on */
    char *words[WORDS]; /* of the command at hand */
    int n_words;
};

static nl_status add(struct demo *d, const char *fmt, ...) NL_PRINTF(2, 3);
static nl_status add(struct demo *d, const char *fmt, ...)
{
    char word[WORD];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(word, sizeof word, fmt, ap);
    va_end(ap);
    NL_REQUIRE(d->n_words < WORDS, NL_EINVAL, "too many words");
    NL_TRY(nl_copy_text(word, &d->words[d->n_words]));
    d->n_words++;
    return NL_OK;
}

static void forget(struct demo *d)
{
    while (d->n_words > 0) nl_free(d->words[--d->n_words]);
}

static int at_least_1(int n)
{
    return n > 1 ? n : 1;
}

/* What the demo's own command line says of the backend. */
static nl_status add_own(const struct demo *d, struct nl_text *out)
{
    nl_text_add(out, ", backend: ");
    nl_settings_write(&d->run->settings, "MODEL.backend", out);
    nl_text_add(out, ", precision: ");
    nl_settings_write(&d->run->settings, "MODEL.precision", out);
    return nl_text_check(out);
}

/* What was said of the blocks: NONLOCAL's keys that do not have their defaults' origin. */
static nl_status add_blocks(const struct demo *d, struct nl_text *out)
{
    const char *before = "NONLOCAL: {";
    for (int i = 0; i < nl_n_options; i++) {
        char key[128];
        snprintf(key, sizeof key, "%s.%s", nl_options[i].section, nl_options[i].key);
        if (strcmp(nl_options[i].section, "NONLOCAL") != 0 ||
            nl_settings_origin(&d->run->settings, key) == NL_BY_DEFAULT)
            continue;
        nl_text_add(out, "%s%s: ", before, nl_options[i].key);
        nl_settings_write(&d->run->settings, key, out);
        before = ", ";
    }
    if (*before == ',') nl_text_add(out, "}\n");
    return nl_text_check(out);
}

/* What all commands of the demo have in common. */
static nl_status write_config(const struct demo *d)
{
    const int steps = d->epochs * (d->videos * NL_DEMO_CLASSES / BATCH);
    const int first = at_least_1(steps * 6 / 10), second = at_least_1(steps / 4);
    struct nl_text own = {.data = NULL}, blocks = {.data = NULL};
    struct nl_file_write w;
    char path[WORD];
    snprintf(path, sizeof path, "%s/config.yaml", d->folder);
    nl_status st = add_own(d, &own);
    if (st == NL_OK) st = add_blocks(d, &blocks);
    if (st == NL_OK) st = nl_file_write_begin(&w, path);
    if (st != NL_OK) {
        nl_text_clear(&own);
        nl_text_clear(&blocks);
        return st;
    }
    fprintf(w.file,
            "# A narrow network on clips of 8 frames of %d x %d pixels, made by `nonlocal demo`.\n"
            "MODEL: {width: 8, num_classes: %d%s}\n%s",
            NL_DEMO_SIDE, NL_DEMO_SIDE, NL_DEMO_CLASSES, own.data, blocks.data ? blocks.data : "");
    nl_text_clear(&own);
    nl_text_clear(&blocks);
    fprintf(w.file,
            "TRAIN: {crop_size: 64, jitter_scales: [64, 64], dropout_rate: 0, batch_size: %d,\n"
            "        num_gpus: 1, num_reader_threads: 2, learning_rate: 0.1, epoch: %d,\n"
            "        step_sizes: [%d, %d, %d]}\n",
            BATCH, d->epochs, first, second, at_least_1(steps - first - second));
    fprintf(w.file,
            "VALID: {crop_size: 64, jitter_scales: [64, 64], batch_size: %d,\n"
            "        num_reader_threads: 2}\n"
            "TEST: {crop_size: 64, jitter_scales: [64, 64], batch_size: 8}\n"
            "INFER: {crop_size: 64, jitter_scales: [64, 64]}\n",
            BATCH);
    return nl_file_write_commit(&w);
}

/* As a shell takes it. */
static void print_word(const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_=/.,:+-";
    if (word[strspn(word, plain)] == '\0') {
        printf(" %s", word);
        return;
    }
    printf(" '");
    for (; *word; word++) printf(*word == '\'' ? "'\\''" : "%c", *word);
    printf("'");
}

/* Runs the command made of the words, and prints it first. */
static nl_status run_words(struct demo *d, const char *name)
{
    printf("\n$ nonlocal %s", name);
    for (int i = 0; i < d->n_words; i++) print_word(d->words[i]);
    printf("\n");
    fflush(stdout);
    const int status = nl_run_command(name, d->n_words, d->words);
    forget(d);
    if (nl_interrupted()) return NL_EINTR;
    NL_REQUIRE(status == NL_EXIT_DONE, NL_EIO, "%s ended with status %d", name, status);
    return NL_OK;
}

static nl_status make_data(const struct demo *d)
{
    const struct nl_demo_spec spec = {
        .folder = d->folder,
        .train = d->videos,
        .val = d->videos / 15 + 1,
        .test = d->videos / 3,
        .seed = d->run->args.has_seed ? (uint64_t)d->run->args.seed : 1,
        .difficulty = d->difficulty,
        .threads = d->run->args.threads ? (int)d->run->args.threads : 2};
    printf("Videos of 8 classes that one frame does not tell apart, difficulty %g, into %s\n",
           d->difficulty, d->folder);
    fflush(stdout);
    return nl_demo_data(&spec);
}

static nl_status add_common(struct demo *d)
{
    NL_TRY(add(d, "--config=%s/config.yaml", d->folder));
    if (!d->run->args.threads) return NL_OK;
    return add(d, "--threads=%lld", (long long)d->run->args.threads);
}

static nl_status train(struct demo *d, const char *kind, bool blocks)
{
    NL_TRY(add_common(d));
    NL_TRY(add(d, "--set=TRAIN.filelist=%s/train.txt", d->folder));
    NL_TRY(add(d, "--set=VALID.filelist=%s/val.txt", d->folder));
    if (!blocks) NL_TRY(add(d, "--blocks={}"));
    NL_TRY(add(d, "--valid_interval=%d", d->epochs));
    NL_TRY(add(d, "--log_interval=60"));
    NL_TRY(add(d, "--seed=%lld", (long long)(d->run->args.has_seed ? d->run->args.seed : 1)));
    NL_TRY(add(d, "--save_dir=%s/%s", d->folder, kind));
    return run_words(d, "train");
}

/* "top1" of a summary.json, as a share. */
static nl_status read_top1(const char *path, double *top1)
{
    enum { LIMIT = 1 << 16 };
    char *text = NULL;
    size_t size;
    NL_TRY(nl_file_read(path, LIMIT, &text, &size));
    json_t *root = json_loads(text, 0, NULL);
    const json_t *value = json_object_get(root, "top1");
    const bool there = json_is_number(value);
    *top1 = json_number_value(value) / 100;
    json_decref(root);
    nl_free(text);
    NL_REQUIRE(there, NL_EIO, "%s: no accuracy in it", path);
    return NL_OK;
}

static nl_status evaluate(struct demo *d, const char *kind, const char *list, double *top1)
{
    char path[WORD];
    NL_TRY(add_common(d));
    NL_TRY(add(d, "--weights=%s/%s/NONLOCAL.safetensors", d->folder, kind));
    NL_TRY(add(d, "--filelist=%s/%s.txt", d->folder, list));
    NL_TRY(add(d, "--views=3x1"));
    NL_TRY(add(d, "--save_dir=%s/%s/%s", d->folder, kind, list));
    NL_TRY(run_words(d, "eval"));
    snprintf(path, sizeof path, "%.2000s/%.64s/%.64s/summary.json", d->folder, kind, list);
    return read_top1(path, top1);
}

static nl_status predict(struct demo *d)
{
    NL_TRY(add_common(d));
    NL_TRY(add(d, "--weights=%s/blocks/NONLOCAL.safetensors", d->folder));
    NL_TRY(add(d, "--views=3x1"));
    NL_TRY(add(d, "--infer_topk=3"));
    NL_TRY(add(d, "--set=INFER.kinetics_labels=%s/labels.json", d->folder));
    NL_TRY(add(d, "%s/circling/test_0000.mp4", d->folder));
    return run_words(d, "predict");
}

/* A demo that was run there would stop at its own checkpoints. */
static nl_status check_folder(const struct demo *d)
{
    char path[WORD];
    snprintf(path, sizeof path, "%s/config.yaml", d->folder);
    NL_REQUIRE(access(path, F_OK) != 0, NL_EUSAGE,
               "--save_dir: %s holds a demo; give another folder, or remove it", d->folder);
    return NL_OK;
}

/* What all commands would refuse is refused before videos are made. */
static nl_status check_backend(const struct demo *d)
{
    struct nl_backend be;
    NL_TRY(nl_open_backend(d->run, &be));
    nl_backend_close(&be);
    return NL_OK;
}

static nl_status everything(struct demo *d)
{
    double blocks, plain, still;
    NL_TRY(check_folder(d));
    NL_TRY(check_backend(d));
    NL_TRY(make_data(d));
    NL_TRY(write_config(d));
    NL_TRY(train(d, "blocks", true));
    NL_TRY(evaluate(d, "blocks", "test", &blocks));
    NL_TRY(evaluate(d, "blocks", "repeat", &still));
    NL_TRY(train(d, "plain", false));
    NL_TRY(evaluate(d, "plain", "test", &plain));
    NL_TRY(predict(d));
    printf("\ndifficulty %g, %d epochs        test accuracy\n"
           "  with non-local blocks          %.3f\n"
           "  without                        %.3f\n"
           "  with, one frame repeated       %.3f   (chance: 0.125)\n",
           d->difficulty, d->epochs, blocks, plain, still);
    return NL_OK;
}

nl_status nl_cmd_demo(struct nl_run *run)
{
    struct demo d = {.run = run, .folder = run->args.save_dir, .epochs = EPOCHS, .videos = TRAIN};
    char *end = NULL;
    if (!d.folder) d.folder = "nonlocal-demo";
    NL_REQUIRE(strlen(d.folder) < 2000, NL_EUSAGE, "--save_dir: the name is too long");
    if (run->args.difficulty) {
        d.difficulty = strtod(run->args.difficulty, &end);
        NL_REQUIRE(*end == '\0' && d.difficulty >= 0 && d.difficulty <= 1, NL_EUSAGE,
                   "--difficulty: want a number from 0 to 1, got \"%.32s\"", run->args.difficulty);
    }
    if (nl_settings_origin(&run->settings, "TRAIN.epoch") == NL_BY_FLAG)
        d.epochs = run->settings.config.train.epoch;
    if (run->args.videos) d.videos = (int)run->args.videos;
    nl_signals_watch();
    const nl_status st = everything(&d);
    forget(&d);
    return st;
}
