#include "src/app/bench_data.h"

#include "src/app/progress.h"
#include "src/app/viewspec.h"
#include "src/core/memory.h"

/* Every view into the same clip: what a consumer that keeps pace would see. */
static nl_status cut(void *user, const struct nl_view *view)
{
    return view ? nl_view_write(view, user) : NL_OK;
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
    NL_REQUIRE(!run->args.train, NL_EUSAGE, "--train: training is not part of this release");
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
