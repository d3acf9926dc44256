#include "src/app/trainer.h"

#include "src/app/device.h"
#include "src/core/memory.h"
#include "src/core/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

void nl_tally_add(struct nl_tally *sum, const struct nl_tally *more)
{
    sum->loss += more->loss;
    sum->top1 += more->top1;
    sum->top5 += more->top5;
    sum->clips += more->clips;
}

void nl_tally_rank(struct nl_tally *tally, const double *score, int64_t classes, int64_t label)
{
    int64_t before = isnan(score[label]) ? classes + 5 : 0;
    for (int64_t c = 0; c < classes; c++)
        before += !(score[label] > score[c] || (label <= c && score[label] == score[c]));
    tally->top1 += before < 1;
    tally->top5 += before < 5;
    tally->clips++;
}

static struct nl_training training_of(const struct nl_config *config, int micro_batches)
{
    return (struct nl_training){.on = true,
                                .frozen_bn = config->train.bn == NL_BN_FROZEN,
                                .recompute = config->train.recompute,
                                .share = 1.0 / micro_batches,
                                .trains = nl_model_trains(config->train.trainable)};
}

nl_status nl_trainer_measure(struct nl_session *session, const struct nl_geometry *geometry,
                             struct nl_train_cost *cost)
{
    const struct nl_training training = training_of(&session->run->settings.config, 1);
    struct nl_plan_cost plan;
    struct nl_model_ends ends;
    struct nl_graph *g = NULL;
    NL_TRY(nl_model_train_graph(&session->model, geometry, &training, &g, &ends));
    const nl_value keep[2] = {ends.loss, ends.logits};
    nl_status st = nl_check_impls(g, &session->be);
    if (st == NL_OK) st = nl_plan_measure(g, &session->be, keep, 2, &plan);
    nl_graph_free(g);
    NL_TRY(st);
    *cost = (struct nl_train_cost){.activations = plan.arena,
                                   .workspace = plan.workspace,
                                   .constants = plan.constants,
                                   .parameters = 3 * session->model.params.bytes};
    cost->total = cost->activations + cost->workspace + cost->constants + cost->parameters;
    return NL_OK;
}

static nl_status make_plan(struct nl_trainer *t, const struct nl_config *config)
{
    const struct nl_training training = training_of(config, t->micro_batches);
    struct nl_session *session = t->session;
    struct nl_graph *g = NULL;
    NL_TRY(nl_model_train_graph(&session->model, &t->geometry, &training, &g, &t->ends));
    const nl_value keep[2] = {t->ends.loss, t->ends.logits};
    nl_status st = nl_check_impls(g, &session->be);
    if (st == NL_OK) st = nl_plan_new(g, &session->be, keep, 2, &t->plan);
    if (st == NL_OK) st = nl_optimizer_new(g, &session->be, config->train.nesterov, &t->optimizer);
    nl_graph_free(g);
    return st;
}

static int64_t count_of(const struct nl_trainer *t, nl_value v)
{
    return v == NL_NONE ? 0 : nl_tensor_count(nl_graph_tensor(nl_plan_graph(t->plan), v));
}

/* Every clip has the same share of the step's gradient. */
static nl_status put_shares(struct nl_trainer *t)
{
    const int64_t batch = t->geometry.batch;
    for (int64_t i = 0; i < batch; i++)
        t->host[i] = (float)(1.0 / ((double)batch * t->micro_batches));
    return nl_put_floats(t->plan, t->ends.share, t->host);
}

static nl_status build(struct nl_trainer *t, const struct nl_config *config)
{
    int64_t room;
    NL_TRY(nl_params_train(&t->session->model.params));
    NL_TRY(make_plan(t, config));
    t->classes = nl_graph_tensor(nl_plan_graph(t->plan), t->ends.logits)->dim[1];
    room = count_of(t, t->ends.mask);
    if (room < t->geometry.batch * t->classes) room = t->geometry.batch * t->classes;
    NL_TRY(nl_calloc((size_t)room, sizeof *t->host, &t->host));
    NL_TRY(nl_calloc((size_t)room, sizeof *t->wide, &t->wide));
    return put_shares(t);
}

nl_status nl_trainer_open(struct nl_trainer *trainer, struct nl_session *session,
                          const struct nl_geometry *geometry, int micro_batches, uint64_t seed)
{
    *trainer = (struct nl_trainer){
        .session = session, .geometry = *geometry, .micro_batches = micro_batches, .seed = seed};
    return build(trainer, &session->run->settings.config);
}

void nl_trainer_close(struct nl_trainer *t)
{
    nl_optimizer_free(t->optimizer);
    nl_plan_free(t->plan);
    nl_free(t->host);
    nl_free(t->wide);
    t->optimizer = NULL;
    t->plan = NULL;
    t->host = NULL;
    t->wide = NULL;
}

/* 0 or 1 / (1 - rate), the same wherever the step runs. */
static nl_status put_mask(struct nl_trainer *t, int64_t step, int index)
{
    const double rate = t->session->run->settings.config.train.dropout_rate;
    const int64_t count = count_of(t, t->ends.mask);
    char name[64];
    struct nl_rng rng;
    if (count == 0) return NL_OK;
    snprintf(name, sizeof name, "dropout/%" PRId64 "/%d", step, index);
    nl_rng_seed(&rng, t->seed, name);
    for (int64_t i = 0; i < count; i++)
        t->host[i] = nl_rng_double(&rng) < rate ? 0 : (float)(1 / (1 - rate));
    return nl_put_floats(t->plan, t->ends.mask, t->host);
}

/* A value of the plan as doubles in t->wide. */
static nl_status get(struct nl_trainer *t, nl_value v)
{
    const int64_t count = count_of(t, v);
    if (nl_graph_tensor(nl_plan_graph(t->plan), v)->type == NL_F64)
        return nl_plan_read(t->plan, v, t->wide);
    NL_TRY(nl_plan_read(t->plan, v, t->host));
    for (int64_t i = 0; i < count; i++) t->wide[i] = t->host[i];
    return NL_OK;
}

static nl_status count_up(struct nl_trainer *t, const int64_t *labels, struct nl_tally *tally)
{
    NL_TRY(get(t, t->ends.loss));
    for (int64_t i = 0; i < t->geometry.batch; i++) tally->loss += t->wide[i];
    NL_TRY(get(t, t->ends.logits));
    for (int64_t i = 0; i < t->geometry.batch; i++)
        nl_tally_rank(tally, t->wide + i * t->classes, t->classes, labels[i]);
    return NL_OK;
}

nl_status nl_trainer_micro(struct nl_trainer *t, int64_t step, int index, const float *clips,
                           const int64_t *labels, struct nl_tally *tally)
{
    NL_TRY(nl_put_floats(t->plan, t->ends.clip, clips));
    NL_TRY(nl_plan_write(t->plan, t->ends.label, labels));
    NL_TRY(put_mask(t, step, index));
    NL_TRY(nl_plan_run(t->plan, NULL));
    return count_up(t, labels, tally);
}

nl_status nl_trainer_update(struct nl_trainer *t, double rate, double *norm)
{
    const struct nl_config *config = &t->session->run->settings.config;
    const struct nl_sgd sgd = {.rate = rate,
                               .momentum = config->train.momentum,
                               .decay = config->train.weight_decay,
                               .decay_bn = config->train.weight_decay_bn,
                               .decay_affine = config->train.weight_decay_affine,
                               .clip_norm = config->train.clip_norm,
                               .nesterov = config->train.nesterov};
    return nl_optimizer_step(t->optimizer, &sgd, norm);
}

nl_status nl_trainer_find_not_finite(struct nl_trainer *t, char *name, size_t size)
{
    const struct nl_graph *g = nl_plan_graph(t->plan);
    int node = NL_NONE;
    NL_TRY(nl_plan_find_not_finite(t->plan, &node));
    snprintf(name, size, "%s", node == NL_NONE ? "" : g->nodes[node].name);
    return NL_OK;
}
