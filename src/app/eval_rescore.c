/* Accuracies of some of the views that an evaluation stored. */
#include "src/app/eval.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/weights/state.h"

#include <stdio.h>

enum { MOST = 1 << 24 }; /* videos, views of one, classes */

/* What is asked for of what is there: every `step`-th position; all crops, or the middle one. */
struct subset {
    int positions, crops; /* stored */
    int step, wanted;     /* wanted: crops */
};

static nl_status read_subset(const struct nl_state *state, const char *views, struct subset *s)
{
    const char *stored = nl_state_meta(state, "views");
    int positions, crops;
    char end;
    NL_REQUIRE(stored && sscanf(stored, "%dx%d%c", &s->positions, &s->crops, &end) == 2 &&
                   s->positions > 0 && s->crops > 0,
               NL_EIO, "%s: no views of an evaluation", state->path);
    s->step = 1;
    s->wanted = s->crops;
    if (!views) return NL_OK;
    NL_REQUIRE(sscanf(views, "%dx%d%c", &positions, &crops, &end) == 2 && positions > 0 &&
                   s->positions % positions == 0 &&
                   (crops == s->crops || (crops == 1 && s->crops == 3)),
               NL_EUSAGE,
               "--views: want TxS with T a divisor of %d and S %d%s (stored: %s), got \"%.32s\"",
               s->positions, s->crops, s->crops == 3 ? " or 1" : "", stored, views);
    s->step = s->positions / positions;
    s->wanted = crops;
    return NL_OK;
}

static nl_status add_video(struct nl_eval *e, const struct nl_entry *views, const struct subset *s,
                           int per_position)
{
    const int i = e->done++, first = s->wanted == s->crops ? 0 : s->crops / 2;
    struct nl_verdict *v = &e->all[i];
    double whole = 0;
    NL_TRY(nl_verdict_new(e, v));
    for (int t = 0; t < s->positions; t += s->step)
        for (int c = first; c < first + s->wanted; c++) {
            const size_t at = (((size_t)i * (size_t)e->slots) + (size_t)(t * per_position + c)) *
                              (size_t)e->classes;
            int best = 0;
            double sum = 0, most = -1;
            for (int k = 0; k < e->classes; k++) {
                const double p = nl_entry_value(views, at + (size_t)k);
                v->score[k] += p;
                sum += p;
                if (p > most) {
                    most = p;
                    best = k;
                }
            }
            if (sum == 0) continue; /* a view that was not asked for is not there */
            whole += sum;
            v->views++;
            v->clips++;
            v->clips_right += best == e->labels[i];
        }
    v->status = whole == 0; /* a broken video has no probabilities */
    if (v->status) v->clips = v->clips_right = 0;
    return NL_OK;
}

static nl_status rescore(struct nl_eval *e, const struct nl_state *state, const char *wanted)
{
    const struct nl_entry *views = nl_state_find(state, "views"),
                          *labels = nl_state_find(state, "labels");
    struct subset subset = {.positions = 1};
    NL_TRY(read_subset(state, wanted, &subset));
    NL_REQUIRE(views && labels && views->rank == 3 && labels->rank == 1 &&
                   labels->dim[0] == views->dim[0] && views->dim[0] <= MOST &&
                   views->dim[1] <= MOST && views->dim[2] <= MOST &&
                   views->dim[1] % subset.positions == 0 &&
                   subset.crops <= views->dim[1] / subset.positions,
               NL_EIO, "%s: no views of an evaluation", state->path);
    const int count = (int)views->dim[0];
    e->slots = (int)views->dim[1];
    e->classes = (int)views->dim[2];
    NL_TRY(nl_calloc((size_t)count + 1, sizeof *e->labels, &e->labels));
    NL_TRY(nl_calloc((size_t)count + 1, sizeof *e->all, &e->all));
    for (int i = 0; i < count; i++) {
        const double label = nl_entry_value(labels, (size_t)i);
        NL_REQUIRE(label >= 0 && label < e->classes, NL_EIO,
                   "%s: label %g of video %d is out of range", state->path, label, i);
        e->labels[i] = (int64_t)label;
        NL_TRY(add_video(e, views, &subset, e->slots / subset.positions));
    }
    int64_t there = 0;
    for (int i = 0; i < count; i++) there += e->all[i].views;
    NL_REQUIRE(there, NL_EUSAGE, "--views=%s: none of them is stored in %s", wanted ? wanted : "",
               state->path);
    const int64_t asked = (int64_t)count * (subset.positions / subset.step) * subset.wanted;
    if (there < asked)
        nl_note("%lld of %lld views were not evaluated", (long long)(asked - there),
                (long long)asked);
    return nl_eval_report(e);
}

nl_status nl_eval_rescore(struct nl_run *run)
{
    struct nl_eval e = {.run = run};
    struct nl_state state;
    NL_TRY(nl_state_load(run->args.rescore, NULL, &state));
    const nl_status st = rescore(&e, &state, run->args.views);
    for (int i = 0; i < e.done; i++) nl_verdict_clear(&e.all[i]);
    nl_free(e.all);
    nl_free(e.labels);
    nl_state_clear(&state);
    return st;
}
