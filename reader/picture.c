#include "reader/picture.h"

#include "src/core/memory.h"

#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <string.h>

int nl_picture_turn(const int32_t *display_matrix)
{
    if (!display_matrix) return 0;
    const double counterclockwise = av_display_rotation_get(display_matrix);
    if (!isfinite(counterclockwise)) return 0;
    const int turn = (int)-lrint(counterclockwise);
    const int positive = turn < 0 ? turn + 360 : turn;
    return positive == 90 || positive == 180 || positive == 270 ? positive : 0;
}

/* A frame of the size and type wanted; FFmpeg's own, because its converters write whole vectors and
 * need the room behind each row that only it knows. */
static nl_status make_room(struct nl_picture *p, const AVFrame *frame, const char *name)
{
    if (p->bgr && p->bgr->width == frame->width && p->bgr->height == frame->height) return NL_OK;
    av_frame_free(&p->bgr);
    p->bgr = av_frame_alloc();
    NL_REQUIRE(p->bgr, NL_ENOMEM, "%s: out of memory", name);
    p->bgr->format = AV_PIX_FMT_BGR24;
    p->bgr->width = frame->width;
    p->bgr->height = frame->height;
    if (av_frame_get_buffer(p->bgr, 0) == 0) return NL_OK;
    av_frame_free(&p->bgr);
    return nl_fail(NL_ENOMEM, "%s: out of memory for a frame of %dx%d", name, frame->width,
                   frame->height);
}

/* Step from one source pixel to the next along a row of the turned image. */
struct walk {
    const uint8_t *first;
    ptrdiff_t across, down;
};

static struct walk plan_walk(const struct nl_image *in, int turn)
{
    const ptrdiff_t pixel = 3, row = (ptrdiff_t)in->stride;
    const ptrdiff_t right = pixel * (in->width - 1), bottom = row * (in->height - 1);
    if (turn == 90) return (struct walk){in->data + bottom, -row, pixel};
    if (turn == 180) return (struct walk){in->data + bottom + right, -pixel, -row};
    return (struct walk){in->data + right, row, -pixel};
}

static nl_status turn_image(struct nl_picture *p, int turn, struct nl_image *image)
{
    const struct nl_image in = *image;
    const struct walk walk = plan_walk(&in, turn);
    const int width = turn == 180 ? in.width : in.height;
    const int height = turn == 180 ? in.height : in.width;
    const size_t stride = 3 * (size_t)width, bytes = stride * (size_t)height;
    if (bytes > p->turned_bytes) {
        NL_TRY(nl_resize(&p->turned, bytes, 1));
        p->turned_bytes = bytes;
    }
    for (int y = 0; y < height; y++) {
        uint8_t *to = p->turned + stride * (size_t)y;
        const uint8_t *from = walk.first + walk.down * y;
        for (int x = 0; x < width; x++, to += 3, from += walk.across) memcpy(to, from, 3);
    }
    *image = (struct nl_image){p->turned, stride, width, height};
    return NL_OK;
}

nl_status nl_picture_convert(struct nl_picture *p, const AVFrame *frame, int turn, const char *name,
                             struct nl_image *out)
{
    const char *format = av_get_pix_fmt_name(frame->format);
    NL_REQUIRE(sws_isSupportedInput(frame->format), NL_EIO, "%s: no conversion from pixels of %s",
               name, format ? format : "an unknown format");
    NL_TRY(make_room(p, frame, name));
    p->scaler =
        sws_getCachedContext(p->scaler, frame->width, frame->height, frame->format, frame->width,
                             frame->height, AV_PIX_FMT_BGR24, SWS_BICUBIC, NULL, NULL, NULL);
    NL_REQUIRE(p->scaler, NL_EIO, "%s: no conversion of %dx%d pixels from %s", name, frame->width,
               frame->height, format);
    sws_scale(p->scaler, (const uint8_t *const *)frame->data, frame->linesize, 0, frame->height,
              p->bgr->data, p->bgr->linesize);
    *out = (struct nl_image){p->bgr->data[0], (size_t)p->bgr->linesize[0], frame->width,
                             frame->height};
    return turn ? turn_image(p, turn, out) : NL_OK;
}

void nl_picture_clear(struct nl_picture *p)
{
    sws_freeContext(p->scaler);
    av_frame_free(&p->bgr);
    nl_free(p->turned);
    *p = (struct nl_picture){.scaler = NULL};
}
