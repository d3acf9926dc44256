#include "src/app/command.h"
#include "src/app/jobs.h"
#include "src/app/lists.h"
#include "src/app/outputs.h"
#include "src/app/progress.h"
#include "src/app/result.h"
#include "src/app/session.h"
#include "src/app/signals.h"
#include "src/app/viewspec.h"
#include "src/core/file.h"
#include "src/core/log.h"
#include "src/core/memory.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

/* A clip that waits in the batch, and whose video it counts for. */
struct waiting {
    int job, weight;
};

/* What is known of a video so far. Clips in the batch refer to it, so a video ends only once they
 * ran. */
struct tally {
    double *sum; /* [classes]; NULL once reported */
    int views;
    bool ended;
    nl_status status;
    char *message;
    struct nl_video_info info;
};

struct predict {
    struct nl_run *run;
    struct nl_session session;
    struct nl_engine engine;
    struct nl_view_spec spec;
    struct nl_inputs inputs;
    struct nl_labels labels;
    struct nl_stream_job *jobs;
    struct nl_view_request *requests; /* of four-column lists */
    struct nl_stream *stream;
    struct tally *tallies;
    struct waiting *waiting;                /* [batch] */
    double *probability;                    /* [batch, classes] */
    int batch, filled, classes, topk, next; /* next: the first video not yet reported */
    int64_t views_done, views_total;
    int skipped;
    struct nl_progress progress;
    struct nl_file_write json;
};

static nl_status find_inputs(struct predict *p)
{
    const struct nl_flags *args = &p->run->args;
    const struct nl_config *config = &p->run->settings.config;
    for (int i = 0; i < args->n_rest; i++) NL_TRY(nl_inputs_add_path(&p->inputs, args->rest[i]));
    if (*config->infer.video_path) NL_TRY(nl_inputs_add_path(&p->inputs, config->infer.video_path));
    const char *list = config->infer.sampling.filelist;
    const nl_setter setter = nl_settings_origin(&p->run->settings, "INFER.filelist");
    if (p->inputs.count && setter != NL_BY_FLAG) return NL_OK;
    NL_REQUIRE(setter == NL_BY_FLAG || access(list, F_OK) == 0, NL_EUSAGE,
               "no video: give VIDEO..., --video_path or --filelist (INFER.filelist %s does not "
               "exist)",
               list);
    return nl_inputs_add_list(&p->inputs, list);
}

/* One job a video; four-column lists name the views. */
static nl_status make_jobs(struct predict *p)
{
    const int all = p->spec.positions * p->spec.crops;
    for (int i = 0; i < p->inputs.count; i++)
        p->views_total += p->inputs.list[i].views ? p->inputs.list[i].n_views : all;
    NL_TRY(nl_calloc((size_t)p->inputs.count, sizeof *p->tallies, &p->tallies));
    return nl_jobs_new(&p->inputs, 0, &p->jobs);
}

static nl_status open_json(struct predict *p)
{
    return p->run->args.json ? nl_file_write_begin(&p->json, p->run->args.json) : NL_OK;
}

static nl_status make_buffers(struct predict *p)
{
    NL_TRY(nl_calloc((size_t)p->batch, sizeof *p->waiting, &p->waiting));
    return nl_calloc((size_t)p->batch * (size_t)p->classes, sizeof *p->probability,
                     &p->probability);
}

/* Three crops of one place in time go together. The files' 1, the original's, would only be slower,
 * so that the flag alone counts. */
static int batch_of(const struct nl_settings *settings)
{
    const bool asked = nl_settings_origin(settings, "INFER.batch_size") == NL_BY_FLAG;
    return asked ? settings->config.infer.sampling.batch_size : 3;
}

/* Everything that can be refused is refused before the first video is opened. */
static nl_status prepare(struct predict *p)
{
    NL_TRY(find_inputs(p));
    NL_TRY(nl_is_no_input("--json", p->run->args.json, p->run->args.weights));
    for (int i = 0; i < p->inputs.count; i++)
        NL_TRY(nl_is_no_input("--json", p->run->args.json, p->inputs.list[i].path));
    NL_TRY(nl_session_open(&p->session, p->run, NL_WEIGHTS_NEEDED));
    NL_TRY(nl_labels_open(&p->labels, &p->run->settings));
    NL_TRY(nl_view_spec(p->run, &p->spec));
    NL_TRY(
        nl_list_check_views(&p->inputs, p->run->settings.config.infer.sampling.filelist, &p->spec));
    p->batch = batch_of(&p->run->settings);
    const struct nl_geometry at = {p->batch, p->spec.length, p->spec.crop, p->spec.crop};
    NL_TRY(nl_engine_open(&p->engine, &p->session, &at, NULL));
    NL_TRY(make_jobs(p));
    NL_TRY(open_json(p));
    NL_TRY(nl_stream_open(p->jobs, p->inputs.count, &p->spec, 2 * p->batch, &p->stream));
    p->classes = p->run->settings.config.model.num_classes;
    p->topk = p->run->args.infer_topk ? (int)p->run->args.infer_topk : 20;
    if (p->topk > p->classes) p->topk = p->classes;
    NL_TRY(nl_engine_settle(&p->engine));
    return make_buffers(p);
}

static bool is_finite(const double *values, int count)
{
    for (int i = 0; i < count; i++)
        if (!isfinite(values[i])) return false;
    return true;
}

static nl_status report(struct predict *p, int job)
{
    struct tally *tally = &p->tallies[job];
    char about[128];
    nl_progress_hide(&p->progress);
    if (tally->status == NL_OK && !is_finite(tally->sum, p->classes)) {
        char text[4200];
        snprintf(text, sizeof text, "%.4000s: the network's probabilities are not finite",
                 p->jobs[job].path);
        tally->status = NL_EIO;
        NL_TRY(nl_copy_text(text, &tally->message));
    }
    if (tally->status != NL_OK) {
        if (p->inputs.count > 1) nl_warn("skipped: %s", tally->message);
        p->skipped++;
        return NL_OK;
    }
    snprintf(about, sizeof about, "%s %dx%d, %.1f s, %lld frames", tally->info.codec,
             tally->info.width, tally->info.height, tally->info.seconds,
             (long long)tally->info.frames);
    for (int c = 0; c < p->classes; c++) tally->sum[c] /= tally->views;
    const struct nl_result result = {
        p->jobs[job].path,       about,      tally->info.frames, tally->views,
        p->session.be.ops->name, tally->sum, p->classes};
    NL_TRY(nl_result_print(&result, &p->labels, p->topk, stdout));
    fflush(stdout);
    return p->run->args.json ? nl_result_json(&result, &p->labels, p->topk, p->json.file) : NL_OK;
}

/* Reports, in order, the videos that ended and have no clip waiting. */
static nl_status report_finished(struct predict *p)
{
    for (; p->next < p->inputs.count && p->tallies[p->next].ended; p->next++) {
        for (int i = 0; i < p->filled; i++)
            if (p->waiting[i].job == p->next) return NL_OK;
        NL_TRY(report(p, p->next));
        nl_free(p->tallies[p->next].sum);
        p->tallies[p->next].sum = NULL;
    }
    return NL_OK;
}

static nl_status run_batch(struct predict *p)
{
    char what[64];
    if (p->filled == 0) return NL_OK;
    NL_TRY(nl_engine_predict_put(&p->engine, p->filled, p->probability));
    for (int i = 0; i < p->filled; i++) {
        struct tally *tally = &p->tallies[p->waiting[i].job];
        if (p->waiting[i].weight == 0) continue; /* forgotten */
        if (!tally->sum) NL_TRY(nl_calloc((size_t)p->classes, sizeof *tally->sum, &tally->sum));
        for (int c = 0; c < p->classes; c++)
            tally->sum[c] +=
                p->waiting[i].weight * p->probability[(size_t)i * (size_t)p->classes + (size_t)c];
        tally->views += p->waiting[i].weight;
        p->views_done += p->waiting[i].weight;
    }
    snprintf(what, sizeof what, "video %d of %d", p->waiting[p->filled - 1].job + 1,
             p->inputs.count);
    nl_progress_show(&p->progress, p->views_done, what);
    p->filled = 0;
    return report_finished(p);
}

/* The frame count was wrong: what this video has so far does not count. */
static void forget(struct predict *p, int job)
{
    struct tally *tally = &p->tallies[job];
    for (int i = 0; i < p->filled; i++)
        if (p->waiting[i].job == job) p->waiting[i].weight = 0;
    p->views_done -= tally->views;
    tally->views = 0;
    if (tally->sum) memset(tally->sum, 0, (size_t)p->classes * sizeof *tally->sum);
}

static nl_status take(struct predict *p, const struct nl_stream_item *item)
{
    struct tally *tally = &p->tallies[item->job];
    if (item->kind == NL_ITEM_RESTART) {
        forget(p, item->job);
        return NL_OK;
    }
    if (item->kind == NL_ITEM_VIEW) {
        NL_TRY(nl_engine_put(&p->engine, p->filled, item->clip));
        p->waiting[p->filled++] = (struct waiting){item->job, item->weight};
        return p->filled == p->batch ? run_batch(p) : NL_OK;
    }
    tally->ended = true;
    tally->status = item->status;
    tally->info = item->info;
    if (item->status != NL_OK) NL_TRY(nl_copy_text(item->message, &tally->message));
    return report_finished(p);
}

static nl_status run_all(struct predict *p)
{
    struct nl_stream_item *item;
    nl_progress_begin(&p->progress, "views", p->views_total, p->run->args.log_interval);
    while (!nl_interrupted() && (item = nl_stream_next(p->stream))) {
        const nl_status st = take(p, item);
        nl_stream_release(p->stream, item);
        NL_TRY(st);
    }
    if (!nl_interrupted()) NL_TRY(run_batch(p));
    nl_progress_hide(&p->progress);
    return NL_OK;
}

/* What was finished is kept, also after Ctrl-C or a failure. */
static nl_status finish(struct predict *p, nl_status st)
{
    if (p->json.file && (st == NL_OK || p->next > 0)) {
        char first[1024];
        snprintf(first, sizeof first, "%s", nl_error());
        const nl_status written = nl_file_write_commit(&p->json);
        if (st == NL_OK)
            st = written;
        else
            nl_fail(st, "%s", first);
    } else if (p->json.file) {
        nl_file_write_abort(&p->json);
    }
    if (st == NL_OK && nl_interrupted()) {
        nl_note("interrupted: %d of %d videos are done", p->next, p->inputs.count);
        return NL_EINTR;
    }
    if (st == NL_OK && p->skipped && p->skipped == p->inputs.count)
        st = p->skipped == 1 ? nl_fail(NL_EIO, "%s", p->tallies[0].message)
                             : nl_fail(NL_EIO, "none of the %d videos could be used", p->skipped);
    if (st == NL_OK && p->skipped) {
        nl_note("%d of %d videos skipped", p->skipped, p->inputs.count);
        p->run->exit_status = NL_EXIT_SKIPPED;
    }
    return st;
}

static void clear(struct predict *p)
{
    nl_stream_close(p->stream);
    for (int i = 0; p->tallies && i < p->inputs.count; i++) {
        nl_free(p->tallies[i].sum);
        nl_free(p->tallies[i].message);
    }
    nl_jobs_free(p->jobs);
    nl_free(p->tallies);
    nl_free(p->waiting);
    nl_free(p->probability);
    nl_labels_clear(&p->labels);
    nl_inputs_clear(&p->inputs);
    nl_engine_close(&p->engine);
    nl_session_close(&p->session);
}

nl_status nl_cmd_predict(struct nl_run *run)
{
    struct predict p = {.run = run};
    nl_signals_watch();
    nl_status st = prepare(&p);
    if (st == NL_OK) st = run_all(&p);
    st = finish(&p, st);
    clear(&p);
    return st;
}
