#include "src/app/bench.h"

#include "reader/train_clip.h"
#include "src/app/progress.h"
#include "src/app/viewspec.h"
#include "src/core/memory.h"

enum { DRAWS = 8 }; /* clips that one figure of --train is the mean of: their starts differ */

/* What is timed: all views of a video, or training clips of it. */
struct data {
    const char *path;
    struct nl_view_spec views;
    struct nl_clip_reader *reader; /* NULL: views */
    float *clip;                   /* every one into the same: a consumer that keeps pace */
};

static nl_status cut(void *user, const struct nl_view *view)
{
    return view ? nl_view_write(view, user) : NL_OK;
}

/* The same draws every time. */
static nl_status read_clips(struct data *data)
{
    for (int i = 0; i < DRAWS; i++) {
        const struct nl_clip_key key = {.seed = 0, .epoch = 0, .sample = i};
        NL_TRY(nl_train_clip(data->reader, data->path, &key, data->clip));
    }
    return NL_OK;
}

static nl_status time_data(struct data *data, double *ms, int repeat)
{
    struct nl_video_info info;
    for (int i = -1; i < repeat; i++) { /* the first one warms up */
        const double start = nl_seconds();
        if (data->reader)
            NL_TRY(read_clips(data));
        else
            NL_TRY(nl_views_read(data->path, &data->views, NULL, 0, cut, data->clip, &info));
        if (i >= 0) ms[i] = (nl_seconds() - start) * 1e3 / (data->reader ? DRAWS : 1);
    }
    return NL_OK;
}

static struct nl_train_spec train_spec(const struct nl_config *config)
{
    const struct nl_sampling *sampling = &config->train.sampling;
    return (struct nl_train_spec){
        .length = sampling->video_length,
        .rate = sampling->sample_rate,
        .crop = sampling->crop_size,
        .jitter = {sampling->jitter_scales[0], sampling->jitter_scales[1]},
        .flip = config->train.flip,
        .mean = config->model.image_mean,
        .std = config->model.image_std};
}

static nl_status open_data(struct nl_run *run, struct data *data)
{
    const struct nl_train_spec spec = train_spec(&run->settings.config);
    size_t floats = nl_train_clip_floats(&spec);
    if (run->args.train) {
        NL_TRY(nl_clip_reader_new(&spec, NULL, &data->reader));
    } else {
        NL_TRY(nl_view_spec(run, &data->views));
        const size_t crop = (size_t)data->views.crop;
        floats = (size_t)data->views.length * crop * crop * 3;
    }
    return nl_calloc(floats, sizeof *data->clip, &data->clip);
}

nl_status nl_bench_data(struct nl_run *run)
{
    const int repeat = run->args.repeat ? (int)run->args.repeat : 5;
    struct data data = {.path = run->settings.config.infer.video_path};
    double *ms = NULL;
    NL_REQUIRE(*data.path, NL_EUSAGE, "--mode=data wants --video_path=FILE");
    NL_TRY(nl_settings_resolve(&run->settings));
    nl_status st = open_data(run, &data);
    if (st == NL_OK) st = nl_calloc((size_t)repeat, sizeof *ms, &ms);
    if (st == NL_OK) st = time_data(&data, ms, repeat);
    if (st == NL_OK) st = nl_bench_report(run, NULL, "reader", ms, repeat);
    nl_clip_reader_free(data.reader);
    nl_free(data.clip);
    nl_free(ms);
    return st;
}
