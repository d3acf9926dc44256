/* stream.h - a list of videos decoded in the background, view by view, while the caller computes.
 *
 * One worker thread decodes the videos in order into a bounded number of clips that are reused.
 * Items come in the same order every time. A video that cannot be read is one item with its
 * status and message.
 */
#ifndef NL_STREAM_H
#define NL_STREAM_H

#include "reader/views.h"

struct nl_stream_job {
    const char *path;
    const struct nl_view_request *requests; /* NULL: all positions x crops */
    int n_requests;
};

typedef enum {
    NL_ITEM_VIEW,    /* a clip */
    NL_ITEM_RESTART, /* forget this video's views so far */
    NL_ITEM_END,     /* the video is done: status, message, info */
} nl_item_kind;

struct nl_stream_item {
    nl_item_kind kind;
    int job; /* which of the jobs */
    int temporal, spatial, weight;
    float *clip; /* [length, crop, crop, 3] of a view */
    nl_status status;
    char message[1024];
    struct nl_video_info info;
};

struct nl_stream;

/* `jobs` and `spec` are borrowed until the close. `depth` clips are kept at most (at least 1). */
nl_status nl_stream_open(const struct nl_stream_job *jobs, int n_jobs,
                         const struct nl_view_spec *spec, int depth,
                         struct nl_stream **out) NL_MUST_CHECK;

/* The next item, waiting for it; NULL after the last. It is the caller's until released. */
struct nl_stream_item *nl_stream_next(struct nl_stream *stream);
void nl_stream_release(struct nl_stream *stream, struct nl_stream_item *item);

/* Stops the worker wherever it is, and waits for it. NULL is allowed. */
void nl_stream_close(struct nl_stream *stream);

#endif
