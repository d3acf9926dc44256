#include "src/app/viewspec.h"

#include <stdio.h>

/* 1: three crops a position, 2: mirrored too, else one (original_program.md 1.1). */
static int crops_of(int use_multi_crop)
{
    return use_multi_crop == 1 ? 3 : use_multi_crop == 2 ? 6 : 1;
}

static nl_status read_views(const char *text, struct nl_view_spec *spec)
{
    char end;
    NL_REQUIRE(sscanf(text, "%dx%d%c", &spec->positions, &spec->crops, &end) == 2 &&
                   spec->positions >= 1 && spec->positions <= 10000 &&
                   (spec->crops == 1 || spec->crops == 3 || spec->crops == 6),
               NL_EUSAGE, "--views: want TxS with T from 1 to 10000 and S 1, 3 or 6, got \"%.32s\"",
               text);
    return NL_OK;
}

nl_status nl_crop_check(const char *section, const struct nl_sampling *sampling)
{
    NL_REQUIRE(sampling->crop_size <= sampling->jitter_scales[0], NL_EUSAGE,
               "%s.crop_size %d is larger than the short side, %d (%s.jitter_scales)", section,
               sampling->crop_size, sampling->jitter_scales[0], section);
    return NL_OK;
}

/* What PREDICT and EVAL differ in. */
struct section {
    const char *name;
    const struct nl_sampling *sampling;
    int num_test_clips, use_multi_crop;
};

static nl_status make_spec(const struct nl_run *run, const struct section *section,
                           struct nl_view_spec *spec)
{
    const struct nl_config *config = &run->settings.config;
    const struct nl_sampling *sampling = section->sampling;
    const int crops = crops_of(section->use_multi_crop);
    *spec = (struct nl_view_spec){.length = sampling->video_length,
                                  .rate = sampling->sample_rate,
                                  .positions = section->num_test_clips / crops,
                                  .crops = crops,
                                  .short_side = sampling->jitter_scales[0],
                                  .crop = sampling->crop_size,
                                  .mean = config->model.image_mean,
                                  .std = config->model.image_std};
    if (run->args.views) NL_TRY(read_views(run->args.views, spec));
    NL_REQUIRE(run->args.views || section->num_test_clips % crops == 0, NL_EUSAGE,
               "%s.num_test_clips %d is no multiple of %d crops (use_multi_crop %d)", section->name,
               section->num_test_clips, crops, section->use_multi_crop);
    NL_REQUIRE(sampling->jitter_scales[0] == sampling->jitter_scales[1], NL_EUSAGE,
               "%s.jitter_scales: views have one scale, want both the same, got %d and %d",
               section->name, sampling->jitter_scales[0], sampling->jitter_scales[1]);
    return nl_crop_check(section->name, sampling);
}

nl_status nl_view_spec(const struct nl_run *run, struct nl_view_spec *spec)
{
    const struct nl_config *config = &run->settings.config;
    const struct section section = {"INFER", &config->infer.sampling, config->infer.num_test_clips,
                                    config->infer.use_multi_crop};
    return make_spec(run, &section, spec);
}

nl_status nl_view_spec_test(const struct nl_run *run, struct nl_view_spec *spec)
{
    const struct nl_config *config = &run->settings.config;
    const struct section section = {"TEST", &config->test.sampling, config->test.num_test_clips,
                                    config->test.use_multi_crop};
    return make_spec(run, &section, spec);
}
