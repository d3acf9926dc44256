/* `nonlocal make-list`: lists, labels and a configuration fragment from a folder per class, or from
 * a folder of Kinetics' videos and its CSV files. */
#include "src/app/command.h"
#include "src/app/inputs.h"
#include "src/app/kinetics.h"
#include "src/app/outputs.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/core/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SPLITS = 3, PATH_BYTES = 4300 };

static const char *const split_names[SPLITS] = {"train", "val", "test"};

struct listing {
    struct nl_run *run;
    const char *from, *to;
    double share[SPLITS];
    char **classes;
    int n_classes;
    struct nl_text text[SPLITS];
    int64_t count[SPLITS];
};

static nl_status read_split(const char *text, double share[SPLITS])
{
    char end;
    if (!text) text = "80,10,10";
    const int found = sscanf(text, "%lf,%lf,%lf%c", &share[0], &share[1], &share[2], &end);
    const double sum = share[0] + share[1] + share[2];
    NL_REQUIRE(found == 3 && share[0] > 0 && share[1] >= 0 && share[2] >= 0 && sum > 0, NL_EUSAGE,
               "--split: want shares TRAIN,VAL,TEST such as 80,10,10, got \"%.32s\"", text);
    for (int i = 0; i < SPLITS; i++) share[i] /= sum;
    return NL_OK;
}

static nl_status take_class(struct listing *l, const char *name)
{
    char path[PATH_BYTES];
    struct stat about;
    snprintf(path, sizeof path, "%.4000s/%.255s", l->from, name);
    if (name[0] == '.' || stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) return NL_OK;
    NL_TRY(nl_resize(&l->classes, (size_t)l->n_classes + 1, sizeof *l->classes));
    NL_TRY(nl_copy_text(name, &l->classes[l->n_classes]));
    l->n_classes++;
    return NL_OK;
}

/* Folders in the order of their names, which is the order of labels. */
static int by_bytes(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static nl_status find_classes(struct listing *l)
{
    struct dirent **entries = NULL;
    const int count = scandir(l->from, &entries, NULL, by_bytes);
    nl_status st = NL_OK;
    NL_REQUIRE(count >= 0, NL_EIO, "%s: %s", l->from, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (st == NL_OK) st = take_class(l, entries[i]->d_name);
        nl_free(entries[i]); /* of malloc, as all that nl_free takes */
    }
    nl_free(entries);
    NL_TRY(st);
    NL_REQUIRE(l->n_classes > 1, NL_EUSAGE, "%s: %d folders; want one for each class", l->from,
               l->n_classes);
    return NL_OK;
}

/* Which split the i-th of n shuffled videos goes to: whole shares, what is left to training. */
static int split_of(const struct listing *l, int i, int n)
{
    const int test = (int)(l->share[2] * n + 0.5), val = (int)(l->share[1] * n + 0.5);
    if (i < test) return 2;
    return i < test + val ? 1 : 0;
}

static nl_status add_videos(struct listing *l, int label, const struct nl_inputs *videos)
{
    const int64_t before = l->count[0];
    for (int i = 0; i < videos->count; i++) {
        const char *path = videos->list[i].path;
        const int split = split_of(l, i, videos->count);
        if (strpbrk(path, "\n\r")) {
            nl_warn("%s/%s: a video with a line break in its name is left out", l->from,
                    l->classes[label]);
            continue;
        }
        nl_text_add(&l->text[split], "%s %d\n", path, label);
        l->count[split]++;
    }
    NL_REQUIRE(l->count[0] > before, NL_EUSAGE,
               "%s/%s: none of %d videos is left to train on; want more, or another --split",
               l->from, l->classes[label], videos->count);
    return NL_OK;
}

/* The class's videos, in an order keyed by seed and class alone. */
static nl_status add_class(struct listing *l, int label)
{
    char path[PATH_BYTES], name[300];
    struct nl_inputs videos = {.list = NULL};
    struct nl_rng rng;
    snprintf(path, sizeof path, "%.4000s/%.255s", l->from, l->classes[label]);
    snprintf(name, sizeof name, "split/%.255s", l->classes[label]);
    nl_rng_seed(&rng, l->run->args.has_seed ? (uint64_t)l->run->args.seed : 0, name);
    nl_status st = nl_inputs_add_path(&videos, path);
    for (int i = videos.count - 1; i > 0; i--) {
        const int k = (int)nl_rng_range(&rng, 0, i);
        const struct nl_input was = videos.list[i];
        videos.list[i] = videos.list[k];
        videos.list[k] = was;
    }
    if (st == NL_OK) st = add_videos(l, label, &videos);
    nl_inputs_clear(&videos);
    return st;
}

/* --- Kinetics -------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The labels of all files, sorted: with all of Kinetics-400 its 400 in their usual order. */
static nl_status name_classes(struct listing *l, const struct nl_kinetics *rows)
{
    const char **names = NULL;
    nl_status st = nl_calloc((size_t)rows->count, sizeof(const char *), &names);
    if (st == NL_OK) st = nl_calloc((size_t)rows->count, sizeof *l->classes, &l->classes);
    for (int i = 0; st == NL_OK && i < rows->count; i++) names[i] = rows->list[i].label;
    if (st == NL_OK) qsort(names, (size_t)rows->count, sizeof(const char *), by_name);
    for (int i = 0; st == NL_OK && i < rows->count; i++) {
        if (i && strcmp(names[i], names[i - 1]) == 0) continue;
        st = nl_copy_text(names[i], &l->classes[l->n_classes]);
        l->n_classes += st == NL_OK;
    }
    nl_free(names);
    return st;
}

/* The video in the folder of its label, with spaces or underscores, or in no folder of its own. */
static bool find_video(const struct listing *l, const struct nl_kinetics_row *row,
                       char path[PATH_BYTES])
{
    const int at = snprintf(path, PATH_BYTES, "%.3500s/", l->from);
    char *rest = path + at;
    const size_t room = PATH_BYTES - (size_t)at;
    snprintf(rest, room, "%s/%s", row->label, row->file);
    if (access(path, F_OK) == 0) return true;
    for (char *c = rest; *c; c++)
        if (*c == ' ') *c = '_';
    if (access(path, F_OK) == 0) return true;
    snprintf(rest, room, "%s", row->file);
    return access(path, F_OK) == 0;
}

static nl_status add_row(struct listing *l, const struct nl_kinetics_row *row)
{
    char path[PATH_BYTES];
    char **class =
        bsearch(&row->label, l->classes, (size_t)l->n_classes, sizeof *l->classes, by_name);
    if (!find_video(l, row, path)) return NL_OK;
    nl_text_add(&l->text[row->split], "%s %d\n", path, (int)(class - l->classes));
    l->count[row->split]++;
    return NL_OK;
}

static nl_status list_kinetics(struct listing *l)
{
    struct nl_kinetics rows = {.list = NULL};
    const struct nl_flags *args = &l->run->args;
    nl_status st = NL_OK;
    for (int i = 1; st == NL_OK && i < args->n_rest; i++)
        st = nl_kinetics_read(&rows, args->rest[i]);
    if (st == NL_OK) st = name_classes(l, &rows);
    for (int i = 0; st == NL_OK && i < rows.count; i++) st = add_row(l, &rows.list[i]);
    const int64_t found = l->count[0] + l->count[1] + l->count[2];
    if (st == NL_OK && found == 0)
        st = nl_fail(NL_EIO, "%s: none of the %d videos, such as %s, in it or in folders of labels",
                     l->from, rows.count, rows.list[0].file);
    if (st == NL_OK && found < rows.count)
        nl_warn("%s: %lld of %d videos are not there", l->from, (long long)(rows.count - found),
                rows.count);
    nl_kinetics_clear(&rows);
    return st;
}

/* --- files ----------------------------------------------------------------------------------- */

static nl_status write_file(const struct listing *l, const char *name, const char *text)
{
    char path[PATH_BYTES];
    struct nl_file_write w;
    snprintf(path, sizeof path, "%.4000s/%s", l->to, name);
    NL_REQUIRE(l->run->args.force || access(path, F_OK) != 0, NL_EUSAGE,
               "%s is there already; --force writes it anew", path);
    NL_TRY(nl_file_write_begin(&w, path));
    fputs(text ? text : "", w.file);
    return nl_file_write_commit(&w);
}

/* JSON and YAML hold no other text as it is. */
static nl_status check_name(const char *what, const char *name)
{
    char shown[300];
    nl_text_escape(name, shown, sizeof shown);
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        NL_REQUIRE(*c >= 32 && *c != 127, NL_EUSAGE, "%s \"%s\": a control character in its name",
                   what, shown);
    json_t *text = json_string(name);
    NL_REQUIRE(text, NL_EUSAGE, "%s \"%s\": its name is not UTF-8", what, shown);
    json_decref(text);
    return NL_OK;
}

static nl_status check_names(const struct listing *l)
{
    for (int i = 0; i < l->n_classes; i++) NL_TRY(check_name("class", l->classes[i]));
    return check_name("--to", l->to);
}

static nl_status write_labels(const struct listing *l)
{
    json_t *names = json_array();
    for (int i = 0; i < l->n_classes; i++) json_array_append_new(names, json_string(l->classes[i]));
    char *text = json_dumps(names, JSON_INDENT(1));
    const nl_status st = text ? write_file(l, "labels.json", text)
                              : nl_fail(NL_ENOMEM, "out of memory for labels.json");
    nl_free(text);
    json_decref(names);
    return st;
}

/* KEY: 'TO/NAME' */
static void add_path(const struct listing *l, const char *key, const char *name,
                     struct nl_text *out)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.4000s/%s", l->to, name);
    nl_text_add(out, "  %s: ", key);
    nl_yaml_quote(path, out);
    nl_text_add(out, "\n");
}

static nl_status write_config(const struct listing *l)
{
    static const char *const sections[SPLITS] = {"TRAIN", "VALID", "TEST"};
    struct nl_text text = {.data = NULL};
    char name[32], from[PATH_BYTES];
    nl_text_add(&text,
                "# Of %s. Use with --config, or copy into a configuration.\nMODEL:\n"
                "  num_classes: %d\n",
                nl_text_escape(l->from, from, sizeof from), l->n_classes);
    const int test = l->count[2] ? 2 : 1; /* what is validated on where nothing is left to test */
    for (int i = 0; i < SPLITS; i++) {
        snprintf(name, sizeof name, "%s.txt", split_names[i < 2 ? i : test]);
        nl_text_add(&text, "%s:\n", sections[i]);
        add_path(l, "filelist", name, &text);
    }
    if (l->count[test]) nl_text_add(&text, "  dataset_size: %lld\n", (long long)l->count[test]);
    nl_text_add(&text, "INFER:\n");
    add_path(l, "kinetics_labels", "labels.json", &text);
    nl_status st = nl_text_check(&text);
    if (st == NL_OK) st = write_file(l, "config.yaml", text.data);
    nl_text_clear(&text);
    return st;
}

static nl_status list_folders(struct listing *l)
{
    NL_TRY(read_split(l->run->args.split, l->share));
    NL_TRY(find_classes(l));
    NL_TRY(check_names(l));
    for (int i = 0; i < l->n_classes; i++) NL_TRY(add_class(l, i));
    return NL_OK;
}

static nl_status make(struct listing *l)
{
    char name[32];
    NL_TRY(l->run->args.n_rest == 1 ? list_folders(l) : list_kinetics(l));
    NL_TRY(check_names(l));
    NL_TRY(nl_folder_ready("--to", l->to));
    for (int i = 0; i < SPLITS; i++) {
        NL_TRY(nl_text_check(&l->text[i]));
        snprintf(name, sizeof name, "%s.txt", split_names[i]);
        NL_TRY(write_file(l, name, l->text[i].data));
    }
    NL_TRY(write_labels(l));
    NL_TRY(write_config(l));
    printf("%d classes: %lld videos to train, %lld to validate, %lld to test; %s/config.yaml\n",
           l->n_classes, (long long)l->count[0], (long long)l->count[1], (long long)l->count[2],
           l->to);
    return NL_OK;
}

nl_status nl_cmd_make_list(struct nl_run *run)
{
    struct listing l = {.run = run, .to = run->args.to};
    NL_REQUIRE(run->args.n_rest >= 1 && l.to, NL_EUSAGE,
               "want a folder of videos, Kinetics' CSV files if it is that, and --to=FOLDER");
    NL_REQUIRE(run->args.n_rest == 1 || !run->args.split, NL_EUSAGE,
               "--split: the CSV files say what each video is for");
    l.from = run->args.rest[0];
    const nl_status st = make(&l);
    for (int i = 0; i < l.n_classes; i++) nl_free(l.classes[i]);
    for (int i = 0; i < SPLITS; i++) nl_text_clear(&l.text[i]);
    nl_free(l.classes);
    return st;
}
