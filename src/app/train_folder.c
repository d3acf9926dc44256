/* save_dir: made, tried, and told from that of another run. */
#include "reader/hash.h"
#include "src/app/outputs.h"
#include "src/app/train.h"
#include "src/core/file.h"
#include "src/core/memory.h"

#include "autoconf.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int is_leftover(const struct dirent *entry)
{
    const char *end = strrchr(entry->d_name, '.');
    return strncmp(entry->d_name, "NONLOCAL", 8) == 0 && end && strcmp(end, ".tmp") == 0;
}

static int is_checkpoint(const struct dirent *entry)
{
    return nl_checkpoint_named(entry->d_name);
}

/* What a kill left of a file that was being written. */
static void remove_leftovers(const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_leftover, NULL);
    for (int i = 0; i < count; i++) {
        struct nl_text path = {.data = NULL};
        nl_text_add(&path, "%s/%s", folder, entries[i]->d_name);
        if (nl_text_check(&path) == NL_OK) unlink(path.data);
        nl_text_clear(&path);
        nl_free(entries[i]); /* of malloc, as all that nl_free takes */
    }
    if (count >= 0) nl_free(entries);
}

/* A run that starts over would leave checkpoints of two runs, of which --resume takes the one with
 * more steps. */
static nl_status check_unused(const char *folder)
{
    struct dirent **entries = NULL;
    const int count = scandir(folder, &entries, is_checkpoint, NULL);
    NL_REQUIRE(count >= 0, NL_EIO, "%s: %s", folder, strerror(errno));
    for (int i = 0; i < count; i++) nl_free(entries[i]);
    nl_free(entries);
    NL_REQUIRE(count == 0, NL_EUSAGE,
               "%s holds checkpoints; --resume=%s goes on, another --save_dir starts over", folder,
               folder);
    return NL_OK;
}

/* Keys of a machine, and how long the run is, may change from one start to the next; the number of
 * micro-batches may not, since each has statistics of its own. */
static bool may_differ(const struct nl_option *option)
{
    if (strcmp(option->key, "num_gpus") == 0) return false;
    return (option->flags & (NL_OPT_LOCAL | NL_OPT_UNUSED)) || strcmp(option->key, "epoch") == 0 ||
           strcmp(option->section, "INFER") == 0 || strcmp(option->section, "TEST") == 0;
}

static nl_status compare(const struct nl_settings *ours, const struct nl_settings *theirs,
                         const char *name)
{
    nl_status st = NL_OK;
    for (int i = 0; st == NL_OK && i < nl_n_options; i++) {
        const struct nl_option *option = &nl_options[i];
        struct nl_text one = {.data = NULL}, two = {.data = NULL};
        char key[128];
        if (may_differ(option)) continue;
        snprintf(key, sizeof key, "%s.%s", option->section, option->key);
        nl_settings_write(ours, key, &one);
        nl_settings_write(theirs, key, &two);
        st = nl_text_check(&one);
        if (st == NL_OK) st = nl_text_check(&two);
        if (st == NL_OK && strcmp(one.data ? one.data : "", two.data ? two.data : "") != 0)
            st = nl_fail(NL_EUSAGE, "%s: a run with %s %s, not %s; give another --save_dir", name,
                         key, two.data, one.data);
        nl_text_clear(&one);
        nl_text_clear(&two);
    }
    return st;
}

static nl_status compare_text(const struct nl_settings *ours, const char *config, const char *name)
{
    struct nl_settings *theirs = NULL;
    NL_TRY(nl_calloc(1, sizeof *theirs, &theirs));
    nl_status st = nl_settings_init(theirs);
    if (st == NL_OK) st = nl_settings_read(theirs, config, name, NL_BY_FLAG);
    if (st == NL_OK) st = nl_settings_resolve(theirs);
    if (st == NL_OK) st = compare(ours, theirs, name);
    nl_free(theirs);
    return st;
}

/* The order of an epoch is drawn over the list. Its name may change. */
static nl_status compare_list(const struct nl_train *train, const json_t *root, const char *name)
{
    const char *list = train->config->train.sampling.filelist;
    const json_t *entry = json_object_get(root, "train_list");
    const char *theirs = json_string_value(json_object_get(entry, "sha256"));
    char ours[NL_HASH_TEXT];
    NL_TRY(nl_file_sha256(list, ours));
    NL_REQUIRE(!theirs || !*theirs || strcmp(ours, theirs) == 0, NL_EUSAGE,
               "%s: a run over another list than %s; give another --save_dir", name, list);
    return NL_OK;
}

/* A manifest that is there is of the same configuration, and if it goes on of the same list, or the
 * folder is refused. */
static nl_status check_manifest(const struct nl_train *train, const char *path, bool resumed)
{
    enum { LIMIT = 1 << 24 };
    char *text = NULL;
    size_t size;
    json_error_t error;
    if (access(path, F_OK) != 0) return NL_OK;
    NL_TRY(nl_file_read(path, LIMIT, &text, &size));
    json_t *root = json_loads(text, 0, &error);
    const char *config = json_string_value(json_object_get(root, "config"));
    nl_status st =
        config ? compare_text(&train->run->settings, config, path)
               : nl_fail(NL_EUSAGE, "%s: no manifest of a run; give another --save_dir", path);
    if (st == NL_OK && resumed) st = compare_list(train, root, path);
    json_decref(root);
    nl_free(text);
    return st;
}

static json_t *file_entry(const char *path)
{
    char hash[NL_HASH_TEXT] = "";
    if (!path || !*path) return json_null();
    if (nl_file_sha256(path, hash) != NL_OK) hash[0] = '\0';
    return json_pack("{s:s, s:s}", "path", path, "sha256", hash);
}

static json_t *manifest(const struct nl_train *train, const char *config)
{
    const struct nl_flags *args = &train->run->args;
    char when[32];
    const time_t now = time(NULL);
    struct tm tm;
    gmtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    json_t *command = json_array();
    for (int i = 0; i < args->argc; i++) json_array_append_new(command, json_string(args->argv[i]));
    return json_pack(
        "{s:s, s:s, s:o, s:I, s:s, s:i, s:s, s:o, s:o, s:o, s:o}", "program", PACKAGE_STRING,
        "started", when, "command", command, "seed", (json_int_t)train->at.seed, "backend",
        train->session.be.ops->name, "threads", train->session.be.threads, "config", config,
        "train_list", file_entry(train->config->train.sampling.filelist), "valid_list",
        file_entry(train->inputs[1].count ? train->config->valid.sampling.filelist : NULL),
        "pretrain", file_entry(args->pretrain), "resume", file_entry(args->resume));
}

static nl_status write_manifest(const struct nl_train *train, const char *path)
{
    struct nl_text config = {.data = NULL};
    struct nl_file_write w;
    nl_settings_dump(&train->run->settings, &config);
    nl_status st = nl_text_check(&config);
    json_t *root = st == NL_OK ? manifest(train, config.data) : NULL;
    if (st == NL_OK && !root)
        st = nl_fail(NL_EIO, "%s: the command line is no UTF-8, which JSON wants", path);
    if (st == NL_OK) st = nl_file_write_begin(&w, path);
    if (st == NL_OK) {
        json_dumpf(root, w.file, JSON_INDENT(2));
        st = nl_file_write_commit(&w);
    }
    json_decref(root);
    nl_text_clear(&config);
    return st;
}

nl_status nl_train_folder(struct nl_train *train, bool resumed)
{
    struct nl_text path = {.data = NULL};
    NL_TRY(nl_folder_ready("--save_dir", train->save_dir));
    nl_text_add(&path, "%s/manifest.json", train->save_dir);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) {
        st = check_manifest(train, path.data, resumed);
        if (st == NL_OK && !resumed) st = check_unused(train->save_dir);
        if (st == NL_OK) remove_leftovers(train->save_dir);
        if (st == NL_OK) st = write_manifest(train, path.data);
    }
    nl_text_clear(&path);
    return st;
}
