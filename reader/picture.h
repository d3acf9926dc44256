/* picture.h - a decoded frame as 8-bit BGR, upright. */
#ifndef NL_PICTURE_H
#define NL_PICTURE_H

#include "reader/video.h"

#include <libavutil/frame.h>
#include <libswscale/swscale.h>

struct nl_picture { /* all zero is empty */
    struct SwsContext *scaler;
    AVFrame *bgr;
    uint8_t *turned;
    size_t turned_bytes;
};

/* How far to turn clockwise, 0, 90, 180 or 270 degrees, so that a frame is upright; other angles of
 * the matrix (NULL: none) count as 0. */
int nl_picture_turn(const int32_t *display_matrix);

/* `name` is for messages. *out is valid until the next call. NL_EIO for a pixel format that cannot
 * be converted, NL_ENOMEM. */
nl_status nl_picture_convert(struct nl_picture *p, const AVFrame *frame, int turn, const char *name,
                             struct nl_image *out) NL_MUST_CHECK;
void nl_picture_clear(struct nl_picture *p);

#endif
