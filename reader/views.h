/* views.h - a video decoded once and cut into all its views, given out as soon as their frames are
 * there.
 *
 * Only frames that a view needs are converted and resized, each once, and kept only while a view
 * needs them. Views that show the same pixels are given once and carry a weight.
 *
 * The number of frames is first taken from the packets. Where decoding ends elsewhere (damaged
 * files), the video is decoded once more on the number found. The last position is given only after
 * the end was seen, so that a request of one position is never taken back.
 */
#ifndef NL_VIEWS_H
#define NL_VIEWS_H

#include "reader/sampling.h"
#include "reader/video.h"

/* One view. Valid during the sink's call. */
struct nl_view {
    int temporal, spatial;        /* of the first request that shows this */
    int weight;                   /* how many requests do */
    const struct nl_views *video; /* where its frames are */
};

/* Takes one view. `view` NULL: the frame count was wrong, forget this video's views so far. What it
 * returns other than NL_OK ends the reading and is passed on. */
typedef nl_status nl_view_sink(void *user, const struct nl_view *view);

/* Writes the clip: floats [length, crop, crop, 3], RGB, (x - mean) / std. */
nl_status nl_view_write(const struct nl_view *view, float *clip) NL_MUST_CHECK;

/* Decodes `path` and gives its views to `sink`, positions in ascending order, crops within.
 * `requests` (any order, repetitions counting) NULL: all positions x crops. *info is filled if the
 * video was opened, and exact on NL_OK. NL_EUSAGE for a spec or a request out of range, else as
 * nl_video_open and nl_video_next. */
nl_status nl_views_read(const char *path, const struct nl_view_spec *spec,
                        const struct nl_view_request *requests, int n_requests, nl_view_sink *sink,
                        void *user, struct nl_video_info *info) NL_MUST_CHECK;

/* The same with limits of one's own. */
nl_status nl_views_read_within(const struct nl_video_limits *limits, const char *path,
                               const struct nl_view_spec *spec,
                               const struct nl_view_request *requests, int n_requests,
                               nl_view_sink *sink, void *user,
                               struct nl_video_info *info) NL_MUST_CHECK;

#endif
