/* views.h - a video decoded once and cut into all its views.
 *
 * n is the number of decoded frames: packets are counted first, the video is decoded on that count, and
 * once more only if the count was wrong. Only frames that a view needs are converted and resized. Views
 * that show the same pixels are made once and carry a weight.
 */
#ifndef NL_VIEWS_H
#define NL_VIEWS_H

#include "reader/resize.h"
#include "reader/sampling.h"
#include "reader/video.h"

struct nl_view_request {
    int temporal, spatial; /* 0 to positions - 1; 0 to 5 */
};

/* One view, its frames resized. Valid during the sink's call. */
struct nl_view {
    int temporal, spatial; /* of the first request that shows this */
    int weight;            /* how many requests do */
    const struct nl_view_spec *spec;
    const struct nl_image *const *frames; /* [spec->length], red, green, blue */
};

/* Takes one view. `view` NULL: the frame count was wrong, forget this video's views so far. What it returns
 * other than NL_OK ends the reading and is passed on. */
typedef nl_status nl_view_sink(void *user, const struct nl_view *view);

/* Writes the clip: floats [length, crop, crop, 3], mirrored for crops 3 to 5. */
nl_status nl_view_write(const struct nl_view *view, float *clip) NL_MUST_CHECK;

/* Decodes `path` and gives its views to `sink` in the order of the requests, each as soon as its frames are
 * there. `requests` NULL: all positions x crops, crops fastest. *info is filled once the call returns NL_OK.
 * NL_EIO with the path; NL_EUSAGE for a crop larger than the frame or a request out of range. */
nl_status nl_views_read(const char *path, const struct nl_view_spec *spec, const struct nl_view_request *requests,
                        int n_requests, nl_view_sink *sink, void *user, struct nl_video_info *info) NL_MUST_CHECK;

#endif
