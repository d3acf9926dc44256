/* source.h - the bytes of one regular file as FFmpeg reads them. Nothing else can be opened. */
#ifndef NL_SOURCE_H
#define NL_SOURCE_H

#include "src/core/status.h"

#include <libavformat/avformat.h>

struct nl_source {
    int fd;
    size_t size;
    AVIOContext *io;
};

nl_status nl_source_open(const char *path, struct nl_source *source) NL_MUST_CHECK;
void nl_source_close(struct nl_source *source);

/* Opens the container behind `source`: whitelisted demuxers only, every further file or address refused.
 * The codec contexts that probing makes obey `max_pixels`. */
nl_status nl_source_demux(struct nl_source *source, int64_t max_pixels, AVFormatContext **out) NL_MUST_CHECK;

/* FFmpeg's words for an error code, on this thread until the next call. */
const char *nl_av_error(int code);

#endif
