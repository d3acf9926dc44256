/* What a run tells: train.jsonl for programs, event files for TensorBoard, lines for people. */
#include "src/app/events.h"
#include "src/app/progress.h"
#include "src/app/train.h"
#include "src/core/file.h"
#include "src/core/memory.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Whether a line of train.jsonl is of a step, or an epoch's end, before the place `at`. */
static bool is_before(const char *line, size_t length, const struct nl_train_at *at)
{
    static const char *const keys[] = {"step", "finished_epoch", "valid_epoch"};
    const int64_t ends[] = {at->step, at->epoch, at->epoch};
    json_t *root = json_loadb(line, length, 0, NULL);
    bool before = root != NULL;
    for (size_t i = 0; i < NL_COUNT(keys); i++) {
        const json_t *number = json_object_get(root, keys[i]);
        if (json_is_integer(number) && (int64_t)json_integer_value(number) >= ends[i])
            before = false;
    }
    json_decref(root);
    return before;
}

/* What a run that was cut off wrote beyond its checkpoint is written once more by the one that goes
 * on. */
static nl_status keep_lines_before(const char *path, const struct nl_train_at *at)
{
    struct nl_file_write w;
    char *text = NULL;
    size_t size;
    if (access(path, F_OK) != 0) return NL_OK;
    NL_TRY(nl_file_read(path, (size_t)1 << 34, &text, &size));
    nl_status st = nl_file_write_begin(&w, path);
    for (char *line = text; st == NL_OK && *line;) {
        const size_t length = strcspn(line, "\n");
        if (line[length] == '\n' && is_before(line, length, at))
            fwrite(line, 1, length + 1, w.file);
        line += length + (line[length] == '\n');
    }
    if (st == NL_OK) st = nl_file_write_commit(&w);
    nl_free(text);
    return st;
}

nl_status nl_train_log_open(struct nl_train *train)
{
    struct nl_text path = {.data = NULL};
    nl_text_add(&path, "%s/train.jsonl", train->save_dir);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) st = keep_lines_before(path.data, &train->at);
    if (st == NL_OK) {
        train->jsonl = fopen(path.data, "ae");
        if (!train->jsonl) st = nl_fail(NL_EIO, "%s: %s", path.data, strerror(errno));
    }
    nl_text_clear(&path);
    if (st == NL_OK) st = nl_events_open(train->save_dir, &train->events);
    train->start = nl_seconds();
    train->start_step = train->at.step;
    return st;
}

void nl_train_log_close(struct nl_train *train)
{
    if (train->jsonl) fclose(train->jsonl);
    train->jsonl = NULL;
    nl_events_close(train->events);
    train->events = NULL;
}

/* Takes `line` over and appends it. */
static nl_status put_line(struct nl_train *train, json_t *line)
{
    NL_REQUIRE(line, NL_ENOMEM, "out of memory for train.jsonl");
    json_dumpf(line, train->jsonl, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(line);
    fputc('\n', train->jsonl);
    NL_REQUIRE(fflush(train->jsonl) == 0, NL_EIO, "%s/train.jsonl: %s", train->save_dir,
               strerror(errno));
    return NL_OK;
}

/* Norm of each block's BN scale: 0 as long as the block is the identity. */
static nl_status gammas(const struct nl_train *train, json_t *out)
{
    const struct nl_params *params = &train->session.model.params;
    for (int i = 0; i < params->count; i++) {
        const struct nl_param *param = &params->list[i];
        const char *end = strstr(param->name, "_bn_scale");
        const int64_t count = nl_tensor_count(&param->tensor);
        double *values = NULL, sum = 0;
        char name[128];
        if (strncmp(param->name, "nonlocal_", 9) != 0 || !end) continue;
        NL_TRY(nl_calloc((size_t)count, sizeof *values, &values));
        const nl_status st = nl_params_get_f64(params, i, values);
        for (int64_t k = 0; k < count; k++) sum += values[k] * values[k];
        nl_free(values);
        NL_TRY(st);
        snprintf(name, sizeof name, "%.*s", (int)(end - param->name), param->name);
        json_object_set_new(out, name, json_real(sqrt(sum)));
    }
    return NL_OK;
}

static double share(int64_t part, int64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

static json_t *step_line(const struct nl_train *train, const struct nl_step_report *s,
                         json_t *gamma)
{
    const int64_t clips = s->tally.clips;
    return json_pack("{s:I, s:I, s:f, s:f, s:f, s:f, s:f, s:o, s:f, s:f, s:f}", "step",
                     (json_int_t)train->at.step, "epoch", (json_int_t)train->at.epoch, "loss",
                     s->tally.loss / (double)clips, "top1", share(s->tally.top1, clips), "top5",
                     share(s->tally.top5, clips), "rate", s->rate, "grad_norm", s->norm, "gamma",
                     gamma, "clips_per_s", (double)clips / s->seconds, "seconds", s->seconds,
                     "data_seconds", s->data_seconds);
}

static nl_status step_events(struct nl_train *train, const struct nl_step_report *s)
{
    const struct {
        const char *tag;
        double value;
    } rows[] = {{"train/loss", s->tally.loss / (double)s->tally.clips},
                {"train/top1", share(s->tally.top1, s->tally.clips)},
                {"train/learning_rate", s->rate},
                {"train/grad_norm", s->norm}};
    for (size_t i = 0; i < NL_COUNT(rows); i++)
        NL_TRY(nl_events_add(train->events, train->at.step, rows[i].tag, (float)rows[i].value));
    return NL_OK;
}

/* Of a terminal: one line that is written over. */
static void show(const struct nl_train *train, const struct nl_step_report *s)
{
    struct rusage usage;
    char left[32];
    const double passed = nl_seconds() - train->start;
    const int64_t done = train->at.step + 1 - train->start_step;
    nl_duration((double)(train->steps - train->at.step - 1) * passed / (double)done, left,
                sizeof left);
    getrusage(RUSAGE_SELF, &usage);
    fprintf(
        stderr,
        "\r\033[Kepoch %lld  step %lld/%lld  loss %.4f  top1 %.1f  top5 %.1f  %.1f clips/s  data "
        "%.0f%%  rate %g  ETA %s  %ld MiB",
        (long long)train->at.epoch, (long long)train->at.step + 1, (long long)train->steps,
        s->tally.loss / (double)s->tally.clips, 100 * share(s->tally.top1, s->tally.clips),
        100 * share(s->tally.top5, s->tally.clips), (double)s->tally.clips / s->seconds,
        100 * s->data_seconds / s->seconds, s->rate, left, usage.ru_maxrss / 1024);
    fflush(stderr);
}

/* Of a log: the original's lines. */
static void print(const struct nl_train *train, const struct nl_step_report *s)
{
    char when[32];
    const time_t now = time(NULL);
    struct tm tm;
    localtime_r(&now, &tm);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &tm);
    printf(
        "[TRAIN %s] Epoch %lld, iter %lld, time %.6f, \tLoss: %.6f,\ttop1_acc: %.2f, \ttop5_acc: "
        "%.2f\n",
        when, (long long)train->at.epoch, (long long)train->at.batch, s->seconds,
        s->tally.loss / (double)s->tally.clips, 100 * share(s->tally.top1, s->tally.clips),
        100 * share(s->tally.top5, s->tally.clips));
    fflush(stdout);
}

nl_status nl_train_log_step(struct nl_train *train, const struct nl_step_report *step)
{
    const int64_t interval = train->run->args.log_interval ? train->run->args.log_interval : 10;
    json_t *gamma = json_object();
    const nl_status st = gammas(train, gamma);
    json_t *line = step_line(train, step, gamma); /* takes gamma over */
    if (st != NL_OK) json_decref(line);
    NL_TRY(st);
    NL_TRY(put_line(train, line));
    NL_TRY(step_events(train, step));
    const bool watched = isatty(STDERR_FILENO) == 1;
    if (watched) show(train, step);
    if ((!watched || isatty(STDOUT_FILENO) != 1) && train->at.batch % interval == 0)
        print(train, step);
    return NL_OK;
}

static void clear_line(void)
{
    if (isatty(STDERR_FILENO) == 1) fputs("\r\033[K", stderr);
}

nl_status nl_train_log_epoch(struct nl_train *train)
{
    const struct nl_tally *t = &train->at.tally;
    clear_line();
    printf("[TRAIN] Epoch %lld training finished, loss %.6f, top1_acc: %.2f, top5_acc: %.2f\n",
           (long long)train->at.epoch, t->loss / (double)t->clips, 100 * share(t->top1, t->clips),
           100 * share(t->top5, t->clips));
    fflush(stdout);
    NL_TRY(nl_events_flush(train->events));
    return put_line(train,
                    json_pack("{s:I, s:f, s:f, s:f}", "finished_epoch", (json_int_t)train->at.epoch,
                              "mean_loss", t->loss / (double)t->clips, "mean_top1",
                              share(t->top1, t->clips), "mean_top5", share(t->top5, t->clips)));
}

nl_status nl_train_log_valid(struct nl_train *train, const struct nl_tally *t)
{
    clear_line();
    printf("[TEST] Finish Loss: %.6f,\ttop1_acc: %.2f, \ttop5_acc: %.2f\n",
           t->loss / (double)t->clips, 100 * share(t->top1, t->clips),
           100 * share(t->top5, t->clips));
    fflush(stdout);
    NL_TRY(nl_events_add(train->events, train->at.step, "valid/loss",
                         (float)(t->loss / (double)t->clips)));
    NL_TRY(nl_events_add(train->events, train->at.step, "valid/top1",
                         (float)share(t->top1, t->clips)));
    NL_TRY(nl_events_flush(train->events));
    return put_line(train,
                    json_pack("{s:I, s:f, s:f, s:f, s:I}", "valid_epoch",
                              (json_int_t)train->at.epoch, "valid_loss", t->loss / (double)t->clips,
                              "valid_top1", share(t->top1, t->clips), "valid_top5",
                              share(t->top5, t->clips), "valid_clips", (json_int_t)t->clips));
}
