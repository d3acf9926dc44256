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

nl_status nl_view_spec(const struct nl_run *run, struct nl_view_spec *spec)
{
    const struct nl_config *config = &run->settings.config;
    const struct nl_sampling *sampling = &config->infer.sampling;
    const int crops = crops_of(config->infer.use_multi_crop);
    *spec = (struct nl_view_spec){.length = sampling->video_length,
                                  .rate = sampling->sample_rate,
                                  .positions = config->infer.num_test_clips / crops,
                                  .crops = crops,
                                  .short_side = sampling->jitter_scales[0],
                                  .crop = sampling->crop_size,
                                  .mean = config->model.image_mean,
                                  .std = config->model.image_std};
    if (run->args.views) NL_TRY(read_views(run->args.views, spec));
    NL_REQUIRE(spec->positions >= 1, NL_EUSAGE,
               "INFER.num_test_clips %d is less than one position of %d crops",
               config->infer.num_test_clips, crops);
    NL_REQUIRE(sampling->jitter_scales[0] == sampling->jitter_scales[1], NL_EUSAGE,
               "INFER.jitter_scales: prediction has one scale, want both the same, got %d and %d",
               sampling->jitter_scales[0], sampling->jitter_scales[1]);
    NL_REQUIRE(spec->short_side >= spec->crop, NL_EUSAGE,
               "INFER.crop_size %d is larger than the short side, %d (INFER.jitter_scales)",
               spec->crop, spec->short_side);
    return NL_OK;
}
