#include "src/app/command.h"
#include "src/app/inputs.h"
#include "src/app/outputs.h"
#include "src/app/viewspec.h"
#include "src/core/memory.h"
#include "src/tensor/npy.h"

/* The one view, in our layout. */
static nl_status keep(void *user, const struct nl_view *view)
{
    return view ? nl_view_write(view, user) : NL_OK;
}

static nl_status write_clip(const char *path, const struct nl_view_spec *spec, const float *clip)
{
    const int64_t dim[4] = {3, spec->length, spec->crop, spec->crop},
                  pixels = dim[1] * dim[2] * dim[3];
    float *out = NULL;
    NL_TRY(nl_calloc((size_t)(3 * pixels), sizeof *out, &out));
    for (int64_t p = 0; p < pixels; p++)
        for (int64_t c = 0; c < 3; c++) out[c * pixels + p] = clip[3 * p + c];
    const nl_status st = nl_npy_write(path, NL_F32, 4, dim, out);
    nl_free(out);
    return st;
}

nl_status nl_cmd_clip(struct nl_run *run)
{
    const struct nl_view_request request = {(int)run->args.temporal, (int)run->args.spatial};
    const char *path = run->settings.config.infer.video_path;
    struct nl_view_spec spec;
    struct nl_video_info info;
    float *clip = NULL;
    NL_REQUIRE(*path && run->args.output && run->args.temporal >= 0, NL_EUSAGE,
               "want --video_path=FILE --temporal=I --spatial=J --output=CLIP.npy");
    NL_TRY(nl_is_no_input("--output", run->args.output, path));
    NL_TRY(nl_settings_resolve(&run->settings));
    NL_TRY(nl_view_spec(run, &spec));
    NL_TRY(nl_calloc((size_t)spec.length * (size_t)spec.crop * (size_t)spec.crop * 3, sizeof *clip,
                     &clip));
    nl_status st = nl_views_read(path, &spec, &request, 1, keep, clip, &info);
    if (st == NL_OK) st = write_clip(run->args.output, &spec, clip);
    nl_free(clip);
    return st;
}
