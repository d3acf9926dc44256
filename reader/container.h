/* container.h - the file behind a video: a container of a known kind, and its video packets.
 *
 * Everything is read through one descriptor that is opened here; the demuxer can open nothing else,
 * whatever the file says. FFmpeg's own log lines are not printed; the first error of a call, which
 * the later ones follow from, is kept to explain a failure. One thread per input.
 */
#ifndef NL_CONTAINER_H
#define NL_CONTAINER_H

#include "reader/index.h"
#include "reader/video.h"

#include <libavcodec/packet.h>
#include <libavformat/avformat.h>
#include <stdbool.h>
#include <stdint.h>

enum { NL_CONTAINER_NAME = 512 };

struct nl_container {
    char name[NL_CONTAINER_NAME];   /* the path for messages: control characters escaped */
    bool (*stop)(const void *user); /* NULL: never */
    const void *stop_user;
    int fd;
    int64_t size, at;
    int read_error; /* errno of a failed read; 0 */
    AVIOContext *io;
    AVFormatContext *format;
    AVStream *stream; /* the first that is a video and no cover picture; owned by format */
};

/* Opens `path` and its container; `limits` says when to stop. NL_EIO: missing, no regular file, not
 * a container of a known kind, broken, without video; NL_ENOMEM; NL_EINTR. Clear it in any case. */
nl_status nl_container_open(const char *path, const struct nl_video_limits *limits,
                            struct nl_container *in) NL_MUST_CHECK;
void nl_container_clear(struct nl_container *in);

/* Back to the first packet, by opening the container anew: seeking is not exact in every format. */
nl_status nl_container_rewind(struct nl_container *in) NL_MUST_CHECK;

/* The next packet of the stream that stands for a frame; *got is false at the end, which is also
 * where a damaged container cannot be followed further. The caller unrefs the packet.
 * NL_EIO if the system cannot read the file; NL_EINTR. */
nl_status nl_container_packet(struct nl_container *in, AVPacket *packet, bool *got) NL_MUST_CHECK;

/* Reads the packets from here to the end into an index. */
nl_status nl_container_index(struct nl_container *in, struct nl_index *index) NL_MUST_CHECK;

/* FFmpeg's first error line on this thread since nl_ffmpeg_forget, escaped; "" if none. */
const char *nl_ffmpeg_said(void);
void nl_ffmpeg_forget(void);

#endif
