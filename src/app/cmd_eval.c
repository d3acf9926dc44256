#include "reader/stream.h"
#include "src/app/command.h"
#include "src/app/eval.h"
#include "src/app/jobs.h"
#include "src/app/lists.h"
#include "src/app/outputs.h"
#include "src/app/progress.h"
#include "src/app/signals.h"
#include "src/app/viewspec.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/tensor/half.h"

#include <math.h>
#include <string.h>

/* A clip that waits in the batch: its video, slot and weight. */
struct waiting {
    int job, slot, weight;
};

struct run_of_list {
    struct nl_eval e;
    struct nl_session session;
    struct nl_engine engine;
    struct nl_stream_job *jobs; /* of videos not in the journal */
    struct nl_stream *stream;
    struct nl_verdict now; /* of the video at hand */
    float *views;          /* [slots, classes] of it */
    bool *there;           /* [slots] */
    int left;              /* views of it that did not come yet */
    bool stopped;
    struct waiting *waiting;
    double *probability;
    int batch, filled;
    int64_t right;
    struct nl_progress progress;
};

static const struct nl_sampling *sampling_of(const struct run_of_list *r)
{
    return &r->e.run->settings.config.test.sampling;
}

/* Labels of a two-column list, or of TEST.filename_gt for the original's four columns. */
static nl_status find_labels(struct run_of_list *r)
{
    struct nl_eval *e = &r->e;
    const struct nl_config *config = &e->run->settings.config;
    struct nl_inputs truth = {.list = NULL};
    const bool own = e->inputs.list[0].index < 0;
    const char *list = own ? e->list : config->test.filename_gt;
    NL_REQUIRE(e->inputs.list[0].columns != 1, NL_EUSAGE,
               "%s: 1 column; want PATH LABEL, or PATH INDEX TEMPORAL SPATIAL", e->list);
    NL_TRY(nl_calloc((size_t)e->inputs.count, sizeof *e->labels, &e->labels));
    nl_status st = own ? NL_OK : nl_inputs_add_list(&truth, list);
    const struct nl_inputs *from = own ? &e->inputs : &truth;
    if (st == NL_OK) st = nl_list_check_labels(from, list, config->model.num_classes);
    if (st == NL_OK && own) st = nl_list_check_twice(&e->inputs, list);
    for (int i = 0; st == NL_OK && i < e->inputs.count; i++) {
        const struct nl_input *input = &e->inputs.list[i];
        if (own)
            e->labels[i] = input->label;
        else if (input->index < truth.count)
            e->labels[i] = truth.list[input->index].label;
        else
            st = nl_fail(NL_EUSAGE, "%s:%d: index %lld, but %s has %d lines", e->list, input->line,
                         (long long)input->index, list, truth.count);
    }
    nl_inputs_clear(&truth);
    return st;
}

static void warn_size(const struct run_of_list *r)
{
    const int64_t said = r->e.run->settings.config.test.dataset_size;
    if (said != r->e.inputs.count &&
        nl_settings_origin(&r->e.run->settings, "TEST.dataset_size") != NL_BY_DEFAULT)
        nl_warn("TEST.dataset_size is %lld, the list has %d videos; the list counts",
                (long long)said, r->e.inputs.count);
}

static nl_status make_buffers(struct run_of_list *r)
{
    const size_t classes = (size_t)r->e.classes, slots = (size_t)r->e.slots;
    NL_TRY(nl_verdict_new(&r->e, &r->now));
    NL_TRY(nl_calloc(slots * classes, sizeof *r->views, &r->views));
    NL_TRY(nl_calloc(slots, sizeof *r->there, &r->there));
    NL_TRY(nl_calloc((size_t)r->batch, sizeof *r->waiting, &r->waiting));
    return nl_calloc((size_t)r->batch * classes, sizeof *r->probability, &r->probability);
}

static nl_status prepare(struct run_of_list *r)
{
    struct nl_eval *e = &r->e;
    const struct nl_config *config = &e->run->settings.config;
    const char *weights = e->run->args.weights;
    NL_TRY(nl_session_open(&r->session, e->run, NL_WEIGHTS_NEEDED));
    NL_TRY(nl_view_spec_test(e->run, &e->spec));
    e->list = config->test.sampling.filelist;
    e->classes = config->model.num_classes;
    e->slots = e->spec.positions * nl_view_crops(&e->spec);
    e->early_stop = e->run->args.early_stop;
    e->folder = e->run->args.save_dir ? e->run->args.save_dir : "data/evaluate_results";
    NL_TRY(nl_inputs_add_list(&e->inputs, e->list));
    NL_TRY(nl_list_check_views(&e->inputs, e->list, &e->spec));
    NL_TRY(find_labels(r));
    warn_size(r);
    r->batch = sampling_of(r)->batch_size;
    const struct nl_geometry at = {r->batch, e->spec.length, e->spec.crop, e->spec.crop};
    NL_TRY(nl_engine_open(&r->engine, &r->session, &at, NULL));
    NL_TRY(nl_folder_ready("--save_dir", e->folder));
    NL_TRY(nl_eval_journal_open(e, weights));
    NL_TRY(nl_jobs_new(&e->inputs, e->done, &r->jobs));
    NL_TRY(nl_stream_open(r->jobs, e->inputs.count - e->done, &e->spec, 2 * r->batch, &r->stream));
    NL_TRY(nl_engine_settle(&r->engine));
    return make_buffers(r);
}

static int views_of(const struct run_of_list *r)
{
    const struct nl_input *input = &r->e.inputs.list[r->e.done];
    return input->views ? input->n_views : r->e.spec.positions * r->e.spec.crops;
}

static void begin_video(struct run_of_list *r)
{
    const size_t classes = (size_t)r->e.classes;
    memset(r->there, 0, (size_t)r->e.slots * sizeof *r->there);
    memset(r->now.score, 0, classes * sizeof *r->now.score);
    memset(r->now.view, 0, classes * (size_t)r->e.slots * sizeof *r->now.view);
    r->now.status = r->now.views = r->now.clips_right = r->now.clips = 0;
    r->left = r->e.done < r->e.inputs.count ? views_of(r) : 0;
    r->stopped = false;
}

/* No view that is left can change the best class: each gives it at least 0, another at most 1. */
static bool is_decided(const struct run_of_list *r)
{
    double first = -INFINITY, second = -INFINITY;
    for (int c = 0; c < r->e.classes; c++) {
        const double score = r->now.score[c];
        if (score > first) {
            second = first;
            first = score;
        } else if (score > second)
            second = score;
    }
    return first - second > r->left;
}

/* A NaN would win or lose by accident. */
static nl_status check_finite(const struct run_of_list *r)
{
    const int n = r->filled * r->e.classes;
    for (int i = 0; i < n; i++)
        NL_REQUIRE(isfinite(r->probability[i]), NL_EIO,
                   "%s: the network's probabilities are not finite",
                   r->e.inputs.list[r->e.done].path);
    return NL_OK;
}

static void add_view(struct run_of_list *r, const struct waiting *w, const double *p)
{
    const int classes = r->e.classes;
    int best = 0;
    for (int c = 0; c < classes; c++) {
        r->now.score[c] += w->weight * p[c];
        r->views[(size_t)w->slot * (size_t)classes + (size_t)c] = (float)p[c];
        if (p[c] > p[best]) best = c;
    }
    r->there[w->slot] = true;
    r->now.views += w->weight;
    r->now.clips += w->weight;
    r->now.clips_right += best == r->e.labels[r->e.done] ? w->weight : 0;
    r->left -= w->weight;
    if (r->e.early_stop && is_decided(r)) r->stopped = true;
}

/* All clips that wait are of the video at hand. */
static nl_status run_batch(struct run_of_list *r)
{
    if (r->filled == 0) return NL_OK;
    if (!r->stopped) NL_TRY(nl_engine_predict_put(&r->engine, r->filled, r->probability));
    if (!r->stopped) NL_TRY(check_finite(r));
    for (int i = 0; i < r->filled && !r->stopped; i++)
        if (r->waiting[i].weight)
            add_view(r, &r->waiting[i], r->probability + (size_t)i * (size_t)r->e.classes);
    r->filled = 0;
    return NL_OK;
}

static bool same_window(const struct nl_window *a, const struct nl_window *b)
{
    return a->left == b->left && a->top == b->top && a->mirrored == b->mirrored;
}

/* The slot whose view shows what slot (t, s) shows: coinciding views were computed once. */
static int source_of(const struct run_of_list *r, const struct nl_video_info *info, int t, int s)
{
    const struct nl_view_spec *spec = &r->e.spec;
    const int crops = nl_view_crops(spec);
    const int64_t start = nl_view_frame(spec, info->frames, t, 0);
    const struct nl_window window = nl_view_window(spec, info->width, info->height, s);
    for (int i = 0; i <= t; i++) {
        if (nl_view_frame(spec, info->frames, i, 0) != start) continue;
        for (int k = 0; k <= s; k++) {
            const struct nl_window other = nl_view_window(spec, info->width, info->height, k);
            if (same_window(&window, &other) && r->there[i * crops + k]) return i * crops + k;
        }
    }
    return -1;
}

static void store_views(struct run_of_list *r, const struct nl_video_info *info)
{
    const int crops = nl_view_crops(&r->e.spec), classes = r->e.classes;
    for (int slot = 0; slot < r->e.slots; slot++) {
        const int from = source_of(r, info, slot / crops, slot % crops);
        for (int c = 0; from >= 0 && c < classes; c++)
            r->now.view[(size_t)slot * (size_t)classes + (size_t)c] =
                nl_float_to_f16(r->views[(size_t)from * (size_t)classes + (size_t)c]);
    }
}

static nl_status end_video(struct run_of_list *r, const struct nl_stream_item *item)
{
    struct nl_eval *e = &r->e;
    char what[64];
    NL_TRY(run_batch(r));
    if (item->status != NL_OK) {
        begin_video(r);
        r->now.status = 1;
        nl_warn("broken, counted as wrong: %s", item->message);
    } else
        store_views(r, &item->info);
    NL_TRY(nl_eval_journal_add(e, &r->now));
    int best = 0;
    for (int c = 0; c < e->classes; c++)
        if (r->now.score[c] > r->now.score[best]) best = c;
    r->right += !r->now.status && best == e->labels[e->done];
    NL_TRY(nl_verdict_new(e, &e->all[e->done]));
    const struct nl_verdict kept = e->all[e->done];
    e->all[e->done++] = r->now;
    r->now = kept;
    snprintf(what, sizeof what, "top-1 %.2f", 100 * (double)r->right / e->done);
    nl_progress_show(&r->progress, e->done, what);
    begin_video(r);
    return NL_OK;
}

static nl_status take(struct run_of_list *r, const struct nl_stream_item *item)
{
    if (item->kind == NL_ITEM_END) return end_video(r, item);
    if (item->kind == NL_ITEM_RESTART) {
        r->filled = 0;
        begin_video(r);
        return NL_OK;
    }
    if (r->stopped) return NL_OK;
    NL_TRY(nl_engine_put(&r->engine, r->filled, item->clip));
    r->waiting[r->filled++] = (struct waiting){
        item->job, item->temporal * nl_view_crops(&r->e.spec) + item->spatial, item->weight};
    return r->filled == r->batch ? run_batch(r) : NL_OK;
}

static nl_status run_all(struct run_of_list *r)
{
    struct nl_stream_item *item;
    nl_progress_begin(&r->progress, "videos", r->e.inputs.count, r->e.run->args.log_interval);
    for (int i = 0; i < r->e.done; i++) {
        int best = 0;
        for (int c = 0; c < r->e.classes; c++)
            if (r->e.all[i].score[c] > r->e.all[i].score[best]) best = c;
        r->right += !r->e.all[i].status && best == r->e.labels[i];
    }
    begin_video(r);
    while (!nl_interrupted() && (item = nl_stream_next(r->stream))) {
        const nl_status st = take(r, item);
        nl_stream_release(r->stream, item);
        NL_TRY(st);
    }
    nl_progress_hide(&r->progress);
    if (!nl_interrupted()) return NL_OK;
    nl_note("interrupted after %d of %d videos; the same command goes on", r->e.done,
            r->e.inputs.count);
    return NL_EINTR;
}

static nl_status finish(struct run_of_list *r)
{
    int broken = 0;
    for (int i = 0; i < r->e.done; i++) {
        if (!r->e.all[i].status) continue;
        nl_note("broken: %s", r->e.inputs.list[i].path);
        broken++;
    }
    if (broken) r->e.run->exit_status = NL_EXIT_SKIPPED;
    return nl_eval_report(&r->e);
}

static void clear(struct run_of_list *r)
{
    struct nl_eval *e = &r->e;
    nl_stream_close(r->stream);
    nl_jobs_free(r->jobs);
    if (e->journal) fclose(e->journal);
    for (int i = 0; e->all && i < e->inputs.count; i++) nl_verdict_clear(&e->all[i]);
    nl_free(e->all);
    nl_free(e->labels);
    nl_verdict_clear(&r->now);
    nl_free(r->views);
    nl_free(r->there);
    nl_free(r->waiting);
    nl_free(r->probability);
    nl_inputs_clear(&e->inputs);
    nl_engine_close(&r->engine);
    nl_session_close(&r->session);
}

nl_status nl_cmd_eval(struct nl_run *run)
{
    struct run_of_list r = {.e = {.run = run}};
    if (run->args.rescore) return nl_eval_rescore(run);
    nl_signals_watch();
    nl_status st = prepare(&r);
    if (st == NL_OK) st = run_all(&r);
    if (st == NL_OK) st = finish(&r);
    clear(&r);
    return st;
}
