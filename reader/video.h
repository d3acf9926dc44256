/* video.h - one video file, frame by frame, by FFmpeg's libraries and nothing else.
 *
 * Only the file that was named is opened: it is read through our own descriptor, the demuxer must be on
 * a list of containers, and whatever asks for another file or address is refused. One decoder thread.
 * Numbers from headers allocate nothing: sizes are checked against the limit first.
 */
#ifndef NL_VIDEO_H
#define NL_VIDEO_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stdint.h>

struct nl_video_info {
    int width, height; /* of the picture as shown, after rotation */
    int64_t frames;    /* decoded; packets before the first decoding has ended */
    double fps, seconds;
    char codec[32], container[32];
};

enum { NL_VIDEO_PIXELS_MAX = 64000000 }; /* default limit of a picture */

struct nl_video;

/* NL_EIO with the path and one reason: no regular file, no known container, no video stream, no decoder,
 * a picture beyond max_pixels. nl_video_close undoes it. */
nl_status nl_video_open(const char *path, int64_t max_pixels, struct nl_video **out) NL_MUST_CHECK;
void nl_video_close(struct nl_video *video);

const struct nl_video_info *nl_video_about(const struct nl_video *video);

/* Number of video packets that make frames, found without decoding. Rewinds. */
nl_status nl_video_count_packets(struct nl_video *video, int64_t *count) NL_MUST_CHECK;

/* Back to the first frame. */
nl_status nl_video_rewind(struct nl_video *video) NL_MUST_CHECK;

/* Decodes the next frame; *end is true past the last one. Damaged packets are passed over, the same ones
 * every time. */
nl_status nl_video_next(struct nl_video *video, bool *end) NL_MUST_CHECK;

/* The frame that nl_video_next decoded, as rows of blue, green, red bytes, upright; valid until the next
 * call. Converted as OpenCV does: swscale, bicubic, default matrix. */
nl_status nl_video_picture(struct nl_video *video, const uint8_t **pixels, int64_t *stride, int64_t *height,
                           int64_t *width) NL_MUST_CHECK;

#endif
