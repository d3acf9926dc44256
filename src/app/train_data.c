#include "src/app/lists.h"
#include "src/app/train.h"
#include "src/app/viewspec.h"
#include "src/core/log.h"
#include "src/core/memory.h"

#include <string.h>

static const struct nl_sampling *sampling_of(const struct nl_train *train, bool valid)
{
    return valid ? &train->config->valid.sampling : &train->config->train.sampling;
}

static nl_status check_batches(const struct nl_config *config)
{
    const int batch = config->train.sampling.batch_size, parts = config->train.num_gpus;
    NL_REQUIRE(batch % parts == 0, NL_EUSAGE,
               "TRAIN.batch_size %d is no multiple of TRAIN.num_gpus %d (micro-batches on the CPU)",
               batch, parts);
    return NL_OK;
}

nl_status nl_train_lists(struct nl_train *train, bool valid)
{
    struct nl_inputs *inputs = &train->inputs[valid];
    const char *section = valid ? "VALID" : "TRAIN";
    const char *list = sampling_of(train, valid)->filelist;
    if (!valid) NL_TRY(check_batches(train->config));
    NL_REQUIRE(*list, NL_EUSAGE, "%s.filelist: not given", section);
    NL_TRY(nl_crop_check(section, sampling_of(train, valid)));
    NL_TRY(nl_inputs_add_list(inputs, list));
    NL_REQUIRE(inputs->list[0].index < 0 && inputs->list[0].columns == 2, NL_EUSAGE,
               "%s:%d: %d column%s; want PATH LABEL", list, inputs->list[0].line,
               inputs->list[0].columns, inputs->list[0].columns == 1 ? "" : "s");
    NL_TRY(nl_list_check_labels(inputs, list, train->config->model.num_classes));
    NL_TRY(nl_list_check_twice(inputs, list));
    NL_TRY(nl_calloc((size_t)inputs->count, sizeof **train->samples, &train->samples[valid]));
    for (int i = 0; i < inputs->count; i++)
        train->samples[valid][i] = (struct nl_sample){inputs->list[i].path, inputs->list[i].label};
    return NL_OK;
}

int nl_train_depth(const struct nl_sampling *sampling, int batch)
{
    return 2 + sampling->num_reader_threads / batch;
}

nl_status nl_train_loader(struct nl_train *train, bool valid, int64_t first_batch, int batch,
                          struct nl_loader **out)
{
    const struct nl_sampling *s = sampling_of(train, valid);
    const struct nl_config *config = train->config;
    const struct nl_loader_job job = {.samples = train->samples[valid],
                                      .count = train->inputs[valid].count,
                                      .spec = {.length = s->video_length,
                                               .rate = s->sample_rate,
                                               .crop = s->crop_size,
                                               .jitter = {s->jitter_scales[0], s->jitter_scales[1]},
                                               .flip = config->train.flip,
                                               .validation = valid,
                                               .mean = config->model.image_mean,
                                               .std = config->model.image_std},
                                      .seed = train->at.seed,
                                      .epoch = train->at.epoch,
                                      .shuffle = !valid && config->train.shuffle,
                                      .batch = batch,
                                      .first_batch = first_batch,
                                      .threads = s->num_reader_threads,
                                      .depth = nl_train_depth(s, batch),
                                      .drop_last = !valid,
                                      .max_bad = config->train.max_bad_videos};
    return nl_loader_open(&job, out);
}

void nl_train_report_bad(const struct nl_loader *loader)
{
    struct nl_loader_stats stats;
    nl_loader_stats(loader, &stats);
    for (int64_t i = 0; i < stats.n_bad; i++) nl_warn("replaced: %s", stats.bad[i].message);
}

void nl_train_lists_clear(struct nl_train *train)
{
    for (int i = 0; i < 2; i++) {
        nl_inputs_clear(&train->inputs[i]);
        nl_free(train->samples[i]);
        train->samples[i] = NULL;
    }
}
