#include "src/app/signals.h"
#include "src/app/train.h"
#include "src/core/memory.h"

#include <stdio.h>
#include <string.h>

/* A forward pass of the training network that keeps nothing but batch statistics. */
struct gatherer {
    struct nl_plan *plan;
    struct nl_model_ends ends;
    struct nl_optimizer *optimizer;
};

/* Statistics of one BN over the batches so far. Those that are frozen repeat themselves, to the
 * bit. */
struct pooled {
    int mean, variance; /* parameters */
    int64_t channels;
    double *means, *variances, *between; /* mean of means, of variances; sum of squares of means */
};

struct pool {
    struct nl_params *params;
    struct pooled *list;
    int count;
    double *now[2]; /* mean and variance of the batch at hand */
};

static nl_status training_graph(struct nl_train *train, const struct nl_geometry *geometry,
                                struct nl_graph **g, struct nl_model_ends *ends)
{
    const struct nl_training training = {.on = true,
                                         .only_statistics = true,
                                         .frozen_bn = train->config->train.bn == NL_BN_FROZEN,
                                         .share = 1,
                                         .trains = nl_model_trains(train->config->train.trainable)};
    NL_REQUIRE(train->session.model.type == NL_F32, NL_ENOSUP, "precise BN runs in f32");
    return nl_model_train_graph(&train->session.model, geometry, &training, g, ends);
}

nl_status nl_precise_bn_measure(struct nl_train *train, const struct nl_geometry *geometry,
                                size_t *bytes)
{
    struct nl_plan_cost cost = {.arena = 0};
    struct nl_model_ends ends;
    struct nl_graph *g = NULL;
    NL_TRY(training_graph(train, geometry, &g, &ends));
    const nl_status st = nl_plan_measure(g, &train->session.be, &ends.loss, 1, &cost);
    nl_graph_free(g);
    *bytes = cost.arena + cost.workspace + cost.constants;
    return st;
}

static nl_status open_gatherer(struct gatherer *gatherer, struct nl_train *train,
                               const struct nl_geometry *geometry)
{
    struct nl_session *session = &train->session;
    struct nl_graph *g = NULL;
    NL_TRY(nl_params_train(&session->model.params));
    NL_TRY(training_graph(train, geometry, &g, &gatherer->ends));
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

/* Appends the BN whose running mean is parameter `mean`, if it is one. */
static nl_status add_pooled(struct pool *pool, int mean, int64_t *most)
{
    const struct nl_param *param = &pool->params->list[mean];
    const char *end = strrchr(param->name, '_');
    char name[256];
    if (param->role != NL_ROLE_STATISTIC || !end || strcmp(end, "_mean") != 0) return NL_OK;
    struct pooled *p = &pool->list[pool->count++];
    snprintf(name, sizeof name, "%.*s_variance", (int)(end - param->name), param->name);
    *p = (struct pooled){.mean = mean,
                         .variance = nl_params_find(pool->params, name),
                         .channels = nl_tensor_count(&param->tensor)};
    if (p->channels > *most) *most = p->channels;
    NL_TRY(nl_calloc(3 * (size_t)p->channels, sizeof *p->means, &p->means));
    p->variances = p->means + p->channels;
    p->between = p->variances + p->channels;
    return NL_OK;
}

static nl_status open_pool(struct pool *pool, struct nl_params *params)
{
    int64_t most = 0;
    pool->params = params;
    NL_TRY(nl_calloc((size_t)params->count, sizeof *pool->list, &pool->list));
    for (int i = 0; i < params->count; i++) NL_TRY(add_pooled(pool, i, &most));
    for (int i = 0; i < 2; i++)
        NL_TRY(nl_calloc((size_t)most + 1, sizeof *pool->now[i], &pool->now[i]));
    return NL_OK;
}

static void close_pool(struct pool *pool)
{
    for (int i = 0; i < pool->count; i++) nl_free(pool->list[i].means);
    nl_free(pool->list);
    nl_free(pool->now[0]);
    nl_free(pool->now[1]);
}

/* Takes in the n-th batch, from 1, by updates that stay exact where means are large (Welford 1962;
 * Chan et al. 1979, with batches of one size). */
static nl_status pool_batch(struct pool *pool, int64_t n)
{
    for (int i = 0; i < pool->count; i++) {
        struct pooled *p = &pool->list[i];
        NL_TRY(nl_params_get_f64(pool->params, p->mean, pool->now[0]));
        NL_TRY(nl_params_get_f64(pool->params, p->variance, pool->now[1]));
        for (int64_t c = 0; c < p->channels; c++) {
            const double off = pool->now[0][c] - p->means[c];
            p->means[c] += off / (double)n;
            p->between[c] += off * (pool->now[0][c] - p->means[c]);
            p->variances[c] += (pool->now[1][c] - p->variances[c]) / (double)n;
        }
    }
    return NL_OK;
}

static nl_status put_pooled(struct pool *pool, int64_t batches)
{
    for (int i = 0; i < pool->count; i++) {
        const struct pooled *p = &pool->list[i];
        for (int64_t c = 0; c < p->channels; c++)
            p->variances[c] += p->between[c] / (double)batches;
        NL_TRY(nl_params_set_f64(pool->params, p->mean, p->means));
        NL_TRY(nl_params_set_f64(pool->params, p->variance, p->variances));
    }
    return NL_OK;
}

static nl_status run_batch(struct gatherer *gatherer, const struct nl_batch *batch)
{
    NL_TRY(nl_plan_write(gatherer->plan, gatherer->ends.clip, batch->clips));
    NL_TRY(nl_plan_write(gatherer->plan, gatherer->ends.label, batch->labels));
    NL_TRY(nl_plan_run(gatherer->plan, NULL));
    return nl_optimizer_set_statistics(gatherer->optimizer);
}

static nl_status gather(struct gatherer *gatherer, struct nl_loader *loader, struct pool *pool,
                        int64_t batches)
{
    struct nl_batch *batch = NULL;
    for (int64_t i = 0; i < batches; i++) {
        if (nl_interrupted()) return NL_EINTR;
        NL_TRY(nl_loader_next(loader, &batch));
        NL_REQUIRE(batch, NL_EIO, "the training data ended at batch %lld of %lld", (long long)i,
                   (long long)batches);
        const nl_status st = run_batch(gatherer, batch);
        nl_loader_release(loader, batch);
        NL_TRY(st);
        NL_TRY(pool_batch(pool, i + 1));
    }
    return put_pooled(pool, batches);
}

nl_status nl_precise_bn(struct nl_train *train, int64_t batches)
{
    const struct nl_sampling *s = &train->config->train.sampling;
    const int micro = s->batch_size / train->config->train.num_gpus;
    const int64_t there = train->inputs[0].count / micro;
    const struct nl_geometry geometry = {micro, s->video_length, s->crop_size, s->crop_size};
    struct gatherer gatherer = {.plan = NULL};
    struct pool pool = {.list = NULL};
    struct nl_loader *loader = NULL;
    if (batches > there) batches = there;
    NL_REQUIRE(batches > 0, NL_EUSAGE, "%s: fewer videos than one micro-batch of %d", s->filelist,
               micro);
    nl_status st = open_gatherer(&gatherer, train, &geometry);
    if (st == NL_OK) st = put_ones(&gatherer);
    if (st == NL_OK) st = open_pool(&pool, &train->session.model.params);
    if (st == NL_OK) st = nl_train_loader(train, false, 0, micro, &loader);
    if (st == NL_OK) st = gather(&gatherer, loader, &pool, batches);
    nl_loader_close(loader);
    close_pool(&pool);
    nl_optimizer_free(gatherer.optimizer);
    nl_plan_free(gatherer.plan);
    return st;
}
