#include "src/app/signals.h"
#include "src/app/train.h"
#include "src/core/memory.h"

#include <inttypes.h>
#include <math.h>

static nl_status check_finite(const struct nl_train *train, const double *probability,
                              int64_t classes, int64_t sample)
{
    for (int64_t c = 0; c < classes; c++)
        NL_REQUIRE(isfinite(probability[c]), NL_EIO,
                   "validation after step %" PRId64 " (epoch %" PRId64
                   "): the scores of %s are not finite; the best checkpoint is left as it was",
                   train->at.step, train->at.epoch, train->samples[1][sample].path);
    return NL_OK;
}

/* One batch; a partial one runs with what is left over from before behind it. */
static nl_status one_batch(const struct nl_train *train, struct nl_engine *engine,
                           const struct nl_batch *batch, double *probability,
                           struct nl_tally *tally)
{
    const int64_t classes = train->config->model.num_classes;
    NL_TRY(nl_engine_predict(engine, batch->clips, probability));
    for (int i = 0; i < batch->count; i++) {
        const double *p = probability + i * classes;
        NL_TRY(check_finite(train, p, classes, batch->samples[i]));
        tally->loss -= log(fmax(p[batch->labels[i]], 1e-38));
        nl_tally_rank(tally, p, classes, batch->labels[i]);
    }
    return NL_OK;
}

static nl_status all_batches(struct nl_train *train, struct nl_engine *engine,
                             struct nl_loader *loader, struct nl_tally *tally)
{
    const int64_t classes = train->config->model.num_classes;
    double *probability = NULL;
    struct nl_batch *batch = NULL;
    NL_TRY(
        nl_calloc((size_t)(engine->geometry.batch * classes), sizeof *probability, &probability));
    nl_status st = nl_loader_next(loader, &batch);
    while (st == NL_OK && batch && !nl_interrupted()) {
        st = one_batch(train, engine, batch, probability, tally);
        nl_loader_release(loader, batch);
        if (st == NL_OK) st = nl_loader_next(loader, &batch);
    }
    nl_free(probability);
    return st == NL_OK && nl_interrupted() ? NL_EINTR : st;
}

int nl_valid_batch(const struct nl_config *config, int parts)
{
    const int share = config->valid.sampling.batch_size / parts;
    return share > 0 ? share : 1;
}

static struct nl_geometry geometry_of(const struct nl_config *config, int batch)
{
    const struct nl_sampling *s = &config->valid.sampling;
    return (struct nl_geometry){batch, s->video_length, s->crop_size, s->crop_size};
}

nl_status nl_validate_measure(struct nl_train *train, int batch, size_t *bytes)
{
    const struct nl_geometry geometry = geometry_of(train->config, batch);
    return nl_engine_measure(&train->session, &geometry, NULL, bytes);
}

nl_status nl_validate(struct nl_train *train, struct nl_tally *tally)
{
    const int batch = nl_valid_batch(train->config, train->config->train.num_gpus);
    const struct nl_geometry geometry = geometry_of(train->config, batch);
    struct nl_engine engine = {.plan = NULL};
    struct nl_loader *loader = NULL;
    *tally = (struct nl_tally){.loss = 0};
    nl_status st = nl_engine_open(&engine, &train->session, &geometry, NULL);
    if (st == NL_OK) st = nl_train_loader(train, true, 0, batch, &loader);
    if (st == NL_OK) st = all_batches(train, &engine, loader, tally);
    if (loader) nl_train_report_bad(loader);
    nl_loader_close(loader);
    nl_engine_close(&engine);
    return st;
}
