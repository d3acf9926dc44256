#include "src/app/events.h"
#include "src/app/train.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/weights/safetensors.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char suffix[] = ".safetensors";

/* "training" of a checkpoint's metadata. */
static char *at_text(const struct nl_train_at *at)
{
    json_t *root = json_pack("{s:I, s:I, s:I, s:I, s:f, s:I, s:{s:f, s:I, s:I, s:I}}", "epoch",
                             (json_int_t)at->epoch, "batch", (json_int_t)at->batch, "step",
                             (json_int_t)at->step, "seed", (json_int_t)at->seed, "best", at->best,
                             "best_epoch", (json_int_t)at->best_epoch, "tally", "loss",
                             at->tally.loss, "top1", (json_int_t)at->tally.top1, "top5",
                             (json_int_t)at->tally.top5, "clips", (json_int_t)at->tally.clips);
    char *text = json_dumps(root, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(root);
    return text;
}

static nl_status save(struct nl_train *train, const char *path, const char *config)
{
    char key_config[] = "config", key_training[] = "training";
    char *at = at_text(&train->at);
    NL_REQUIRE(at, NL_ENOMEM, "out of memory for the checkpoint's metadata");
    const struct nl_meta meta[2] = {{key_config, (char *)(uintptr_t)config}, {key_training, at}};
    const nl_status st = nl_params_save(&train->session.model.params, path, meta, 2, true);
    nl_free(at);
    return st;
}

nl_status nl_checkpoint_save(struct nl_train *train, const char *name)
{
    struct nl_text path = {.data = NULL}, config = {.data = NULL};
    nl_text_add(&path, "%s/%s%s", train->save_dir, name, suffix);
    nl_settings_dump(&train->run->settings, &config);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) st = nl_text_check(&config);
    if (st == NL_OK) st = nl_events_flush(train->events);
    if (st == NL_OK) st = save(train, path.data, config.data);
    nl_text_clear(&path);
    nl_text_clear(&config);
    return st;
}

struct count_row {
    const json_t *of;
    const char *key;
    int64_t most, *out;
};

struct number_row {
    const json_t *of;
    const char *key;
    double least, most, *out;
};

static nl_status read_count(const struct nl_state *state, const struct count_row *row)
{
    const json_t *value = json_object_get(row->of, row->key);
    *row->out = (int64_t)json_integer_value(value);
    NL_REQUIRE(json_is_integer(value) && *row->out >= 0 && *row->out <= row->most, NL_EIO,
               "%s: its training state lacks \"%s\", an integer from 0 to %lld", state->path,
               row->key, (long long)row->most);
    return NL_OK;
}

static nl_status read_number(const struct nl_state *state, const struct number_row *row)
{
    const json_t *value = json_object_get(row->of, row->key);
    *row->out = json_number_value(value);
    NL_REQUIRE(json_is_number(value) && *row->out >= row->least && *row->out <= row->most, NL_EIO,
               "%s: its training state lacks \"%s\", a number from %g to %g", state->path, row->key,
               row->least, row->most);
    return NL_OK;
}

/* Bounds leave room for what is added and multiplied to go on. */
static nl_status read_at(const struct nl_state *state, const json_t *root, struct nl_train_at *at)
{
    const int64_t many = (int64_t)1 << 53;
    const json_t *tally = json_object_get(root, "tally");
    const struct count_row counts[] = {
        {root, "epoch", INT32_MAX, &at->epoch},  {root, "batch", INT32_MAX, &at->batch},
        {root, "step", many, &at->step},         {root, "best_epoch", INT32_MAX, &at->best_epoch},
        {tally, "top1", many, &at->tally.top1},  {tally, "top5", many, &at->tally.top5},
        {tally, "clips", many, &at->tally.clips}};
    const struct number_row numbers[] = {{root, "best", -1, 1, &at->best},
                                         {tally, "loss", -1e300, 1e300, &at->tally.loss}};
    int64_t seed;
    const struct count_row of_seed = {root, "seed", INT64_MAX, &seed};
    for (size_t i = 0; i < NL_COUNT(counts); i++) NL_TRY(read_count(state, &counts[i]));
    for (size_t i = 0; i < NL_COUNT(numbers); i++) NL_TRY(read_number(state, &numbers[i]));
    NL_TRY(read_count(state, &of_seed));
    at->seed = (uint64_t)seed;
    return NL_OK;
}

nl_status nl_checkpoint_at(const struct nl_state *state, struct nl_train_at *at, bool *found)
{
    const char *text = nl_state_meta(state, "training");
    struct nl_train_at read = {.step = 0};
    json_error_t error;
    *found = false;
    if (!text) return NL_OK;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &error);
    NL_REQUIRE(root, NL_EIO, "%s: its training state is no JSON: %s", state->path, error.text);
    const nl_status st = read_at(state, root, &read);
    json_decref(root);
    NL_TRY(st);
    *at = read;
    *found = true;
    return NL_OK;
}

bool nl_checkpoint_named(const char *name)
{
    const size_t n = strlen(name), tail = sizeof suffix - 1;
    return strncmp(name, "NONLOCAL", 8) == 0 && n > tail && strcmp(name + n - tail, suffix) == 0;
}

/* Where a file stands; at step -1 where it is no checkpoint of a run. */
static struct nl_train_at place_of(const char *path)
{
    struct nl_state state;
    struct nl_train_at at;
    bool found = false;
    if (nl_state_load(path, NULL, &state) != NL_OK) return (struct nl_train_at){.step = -1};
    const nl_status st = nl_checkpoint_at(&state, &at, &found);
    nl_state_clear(&state);
    return st == NL_OK && found ? at : (struct nl_train_at){.step = -1};
}

/* Between the last step of an epoch and the first of the next one comes the epoch's end. */
static bool is_newer(const struct nl_train_at *one, const struct nl_train_at *two)
{
    return one->step > two->step || (one->step == two->step && one->epoch > two->epoch);
}

/* Keeps the newer of *path and the folder's file `name`. */
static nl_status consider(const char *folder, const char *name, char **path,
                          struct nl_train_at *newest)
{
    struct nl_text text = {.data = NULL};
    if (!nl_checkpoint_named(name)) return NL_OK;
    nl_text_add(&text, "%s/%s", folder, name);
    nl_status st = nl_text_check(&text);
    const struct nl_train_at at =
        st == NL_OK ? place_of(text.data) : (struct nl_train_at){.step = -1};
    if (is_newer(&at, newest)) {
        nl_free(*path);
        *newest = at;
        st = nl_copy_text(text.data, path);
    }
    nl_text_clear(&text);
    return st;
}

nl_status nl_checkpoint_newest(const char *folder, char **path)
{
    struct dirent **entries = NULL;
    struct nl_train_at newest = {.step = -1};
    nl_status st = NL_OK;
    *path = NULL;
    const int count = scandir(folder, &entries, NULL, alphasort);
    NL_REQUIRE(count >= 0, NL_EIO, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (st == NL_OK) st = consider(folder, entries[i]->d_name, path, &newest);
        nl_free(entries[i]); /* of malloc, as all that nl_free takes */
    }
    nl_free(entries);
    return st;
}

void nl_checkpoint_prune(const struct nl_train *train)
{
    struct nl_text path = {.data = NULL};
    const int64_t gone = train->at.epoch - 1 - train->config->train.keep;
    for (int64_t epoch = gone; epoch >= 0 && epoch > gone - 2; epoch--) {
        nl_text_clear(&path);
        nl_text_add(&path, "%s/NONLOCAL_epoch%lld%s", train->save_dir, (long long)epoch, suffix);
        if (nl_text_check(&path) == NL_OK) unlink(path.data);
    }
    nl_text_clear(&path);
}
