/* What training will need in memory, told before it starts. */
#include "src/app/room.h"
#include "src/app/train.h"
#include "src/core/log.h"

#include <inttypes.h>

/* Bytes of the clips that a loader holds. */
static double clips_of(const struct nl_sampling *s, int64_t batch)
{
    const double frame = (double)s->crop_size * s->crop_size * 3 * sizeof(float);
    return frame * s->video_length * (double)batch * nl_train_depth(s, (int)batch);
}

struct forecast {
    struct nl_train_cost step;
    double between, total; /* between: what comes between epochs beyond a step, if that is more */
};

/* A step and what comes between epochs have loaders of their own, one after the other; the step's
 * plan stays. */
static nl_status predict(struct nl_train *train, const struct nl_geometry *g, struct forecast *f)
{
    const struct nl_config *config = train->config;
    const double reading = clips_of(&config->train.sampling, g->batch);
    size_t bytes;
    NL_TRY(nl_trainer_measure(&train->session, g, &f->step));
    f->between = 0;
    if (config->train.precise_bn) {
        NL_TRY(nl_precise_bn_measure(train, g, &bytes));
        f->between = (double)bytes;
    }
    if (train->run->args.valid_interval > 0) {
        const int batch = nl_valid_batch(config, config->train.sampling.batch_size / (int)g->batch);
        NL_TRY(nl_validate_measure(train, batch, &bytes));
        const double more = (double)bytes + clips_of(&config->valid.sampling, batch) - reading;
        if (more > f->between) f->between = more;
    }
    f->total = (double)f->step.total + reading + f->between;
    return NL_OK;
}

/* The largest half, quarter, ... of the micro-batch that fits; 0: none. */
static int64_t fitting(struct nl_train *train, struct nl_geometry g, double room)
{
    struct forecast f;
    for (g.batch /= 2; g.batch > 0; g.batch /= 2)
        if (predict(train, &g, &f) == NL_OK && f.total <= room) return g.batch;
    return 0;
}

nl_status nl_train_memory(struct nl_train *train, const struct nl_geometry *g)
{
    const double mib = 1024.0 * 1024,
                 room = nl_room(train->session.be.threads,
                                train->config->train.sampling.num_reader_threads);
    struct forecast f;
    NL_TRY(predict(train, g, &f));
    nl_note("memory: %.0f MiB (activations %.0f, workspace %.0f, parameters with gradients and "
            "momenta %.0f, validation %.0f) of %.0f MiB available",
            f.total / mib, (double)f.step.activations / mib, (double)f.step.workspace / mib,
            (double)f.step.parameters / mib, f.between / mib, room / mib);
    if (room == 0 || f.total <= room) return NL_OK;
    const int64_t fits = fitting(train, *g, room);
    if (!fits)
        return nl_fail(NL_EUSAGE,
                       "training needs %.0f MiB, %.0f are there, and one clip at a time "
                       "does not fit either",
                       f.total / mib, room / mib);
    return nl_fail(NL_EUSAGE,
                   "training needs %.0f MiB, %.0f are there; micro-batches of %" PRId64
                   " fit: --set TRAIN.num_gpus=%" PRId64,
                   f.total / mib, room / mib, fits,
                   train->config->train.sampling.batch_size / fits);
}
