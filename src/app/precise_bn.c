#include "src/app/signals.h"
#include "src/app/train.h"
#include "src/core/memory.h"

/* A forward pass of the training network that keeps nothing but batch statistics. */
struct gatherer {
    struct nl_plan *plan;
    struct nl_model_ends ends;
    struct nl_optimizer *optimizer;
};

static nl_status open_gatherer(struct gatherer *gatherer, struct nl_train *train,
                               const struct nl_geometry *geometry, double share)
{
    const struct nl_training training = {.on = true,
                                         .only_statistics = true,
                                         .frozen_bn = train->config->train.bn == NL_BN_FROZEN,
                                         .share = share,
                                         .trains = nl_model_trains(train->config->train.trainable)};
    struct nl_session *session = &train->session;
    struct nl_graph *g = NULL;
    NL_TRY(nl_params_train(&session->model.params));
    NL_TRY(nl_model_train_graph(&session->model, geometry, &training, &g, &gatherer->ends));
    nl_status st = nl_plan_new(g, &session->be, &gatherer->ends.loss, 1, &gatherer->plan);
    if (st == NL_OK) st = nl_optimizer_new(g, &session->be, true, &gatherer->optimizer);
    nl_graph_free(g);
    return st;
}

/* Dropout comes after the last BN, so its mask matters to nothing here. */
static nl_status put_ones(struct gatherer *gatherer)
{
    const nl_value mask = gatherer->ends.mask;
    if (mask == NL_NONE) return NL_OK;
    const int64_t count = nl_tensor_count(nl_graph_tensor(nl_plan_graph(gatherer->plan), mask));
    float *ones = NULL;
    NL_TRY(nl_calloc((size_t)count, sizeof *ones, &ones));
    for (int64_t i = 0; i < count; i++) ones[i] = 1;
    const nl_status st = nl_plan_write(gatherer->plan, mask, ones);
    nl_free(ones);
    return st;
}

static nl_status gather(struct gatherer *gatherer, struct nl_loader *loader, int64_t batches)
{
    struct nl_batch *batch = NULL;
    for (int64_t i = 0; i < batches; i++) {
        if (nl_interrupted()) return NL_EINTR;
        NL_TRY(nl_loader_next(loader, &batch));
        NL_REQUIRE(batch, NL_EIO, "the training data ended at batch %lld of %lld", (long long)i,
                   (long long)batches);
        nl_status st = nl_plan_write(gatherer->plan, gatherer->ends.clip, batch->clips);
        if (st == NL_OK) st = nl_plan_write(gatherer->plan, gatherer->ends.label, batch->labels);
        nl_loader_release(loader, batch);
        if (st == NL_OK) st = nl_plan_run(gatherer->plan, NULL);
        NL_TRY(st);
    }
    return NL_OK;
}

nl_status nl_precise_bn(struct nl_train *train, int64_t batches)
{
    const struct nl_sampling *s = &train->config->train.sampling;
    const int micro = s->batch_size / train->config->train.num_gpus;
    const int64_t there = train->inputs[0].count / micro;
    const struct nl_geometry geometry = {micro, s->video_length, s->crop_size, s->crop_size};
    struct gatherer gatherer = {.plan = NULL};
    struct nl_loader *loader = NULL;
    if (batches > there) batches = there;
    NL_REQUIRE(batches > 0, NL_EUSAGE, "%s: fewer videos than one micro-batch of %d", s->filelist,
               micro);
    NL_REQUIRE(train->session.model.type == NL_F32, NL_ENOSUP, "precise BN runs in f32");
    nl_status st = open_gatherer(&gatherer, train, &geometry, 1.0 / (double)batches);
    if (st == NL_OK) st = put_ones(&gatherer);
    if (st == NL_OK) st = nl_train_loader(train, false, 0, micro, &loader);
    if (st == NL_OK) st = gather(&gatherer, loader, batches);
    if (st == NL_OK) st = nl_optimizer_set_statistics(gatherer.optimizer);
    nl_loader_close(loader);
    nl_optimizer_free(gatherer.optimizer);
    nl_plan_free(gatherer.plan);
    return st;
}
