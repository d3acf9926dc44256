/* video.h - a video file as a row of decoded frames, opened by path and read from the start.
 *
 * n, the number of frames, is the number that the decoder gives; packets only promise it. The same
 * file gives the same frames every time, damaged or not: one decoder thread, zeroed buffers. A
 * damaged file's decodable frames count and are numbered without gaps; what FFmpeg cannot decode is
 * left out. Rotation by 90, 180 or 270 degrees (display matrix) is applied. One thread per video.
 */
#ifndef NL_VIDEO_H
#define NL_VIDEO_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl_video_limits {
    int64_t max_pixels; /* of one frame; checked before it is allocated. 0: 64 million */
    int64_t max_bytes;  /* of all frames that the decoder holds at once. 0: 384 MiB */
    bool (*stop)(const void *user); /* NULL, or: reading ends with NL_EINTR once it says true */
    const void *stop_user;
};

struct nl_video_info {
    int width,
        height;     /* of the last frame decoded, after rotation; before the first: as promised */
    int64_t frames; /* decoded; before the end was seen: promised by the packets */
    double seconds; /* as the container says, or 0 */
    double fps;     /* as the container says, or 0 */
    char codec[32]; /* FFmpeg's names, e.g. "h264" */
    char container[64]; /* e.g. "mov,mp4,m4a,3gp,3g2,mj2" */
};

/* 8-bit pixels, three channels, rows `stride` bytes apart. */
struct nl_image {
    const uint8_t *data;
    size_t stride;
    int width, height;
};

struct nl_video;

/* Opens `path` (regular files of known containers only, nothing else is ever opened) and counts its
 * packets. `limits` NULL: the defaults. NL_EIO with one line that names the file: not there, no
 * video, no decoder for it; NL_ENOMEM; NL_EINTR. */
nl_status nl_video_open(const char *path, const struct nl_video_limits *limits,
                        struct nl_video **out) NL_MUST_CHECK;
void nl_video_close(struct nl_video *video); /* NULL is allowed */

/* Borrowed; changes as frames are decoded. */
const struct nl_video_info *nl_video_about(const struct nl_video *video);

/* The path as messages show it: control characters escaped. */
const char *nl_video_name(const struct nl_video *video);

/* Decodes the next frame; *got is false after the last one, when frames in nl_video_about is exact.
 * NL_EIO if no frame at all could be decoded or the file cannot be read; NL_ENOMEM; NL_EINTR. */
nl_status nl_video_next(struct nl_video *video, bool *got) NL_MUST_CHECK;

/* The current frame as BGR, rotated. The pixels are the video's, until its next call. This is how
 * OpenCV's VideoCapture converts (8-bit BGR, bicubic chroma, default matrix). NL_EIO, NL_ENOMEM. */
nl_status nl_video_image(struct nl_video *video, struct nl_image *bgr) NL_MUST_CHECK;

/* Back to before the first frame. */
nl_status nl_video_rewind(struct nl_video *video) NL_MUST_CHECK;

#endif
