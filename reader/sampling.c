#include "reader/sampling.h"

#include <math.h>

nl_status nl_view_spec_check(const struct nl_view_spec *spec)
{
    enum { MOST = 1 << 16 }; /* keeps products of two in 32 bits */
    NL_REQUIRE(spec->length > 0 && spec->length <= MOST && spec->rate > 0 && spec->rate <= MOST,
               NL_EUSAGE, "views: want 1 to %d frames at a rate of 1 to %d, got %d at %d", MOST,
               MOST, spec->length, spec->rate);
    NL_REQUIRE(spec->positions > 0 && spec->positions <= MOST && spec->crops > 0 &&
                   spec->crops <= NL_CROPS_MAX,
               NL_EUSAGE, "views: want 1 to %d positions x 1 to %d crops, got %d x %d", MOST,
               NL_CROPS_MAX, spec->positions, spec->crops);
    NL_REQUIRE(spec->crop > 0 && spec->crop <= spec->short_side && spec->short_side <= MOST,
               NL_EUSAGE, "views: a crop of %d pixels does not fit a short side of %d", spec->crop,
               spec->short_side);
    NL_REQUIRE(spec->std > 0, NL_EUSAGE, "views: want a standard deviation above 0, got %g",
               spec->std);
    return NL_OK;
}

int nl_view_crops(const struct nl_view_spec *spec)
{
    return spec->crops == 1 || spec->crops == 3 ? 6 : spec->crops;
}

int64_t nl_view_frame(const struct nl_view_spec *spec, int64_t n, int temporal, int k)
{
    const int64_t start = (int64_t)((double)n / (double)spec->positions * temporal) % n;
    return (start + (int64_t)k * spec->rate) % n;
}

/* Where crop `spatial` begins along the axis that they share, which has `room` pixels to spare. */
static int64_t offset(int crops, int64_t room, int spatial)
{
    if (crops == 1) return room / 2;
    if (crops == 3 || crops == 6) return room / 2 * (spatial % 3);
    return room * spatial / (crops - 1);
}

struct nl_window nl_view_window(const struct nl_view_spec *spec, int width, int height, int spatial)
{
    const double ratio = (double)spec->short_side / (height > width ? width : height);
    struct nl_window w = {.width = llrint(width * ratio), .height = llrint(height * ratio)};
    const int64_t across = w.width - spec->crop, down = w.height - spec->crop;
    const bool vertical = down / 2 > 0;
    w.left = vertical ? across / 2 : offset(spec->crops, across, spatial);
    w.top = vertical ? offset(spec->crops, down, spatial) : down / 2;
    w.mirrored = nl_view_crops(spec) == 6 && spatial >= 3;
    return w;
}
