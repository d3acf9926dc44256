#include "src/app/bench_data.h"

#include "reader/train_clip.h"
#include "src/app/progress.h"
#include "src/app/viewspec.h"
#include "src/core/memory.h"

/* Every view into the same clip: what a consumer that keeps pace would see. */
static nl_status cut(void *user, const struct nl_view *view)
{
    return view ? nl_view_write(view, user) : NL_OK;
}

/* One training clip, of another place each time. */
static nl_status bench_clip(struct nl_run *run, const char *path, int repeat)
{
    const struct nl_config *config = &run->settings.config;
    const struct nl_sampling *s = &config->train.sampling;
    const struct nl_clip_spec spec = {.length = s->video_length,
                                      .rate = s->sample_rate,
                                      .crop = s->crop_size,
                                      .jitter = {s->jitter_scales[0], s->jitter_scales[1]},
                                      .flip = true,
                                      .mean = config->model.image_mean,
                                      .std = config->model.image_std};
    double *ms = NULL, sum = 0;
    float *clip = NULL;
    NL_TRY(nl_settings_resolve(&run->settings));
    nl_status st = nl_calloc((size_t)spec.length * (size_t)spec.crop * (size_t)spec.crop * 3,
                             sizeof *clip, &clip);
    if (st == NL_OK) st = nl_calloc((size_t)repeat, sizeof *ms, &ms);
    for (int i = -1; st == NL_OK && i < repeat; i++) {
        const struct nl_clip_draw draw = nl_clip_draw(1, 0, i + 1);
        const double start = nl_seconds();
        st = nl_clip_read(path, NULL, &spec, &draw, clip);
        if (i >= 0) sum += ms[i] = (nl_seconds() - start) * 1e3;
    }
    /* Starts differ, so the least time is luck: what counts is the mean. */
    for (int i = 0; st == NL_OK && i < repeat; i++) ms[i] = sum / repeat;
    if (st == NL_OK) nl_bench_report(ms, repeat, "reader");
    nl_free(clip);
    nl_free(ms);
    return st;
}

nl_status nl_bench_data(struct nl_run *run)
{
    const int repeat = run->args.repeat ? (int)run->args.repeat : 5;
    const char *path = run->settings.config.infer.video_path;
    struct nl_view_spec spec;
    struct nl_video_info info;
    float *clip = NULL;
    double *ms = NULL;
    NL_REQUIRE(*path, NL_EUSAGE, "--mode=data wants --video_path=FILE");
    if (run->args.train) return bench_clip(run, path, repeat);
    NL_TRY(nl_settings_resolve(&run->settings));
    NL_TRY(nl_view_spec(run, &spec));
    nl_status st = nl_calloc((size_t)spec.length * (size_t)spec.crop * (size_t)spec.crop * 3,
                             sizeof *clip, &clip);
    if (st == NL_OK) st = nl_calloc((size_t)repeat, sizeof *ms, &ms);
    for (int i = -1; st == NL_OK && i < repeat; i++) { /* the first one warms up */
        const double start = nl_seconds();
        st = nl_views_read(path, &spec, NULL, 0, cut, clip, &info);
        if (i >= 0) ms[i] = (nl_seconds() - start) * 1e3;
    }
    if (st == NL_OK) nl_bench_report(ms, repeat, "reader");
    nl_free(clip);
    nl_free(ms);
    return st;
}
