/* `nonlocal check-data`: what is wrong with lists and their videos, before a long run finds out. */
#include "reader/video.h"
#include "src/app/command.h"
#include "src/app/crew.h"
#include "src/app/inputs.h"
#include "src/app/json_text.h"
#include "src/app/lists.h"
#include "src/app/outputs.h"
#include "src/app/signals.h"
#include "src/app/table.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"

#include <stdlib.h>
#include <string.h>

/* What was found of one line. */
struct finding {
    nl_status status;
    char *message;
    struct nl_video_info info;
    int twin; /* a line of another list with the same video; -1: none */
};

struct checking {
    struct nl_run *run;
    struct nl_inputs inputs;
    const char **lists;    /* of each input: the list that it is from */
    struct finding *found; /* [inputs.count] */
    int64_t need;          /* frames of a whole clip */
    int bad, shorter;
};

static nl_status look(struct nl_video *video, bool whole, struct finding *f)
{
    bool got = true;
    NL_TRY(nl_video_next(video, &got));
    while (whole && got) NL_TRY(nl_video_next(video, &got));
    f->info = *nl_video_about(video);
    return NL_OK;
}

/* One video: opened, its packets counted, its first frame decoded; all of them with --decode. */
static nl_status work(void *user, int item)
{
    struct checking *c = user;
    struct finding *f = &c->found[item];
    struct nl_video *video = NULL;
    f->status = nl_video_open(c->inputs.list[item].path, NULL, &video);
    if (f->status == NL_OK) f->status = look(video, c->run->args.decode, f);
    nl_video_close(video);
    if (f->status == NL_ENOMEM || f->status == NL_EINTR) return f->status;
    return f->status == NL_OK ? NL_OK : nl_copy_text(nl_error(), &f->message);
}

static nl_status read_list(struct checking *c, const char *list)
{
    const int before = c->inputs.count;
    struct nl_inputs one = {.list = NULL};
    NL_TRY(nl_is_no_input("--json", c->run->args.json, list));
    NL_TRY(nl_is_no_input("--bad", c->run->args.bad, list));
    NL_TRY(nl_inputs_add_list(&one, list));
    nl_status st = NL_OK;
    if (one.list[0].columns == 2) {
        const bool told =
            nl_settings_origin(&c->run->settings, "MODEL.num_classes") != NL_BY_DEFAULT;
        st = nl_list_check_labels(&one, list,
                                  told ? c->run->settings.config.model.num_classes : 1 << 30);
        if (st == NL_OK) st = nl_list_check_twice(&one, list);
    }
    nl_inputs_clear(&one);
    if (st == NL_OK) st = nl_inputs_add_list(&c->inputs, list);
    if (st == NL_OK) st = nl_resize(&c->lists, (size_t)c->inputs.count, sizeof *c->lists);
    for (int i = before; st == NL_OK && i < c->inputs.count; i++) c->lists[i] = list;
    return st;
}

static nl_status read_lists(struct checking *c)
{
    const struct nl_config *config = &c->run->settings.config;
    const char *const own[] = {config->train.sampling.filelist, config->valid.sampling.filelist,
                               config->test.sampling.filelist};
    for (int i = 0; i < c->run->args.n_rest; i++) NL_TRY(read_list(c, c->run->args.rest[i]));
    for (size_t i = 0; c->run->args.n_rest == 0 && i < NL_COUNT(own); i++)
        if (i == 0 || strcmp(own[i], own[i - 1]) != 0) NL_TRY(read_list(c, own[i]));
    return NL_OK;
}

struct place {
    char *real;
    const char *path, *list;
    int index;
};

static int by_file(const void *a, const void *b)
{
    const struct place *one = a, *two = b;
    const int order = strcmp(one->real, two->real);
    return order ? order : strcmp(one->list, two->list);
}

static void print_twins(struct checking *c, struct place *places)
{
    qsort(places, (size_t)c->inputs.count, sizeof *places, by_file);
    for (int i = 1; i < c->inputs.count; i++) {
        const struct place *one = &places[i - 1], *two = &places[i];
        if (strcmp(two->real, one->real) != 0 || two->list == one->list) continue;
        c->found[two->index].twin = one->index;
        c->found[one->index].twin = two->index;
        printf("%s:%d: %s is in %s:%d too\n", two->list, c->inputs.list[two->index].line, two->path,
               one->list, c->inputs.list[one->index].line);
        c->bad++;
    }
}

/* A video in two splits: what is validated on was trained on. */
static nl_status check_splits(struct checking *c)
{
    struct place *places = NULL;
    nl_status st = NL_OK;
    NL_TRY(nl_calloc((size_t)c->inputs.count, sizeof *places, &places));
    for (int i = 0; st == NL_OK && i < c->inputs.count; i++) {
        places[i] = (struct place){NULL, c->inputs.list[i].path, c->lists[i], i};
        st = nl_list_real_path(c->inputs.list[i].path, &places[i].real);
    }
    if (st == NL_OK) print_twins(c, places);
    for (int i = 0; i < c->inputs.count; i++) nl_free(places[i].real);
    nl_free(places);
    return st;
}

static void print_findings(struct checking *c)
{
    for (int i = 0; i < c->inputs.count; i++) {
        const struct finding *f = &c->found[i];
        const struct nl_input *input = &c->inputs.list[i];
        if (f->status != NL_OK) {
            printf("%s:%d: %s\n", c->lists[i], input->line, f->message);
            c->bad++;
        } else if (f->info.frames < c->need)
            c->shorter++;
    }
}

static nl_status write_bad(const struct checking *c)
{
    struct nl_file_write w;
    if (!c->run->args.bad) return NL_OK;
    NL_TRY(nl_file_write_begin(&w, c->run->args.bad));
    for (int i = 0; i < c->inputs.count; i++)
        if (c->found[i].status != NL_OK)
            fprintf(w.file, "%s %lld\n", c->inputs.list[i].path,
                    (long long)c->inputs.list[i].label);
    return nl_file_write_commit(&w);
}

/* A video that can be read, and what is wrong with one that cannot. */
static json_t *json_of_finding(const struct checking *c, const struct finding *f)
{
    const struct nl_video_info *info = &f->info;
    if (f->status != NL_OK) return json_pack("{s:o}", "error", nl_json_text(f->message));
    return json_pack("{s:I, s:i, s:i, s:f, s:b}", "frames", (json_int_t)info->frames, "width",
                     info->width, "height", info->height, "fps", info->fps, "short",
                     info->frames < c->need);
}

/* Line `i` of the lists. */
static json_t *json_of(const struct checking *c, int i)
{
    const struct nl_input *input = &c->inputs.list[i];
    const struct finding *f = &c->found[i];
    json_t *line = json_of_finding(c, f);
    json_object_set_new(line, "list", nl_json_text(c->lists[i]));
    json_object_set_new(line, "line", json_integer(input->line));
    json_object_set_new(line, "video", nl_json_text(input->path));
    if (input->label >= 0)
        json_object_set_new(line, "label", json_integer((json_int_t)input->label));
    if (f->twin < 0) return line;
    json_object_set_new(line, "also_in",
                        json_pack("{s:o, s:i}", "list", nl_json_text(c->lists[f->twin]), "line",
                                  c->inputs.list[f->twin].line));
    return line;
}

static nl_status write_json(const struct checking *c)
{
    struct nl_file_write w;
    nl_status st = NL_OK;
    if (!c->run->args.json) return NL_OK;
    NL_TRY(nl_file_write_begin(&w, c->run->args.json));
    for (int i = 0; st == NL_OK && i < c->inputs.count; i++)
        st = nl_json_line(json_of(c, i), w.file);
    if (st == NL_OK) return nl_file_write_commit(&w);
    nl_file_write_abort(&w);
    return st;
}

static nl_status print_classes(const struct checking *c)
{
    struct nl_table table = {.columns = 2, .align = "rr"};
    int64_t most = -1, *count = NULL;
    for (int i = 0; i < c->inputs.count; i++)
        if (c->inputs.list[i].label > most) most = c->inputs.list[i].label;
    if (most < 0 || most > 1000000) return NL_OK;
    NL_TRY(nl_calloc((size_t)most + 1, sizeof *count, &count));
    for (int i = 0; i < c->inputs.count; i++)
        if (c->inputs.list[i].label >= 0) count[c->inputs.list[i].label]++;
    nl_status st = nl_table_add(&table, "class\tvideos");
    for (int64_t k = 0; st == NL_OK && k <= most; k++)
        st = nl_table_add(&table, "%lld\t%lld", (long long)k, (long long)count[k]);
    if (st == NL_OK) nl_table_print(&table, 0, stdout);
    nl_table_clear(&table);
    nl_free(count);
    return st;
}

static void print_sizes(const struct checking *c)
{
    int least = 1 << 30, most = 0;
    double slow = 1e9, fast = 0;
    for (int i = 0; i < c->inputs.count; i++) {
        const struct nl_video_info *info = &c->found[i].info;
        if (c->found[i].status != NL_OK) continue;
        const int side = info->width < info->height ? info->width : info->height;
        least = side < least ? side : least;
        most = side > most ? side : most;
        slow = info->fps < slow ? info->fps : slow;
        fast = info->fps > fast ? info->fps : fast;
    }
    if (most)
        printf("short sides %d to %d pixels, %.4g to %.4g frames a second\n", least, most, slow,
               fast);
}

static nl_status check(struct checking *c)
{
    const struct nl_sampling *s = &c->run->settings.config.train.sampling;
    struct nl_progress progress;
    c->need = (int64_t)s->video_length * s->sample_rate;
    NL_TRY(read_lists(c));
    NL_TRY(nl_calloc((size_t)c->inputs.count, sizeof *c->found, &c->found));
    for (int i = 0; i < c->inputs.count; i++) c->found[i].twin = -1;
    nl_progress_begin(&progress, "videos", c->inputs.count, c->run->args.log_interval);
    const int threads = c->run->args.threads ? (int)c->run->args.threads : 2;
    NL_TRY(nl_crew_run(&(struct nl_crew_task){.items = c->inputs.count,
                                              .threads = threads,
                                              .work = work,
                                              .user = c,
                                              .progress = &progress}));
    print_findings(c);
    NL_TRY(check_splits(c));
    NL_TRY(write_bad(c));
    NL_TRY(write_json(c));
    NL_TRY(print_classes(c));
    print_sizes(c);
    printf("%d videos: %d faults, %d shorter than a clip of %lld frames\n", c->inputs.count, c->bad,
           c->shorter, (long long)c->need);
    if (c->bad) c->run->exit_status = NL_EXIT_SKIPPED;
    return NL_OK;
}

nl_status nl_cmd_check_data(struct nl_run *run)
{
    struct checking c = {.run = run};
    nl_signals_watch();
    const nl_status st = check(&c);
    for (int i = 0; c.found && i < c.inputs.count; i++) nl_free(c.found[i].message);
    nl_free(c.found);
    nl_free(c.lists);
    nl_inputs_clear(&c.inputs);
    return st;
}
