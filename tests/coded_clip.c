#include "tests/coded_clip.h"

#include <check.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <string.h>

struct writer {
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *encoder;
    AVPacket *packet;
    AVFrame *frame;
};

static void must(int rc)
{
    ck_assert_int_ge(rc, 0);
}

static void begin(struct writer *w, const char *path, const AVCodec *codec,
                  const struct nl_coding *coding, int width, int height)
{
    must(avformat_alloc_output_context2(&w->format, NULL, NULL, path));
    w->stream = avformat_new_stream(w->format, NULL);
    w->encoder = avcodec_alloc_context3(codec);
    w->encoder->width = width;
    w->encoder->height = height;
    w->encoder->pix_fmt = codec->id == AV_CODEC_ID_MJPEG ? AV_PIX_FMT_YUVJ420P : AV_PIX_FMT_YUV420P;
    w->encoder->gop_size = coding->gop;
    w->encoder->max_b_frames = coding->b_frames;
    w->encoder->bit_rate = 2000000;
    if (w->format->oformat->flags & AVFMT_GLOBALHEADER)
        w->encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    w->encoder->time_base = (AVRational){1, 25};
    w->encoder->thread_count = 1;
    must(avcodec_open2(w->encoder, codec, NULL));
    must(avcodec_parameters_from_context(w->stream->codecpar, w->encoder));
    w->stream->time_base = w->encoder->time_base;
    must(avio_open(&w->format->pb, path, AVIO_FLAG_WRITE));
    must(avformat_write_header(w->format, NULL));
    w->packet = av_packet_alloc();
    w->frame = av_frame_alloc();
    w->frame->format = w->encoder->pix_fmt;
    w->frame->width = width;
    w->frame->height = height;
    must(av_frame_get_buffer(w->frame, 0));
}

static void paint(AVFrame *frame, int index, nl_luma_fn *luma)
{
    const int rows = (frame->height + 1) / 2;
    must(av_frame_make_writable(frame));
    for (int y = 0; y < frame->height; y++)
        for (int x = 0; x < frame->width; x++)
            frame->data[0][y * frame->linesize[0] + x] = luma(index, x, y);
    for (int plane = 1; plane < 3; plane++)
        memset(frame->data[plane], 128, (size_t)frame->linesize[plane] * (size_t)rows);
    frame->pts = index;
}

static void write_packets(struct writer *w)
{
    while (avcodec_receive_packet(w->encoder, w->packet) == 0) {
        w->packet->duration = 1; /* else some containers end before the last frame */
        av_packet_rescale_ts(w->packet, w->encoder->time_base, w->stream->time_base);
        must(av_interleaved_write_frame(w->format, w->packet));
    }
}

bool nl_make_clip_as(const char *path, const struct nl_coding *coding, int width, int height,
                     int frames, nl_luma_fn *luma)
{
    struct writer w = {.format = NULL};
    const AVCodec *codec = avcodec_find_encoder_by_name(coding->encoder);
    if (!codec) return false;
    begin(&w, path, codec, coding, width, height);
    for (int i = 0; i < frames; i++) {
        paint(w.frame, i, luma);
        must(avcodec_send_frame(w.encoder, w.frame));
        write_packets(&w);
    }
    must(avcodec_send_frame(w.encoder, NULL));
    write_packets(&w);
    must(av_write_trailer(w.format));
    must(avio_closep(&w.format->pb));
    av_frame_free(&w.frame);
    av_packet_free(&w.packet);
    avcodec_free_context(&w.encoder);
    avformat_free_context(w.format);
    return true;
}

void nl_make_lossless_clip(const char *path, int width, int height, int frames, nl_luma_fn *luma)
{
    const struct nl_coding lossless = {.encoder = "ffv1", .gop = 12};
    ck_assert(nl_make_clip_as(path, &lossless, width, height, frames, luma));
}
