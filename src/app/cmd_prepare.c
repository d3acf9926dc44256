#include "src/app/command.h"
#include "src/app/crew.h"
#include "src/app/inputs.h"
#include "src/app/reencode.h"
#include "src/app/signals.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/text.h"
#include "src/tensor/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

/* What becomes of one line of the list. */
struct target {
    const char *from;           /* the input's */
    char *to, *trouble;         /* trouble: why the video is left out; NULL: it is not */
    const struct target *first; /* the first line with this video */
    bool there;                 /* it was prepared before */
};

struct prepare {
    struct nl_run *run;
    struct nl_reencode_spec spec;
    struct nl_inputs inputs;
    struct target *targets; /* [inputs.count] */
    struct nl_text list;    /* path of the new one */
    struct nl_progress progress;
    int there, broken;
};

/* --- names ----------------------------------------------------------------------------------- */

/* The path as the list has it, below the folder; what would lead out of it does not. */
static nl_status name_target(const char *folder, const char *path, char **out)
{
    struct nl_text text = {.data = NULL};
    const char *dot = strrchr(path, '.');
    nl_text_add(&text, "%s", folder);
    while (*path) {
        const int length = (int)strcspn(path, "/");
        const bool up = length == 2 && strncmp(path, "..", 2) == 0;
        const bool here = length == 0 || (length == 1 && *path == '.');
        if (!here) nl_text_add(&text, "/%.*s", up ? 2 : length, up ? "up" : path);
        path += length + (path[length] == '/');
    }
    if (!dot || strcasecmp(dot, ".mp4") != 0) nl_text_add(&text, ".mp4");
    const nl_status st = nl_text_check(&text);
    if (st == NL_OK) *out = text.data;
    if (st != NL_OK) nl_text_clear(&text);
    return st;
}

static int by_target(const void *a, const void *b)
{
    const struct target *const *one = a, *const *two = b;
    const int order = strcmp((*one)->to, (*two)->to);
    return order ? order : (*one > *two) - (*one < *two);
}

/* A video may be listed twice; two videos may not have one name. */
static nl_status link_twins(struct target **sorted, size_t count)
{
    char one[512], two[512];
    qsort(sorted, count, sizeof *sorted, by_target);
    for (size_t i = 0; i < count; i++) {
        const struct target *before = i ? sorted[i - 1] : NULL;
        struct target *t = sorted[i];
        t->first = t;
        if (!before || strcmp(before->to, t->to) != 0) continue;
        NL_REQUIRE(strcmp(before->from, t->from) == 0, NL_EUSAGE, "%s and %s would become one file",
                   nl_text_escape(before->from, one, sizeof one),
                   nl_text_escape(t->from, two, sizeof two));
        t->first = before->first;
    }
    return NL_OK;
}

static nl_status find_twins(struct prepare *p)
{
    const size_t count = (size_t)p->inputs.count;
    struct target **sorted = NULL;
    NL_TRY(nl_calloc(count, sizeof *sorted, &sorted));
    for (size_t i = 0; i < count; i++) sorted[i] = &p->targets[i];
    const nl_status st = link_twins(sorted, count);
    nl_free(sorted);
    return st;
}

static nl_status name_list(struct prepare *p)
{
    struct stat old, new;
    const char *list = p->run->args.rest[0], *slash = strrchr(list, '/');
    nl_text_add(&p->list, "%s/%s", p->run->args.to, slash ? slash + 1 : list);
    NL_TRY(nl_text_check(&p->list));
    const bool same = stat(list, &old) == 0 && stat(p->list.data, &new) == 0 &&
                      old.st_dev == new.st_dev &&old.st_ino == new.st_ino;
    NL_REQUIRE(!same, NL_EUSAGE, "%s: the new list would replace it, want another --to", list);
    return NL_OK;
}

static nl_status compare_spec(const char *path, const char *want)
{
    enum { LIMIT = 4096 };
    char *found = NULL, shown[128];
    size_t size;
    NL_TRY(nl_file_read(path, LIMIT, &found, &size));
    const bool same = strcmp(found, want) == 0;
    found[strcspn(found, "\n")] = '\0';
    nl_text_escape(found, shown, sizeof shown);
    nl_free(found);
    NL_REQUIRE(same, NL_EUSAGE, "%s: videos are of %s, want the same or another --to", path, shown);
    return NL_OK;
}

/* Videos that are there are not done again, so all of a folder are of one spec, which lies by them:
 * hidden, since any other name may be a list's. */
static nl_status keep_spec(const struct prepare *p)
{
    char path[4096], want[96];
    struct nl_file_write file;
    const int length = snprintf(path, sizeof path, "%s/.prepare", p->run->args.to);
    NL_REQUIRE(length < (int)sizeof path, NL_EUSAGE, "--to: longer than %zu bytes", sizeof path);
    snprintf(want, sizeof want, "--short_side=%d --key_interval=%d\n", p->spec.short_side,
             p->spec.key_interval);
    if (access(path, F_OK) == 0) return compare_spec(path, want);
    NL_TRY(nl_file_write_begin(&file, path));
    fputs(want, file.file);
    return nl_file_write_commit(&file);
}

static nl_status plan(struct prepare *p)
{
    const struct nl_flags *args = &p->run->args;
    NL_REQUIRE(args->n_rest == 1 && args->to, NL_EUSAGE, "want one LIST and --to=FOLDER");
    NL_TRY(nl_inputs_add_list(&p->inputs, args->rest[0]));
    NL_TRY(nl_calloc((size_t)p->inputs.count, sizeof *p->targets, &p->targets));
    for (int i = 0; i < p->inputs.count; i++) {
        p->targets[i].from = p->inputs.list[i].path;
        NL_TRY(name_target(args->to, p->targets[i].from, &p->targets[i].to));
    }
    NL_TRY(find_twins(p));
    NL_TRY(name_list(p));
    NL_TRY(nl_folder_make(args->to));
    return keep_spec(p);
}

/* --- work ------------------------------------------------------------------------------------ */

/* Whether the video was prepared after its last change. */
static bool is_there(const struct target *t)
{
    struct stat from, to;
    if (stat(t->to, &to) != 0 || !S_ISREG(to.st_mode) || to.st_size == 0) return false;
    if (stat(t->from, &from) != 0) return true;
    return to.st_mtim.tv_sec > from.st_mtim.tv_sec ||
           (to.st_mtim.tv_sec == from.st_mtim.tv_sec && to.st_mtim.tv_nsec >= from.st_mtim.tv_nsec);
}

static nl_status make_parent(char *path)
{
    char *slash = strrchr(path, '/');
    *slash = '\0';
    const nl_status st = nl_folder_make(path);
    *slash = '/';
    return st;
}

static nl_status work(void *user, int item)
{
    const struct prepare *p = user;
    struct target *t = &p->targets[item];
    bool broken = false;
    if (t->first != t) return NL_OK;
    t->there = is_there(t);
    if (t->there) return NL_OK;
    NL_TRY(make_parent(t->to));
    const nl_status st = nl_reencode(t->from, t->to, &p->spec, &broken);
    return broken ? nl_copy_text(nl_error(), &t->trouble) : st;
}

static void finished(void *user, int item)
{
    struct prepare *p = user;
    const struct target *t = &p->targets[item];
    p->there += t->there;
    p->broken += t->trouble != NULL;
    if (!t->trouble) return;
    nl_progress_hide(&p->progress);
    nl_warn("left out: %s", t->trouble);
}

static nl_status reencode_all(struct prepare *p)
{
    const int64_t threads = p->run->args.threads;
    nl_progress_begin(&p->progress, "videos", p->inputs.count, p->run->args.log_interval);
    return nl_crew_run(&(struct nl_crew_task){.items = p->inputs.count,
                                              .threads = threads ? (int)threads : nl_processors(),
                                              .work = work,
                                              .finished = finished,
                                              .user = p,
                                              .progress = &p->progress});
}

/* --- the new list ---------------------------------------------------------------------------- */

static void write_line(FILE *file, const struct nl_input *input, const char *path)
{
    for (int i = 0; i < input->n_views; i++)
        fprintf(file, "%s %lld %d %d\n", path, (long long)input->index, input->views[i].temporal,
                input->views[i].spatial);
    if (input->n_views) return;
    fputs(path, file);
    if (input->label != -1) fprintf(file, " %lld", (long long)input->label);
    fputc('\n', file);
}

/* The list without broken videos. */
static nl_status write_list(const struct prepare *p)
{
    struct nl_file_write list;
    NL_TRY(nl_file_write_begin(&list, p->list.data));
    for (int i = 0; i < p->inputs.count; i++)
        if (!p->targets[i].first->trouble)
            write_line(list.file, &p->inputs.list[i], p->targets[i].to);
    return nl_file_write_commit(&list);
}

static nl_status finish(struct prepare *p)
{
    const int count = p->inputs.count;
    NL_TRY(write_list(p));
    nl_note("%s: %d videos, %d of them were there, %d left out", p->list.data, count, p->there,
            p->broken);
    p->run->exit_status = p->broken ? NL_EXIT_SKIPPED : NL_EXIT_DONE;
    return NL_OK;
}

static void clear(struct prepare *p)
{
    for (int i = 0; p->targets && i < p->inputs.count; i++) {
        nl_free(p->targets[i].to);
        nl_free(p->targets[i].trouble);
    }
    nl_free(p->targets);
    nl_text_clear(&p->list);
    nl_inputs_clear(&p->inputs);
}

nl_status nl_cmd_prepare(struct nl_run *run)
{
    const struct nl_flags *args = &run->args;
    struct prepare p = {
        .run = run,
        .spec = {.short_side = args->short_side ? (int)args->short_side : 256,
                 .key_interval = args->key_interval ? (int)args->key_interval : 12}};
    nl_signals_watch();
    nl_status st = plan(&p);
    if (st == NL_OK) st = reencode_all(&p);
    if (st == NL_OK) st = finish(&p);
    if (st == NL_EINTR) nl_note("interrupted: the same command goes on from here");
    clear(&p);
    return st;
}
