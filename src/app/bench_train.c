#include "src/app/bench.h"

#include "src/app/progress.h"
#include "src/app/room.h"
#include "src/app/trainer.h"
#include "src/core/memory.h"

/* Clips and labels of one micro-batch. */
struct lesson {
    float *clips;
    int64_t *labels;
};

/* Numbers of one clip. */
static int64_t clip_of(const struct nl_geometry *g)
{
    return g->frames * g->height * g->width * 3;
}

static nl_status make_lesson(const struct nl_trainer *t, struct lesson *lesson)
{
    const struct nl_geometry *g = &t->geometry;
    NL_TRY(nl_bench_values(g->batch * clip_of(g), &lesson->clips));
    NL_TRY(nl_calloc((size_t)g->batch, sizeof *lesson->labels, &lesson->labels));
    for (int64_t i = 0; i < g->batch; i++) lesson->labels[i] = i * 97 % t->classes;
    return NL_OK;
}

static nl_status one_step(struct nl_trainer *t, const struct lesson *lesson, int64_t step)
{
    struct nl_tally tally = {.loss = 0};
    double norm;
    NL_TRY(nl_trainer_micro(t, step, 0, lesson->clips, lesson->labels, &tally));
    return nl_trainer_update(t, 1e-3, &norm);
}

/* One warm-up, `repeat` timed steps. */
static nl_status time_steps(const struct nl_run *run, struct nl_trainer *t)
{
    const int repeat = run->args.repeat ? (int)run->args.repeat : 3;
    struct lesson lesson = {NULL, NULL};
    double *ms = NULL;
    nl_status st = make_lesson(t, &lesson);
    if (st == NL_OK) st = nl_calloc((size_t)repeat, sizeof *ms, &ms);
    for (int i = -1; st == NL_OK && i < repeat; i++) {
        const double start = nl_seconds();
        st = one_step(t, &lesson, i + 1);
        if (i >= 0) ms[i] = (nl_seconds() - start) * 1e3;
    }
    const nl_value outputs[2] = {t->ends.loss, t->ends.logits};
    const struct nl_bench_subject subject = {t->plan, &t->session->be, outputs, 2};
    if (st == NL_OK) st = nl_bench_report(run, &subject, subject.be->ops->name, ms, repeat);
    nl_free(ms);
    nl_free(lesson.clips);
    nl_free(lesson.labels);
    return st;
}

struct wanted {
    struct nl_session *session;
    struct nl_geometry at;
};

/* The step, and the clips. */
static nl_status measure(void *user, int64_t batch, double *bytes)
{
    const struct wanted *w = user;
    struct nl_geometry at = w->at;
    struct nl_train_cost cost;
    at.batch = batch;
    NL_TRY(nl_trainer_measure(w->session, &at, &cost));
    *bytes = (double)cost.total + (double)(batch * clip_of(&at)) * (double)sizeof(float);
    return NL_OK;
}

static nl_status open_trainer(struct nl_trainer *trainer, struct nl_session *session,
                              const struct nl_geometry *at)
{
    struct wanted wanted = {session, *at};
    const struct nl_room_plan plan = {session->run, at->batch, measure, &wanted};
    NL_TRY(nl_room_check(&plan));
    return nl_trainer_open(trainer, session, at, 1, 1);
}

nl_status nl_bench_train(struct nl_run *run)
{
    const struct nl_sampling *s = &run->settings.config.train.sampling;
    struct nl_session session;
    struct nl_trainer trainer = {.plan = NULL};
    nl_status st = nl_session_open(&session, run, NL_WEIGHTS_TRIVIAL);
    if (st == NL_OK) {
        const int64_t crop = run->args.crop ? run->args.crop : s->crop_size;
        const struct nl_geometry at = {run->args.batch ? run->args.batch : 4, s->video_length, crop,
                                       crop};
        st = open_trainer(&trainer, &session, &at);
    }
    if (st == NL_OK) st = time_steps(run, &trainer);
    nl_trainer_close(&trainer);
    nl_session_close(&session);
    return st;
}
