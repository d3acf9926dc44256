#include "reader/sampling.h"

#include <math.h>

int64_t nl_view_start(const struct nl_view_spec *spec, int64_t frames, int temporal)
{
    return (int64_t)((double)frames / spec->positions * temporal) % frames;
}

int64_t nl_view_frame(const struct nl_view_spec *spec, int64_t frames, int64_t start, int k)
{
    return (start + (int64_t)k * spec->rate) % frames;
}

void nl_view_size(const struct nl_view_spec *spec, int64_t height, int64_t width, int64_t *out_height,
                  int64_t *out_width)
{
    const double ratio = (double)spec->short_side / (double)(height > width ? width : height);
    *out_height = (int64_t)nearbyint((double)height * ratio);
    *out_width = (int64_t)nearbyint((double)width * ratio);
}

nl_status nl_view_crop(const struct nl_view_spec *spec, int64_t height, int64_t width, int spatial,
                       int64_t *top, int64_t *left)
{
    NL_REQUIRE(height >= spec->crop && width >= spec->crop, NL_EUSAGE,
               "a crop of %d pixels is larger than the resized frame, %lldx%lld", spec->crop, (long long)width,
               (long long)height);
    *top = (height - spec->crop) / 2;
    *left = (width - spec->crop) / 2;
    if (spec->crops == 1) return NL_OK;
    if (*top > 0)
        *top *= spatial % 3;
    else
        *left *= spatial % 3;
    return NL_OK;
}
