#include "reader/video.h"

#include "reader/source.h"
#include "src/core/memory.h"
#include "src/core/text.h"

#include <libavcodec/avcodec.h>
#include <libavutil/display.h>
#include <libswscale/swscale.h>

#include <math.h>
#include <stdio.h>
#include <string.h>

struct nl_video {
    struct nl_source source;
    AVFormatContext *format;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame;
    int stream, turns; /* quarter turns clockwise that make the picture upright */
    bool draining;
    struct SwsContext *scaler;
    uint8_t *pixels, *turned; /* width * height * 3 of the coded picture, rows padded to `stride` */
    size_t room;
    int64_t stride;
    struct nl_video_info info;
};

/* Quarter turns from the display matrix; other angles stay as they are. */
static int quarter_turns(const AVStream *stream)
{
    const uint8_t *matrix = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, NULL);
    if (!matrix) return 0;
    const double angle = -av_display_rotation_get((const int32_t *)(const void *)matrix);
    if (isnan(angle)) return 0;
    return (int)((lrint(angle / 90) % 4 + 4) % 4);
}

static nl_status open_decoder(struct nl_video *v, int64_t max_pixels)
{
    AVCodecParameters *par = v->format->streams[v->stream]->codecpar;
    const AVCodec *codec = avcodec_find_decoder(par->codec_id);
    NL_REQUIRE(codec, NL_EIO, "no decoder for %s", avcodec_get_name(par->codec_id));
    /* A size that only the header claims: the stream's own counts. */
    if ((int64_t)par->width * par->height > max_pixels) par->width = par->height = 0;
    v->decoder = avcodec_alloc_context3(codec);
    v->packet = av_packet_alloc();
    v->frame = av_frame_alloc();
    NL_REQUIRE(v->decoder && v->packet && v->frame, NL_ENOMEM, "out of memory for a video");
    int code = avcodec_parameters_to_context(v->decoder, par);
    v->decoder->thread_count = 1;
    v->decoder->max_pixels = max_pixels;
    v->decoder->pkt_timebase = v->format->streams[v->stream]->time_base;
    if (code >= 0) code = avcodec_open2(v->decoder, codec, NULL);
    NL_REQUIRE(code >= 0, NL_EIO, "the %s decoder does not open (%s)", codec->name, nl_av_error(code));
    return NL_OK;
}

static void describe(struct nl_video *v)
{
    const AVStream *stream = v->format->streams[v->stream];
    const double fps = av_q2d(stream->avg_frame_rate);
    const bool across = v->turns % 2;
    v->info.width = across ? stream->codecpar->height : stream->codecpar->width;
    v->info.height = across ? stream->codecpar->width : stream->codecpar->height;
    v->info.fps = isfinite(fps) ? fps : 0;
    snprintf(v->info.codec, sizeof v->info.codec, "%s", avcodec_get_name(stream->codecpar->codec_id));
    snprintf(v->info.container, sizeof v->info.container, "%s", v->format->iformat->name);
    if (v->format->duration > 0) v->info.seconds = (double)v->format->duration / AV_TIME_BASE;
}

static nl_status open_stream(struct nl_video *v, int64_t max_pixels)
{
    NL_TRY(nl_source_demux(&v->source, max_pixels, &v->format));
    v->stream = av_find_best_stream(v->format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    NL_REQUIRE(v->stream >= 0, NL_EIO, "no video stream");
    for (unsigned i = 0; i < v->format->nb_streams; i++)
        v->format->streams[i]->discard = (int)i == v->stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    v->turns = quarter_turns(v->format->streams[v->stream]);
    describe(v);
    const AVCodecParameters *par = v->format->streams[v->stream]->codecpar;
    const int64_t width = par->width, height = par->height;
    NL_TRY(open_decoder(v, max_pixels));
    bool end;
    NL_TRY(nl_video_next(v, &end)); /* the first frame tells whether there is any, and the true size */
    NL_REQUIRE(!end || width * height <= max_pixels, NL_EIO, "%lldx%lld pixels, over the limit of %lld", (long long)width,
               (long long)height, (long long)max_pixels);
    NL_REQUIRE(!end, NL_EIO, "no frame could be decoded");
    v->info.width = v->turns % 2 ? v->frame->height : v->frame->width;
    v->info.height = v->turns % 2 ? v->frame->width : v->frame->height;
    return NL_OK;
}

nl_status nl_video_open(const char *path, int64_t max_pixels, struct nl_video **out)
{
    struct nl_video *v = NULL;
    char name[1024];
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *v, &v));
    v->source.fd = -1;
    nl_status st = nl_source_open(path, &v->source);
    const bool named = st != NL_OK; /* the file layer says the path itself */
    if (st == NL_OK) st = open_stream(v, max_pixels);
    if (st == NL_OK) {
        *out = v;
        return NL_OK;
    }
    nl_video_close(v);
    return named ? st : nl_fail(st, "%s: %s", nl_text_escape(path, name, sizeof name), nl_error());
}

void nl_video_close(struct nl_video *v)
{
    if (!v) return;
    sws_freeContext(v->scaler);
    av_frame_free(&v->frame);
    av_packet_free(&v->packet);
    avcodec_free_context(&v->decoder);
    avformat_close_input(&v->format);
    nl_source_close(&v->source);
    nl_free(v->pixels);
    nl_free(v->turned);
    nl_free(v);
}

const struct nl_video_info *nl_video_about(const struct nl_video *v)
{
    return &v->info;
}

/* Whole again: demuxers differ in how exactly they seek, so the container is opened anew. */
nl_status nl_video_rewind(struct nl_video *v)
{
    avcodec_flush_buffers(v->decoder);
    v->draining = false;
    avformat_close_input(&v->format);
    NL_REQUIRE(avio_seek(v->source.io, 0, SEEK_SET) >= 0, NL_EIO, "the file does not rewind");
    NL_TRY(nl_source_demux(&v->source, v->decoder->max_pixels, &v->format));
    NL_REQUIRE(v->stream < (int)v->format->nb_streams, NL_EIO, "the container has changed");
    for (unsigned i = 0; i < v->format->nb_streams; i++)
        v->format->streams[i]->discard = (int)i == v->stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    return NL_OK;
}

/* The next packet of the video stream; false at the end of what can be read. */
static bool next_packet(struct nl_video *v)
{
    while (av_read_frame(v->format, v->packet) >= 0) {
        if (v->packet->stream_index == v->stream) return true;
        av_packet_unref(v->packet);
    }
    return false;
}

nl_status nl_video_count_packets(struct nl_video *v, int64_t *count)
{
    NL_TRY(nl_video_rewind(v));
    for (*count = 0; next_packet(v); av_packet_unref(v->packet))
        if (v->packet->size > 0 && !(v->packet->flags & AV_PKT_FLAG_DISCARD)) ++*count;
    v->info.frames = *count;
    return nl_video_rewind(v);
}

/* Feeds the decoder; damaged packets are its affair. */
static void feed(struct nl_video *v)
{
    if (!next_packet(v)) {
        v->draining = true;
        avcodec_send_packet(v->decoder, NULL);
        return;
    }
    avcodec_send_packet(v->decoder, v->packet);
    av_packet_unref(v->packet);
}

nl_status nl_video_next(struct nl_video *v, bool *end)
{
    for (;;) {
        const int code = avcodec_receive_frame(v->decoder, v->frame);
        *end = code == AVERROR_EOF || (v->draining && code < 0);
        if (*end) return NL_OK;
        NL_REQUIRE(code != AVERROR(ENOMEM), NL_ENOMEM, "out of memory while decoding");
        if (code >= 0 && v->frame->width > 0 && v->frame->height > 0) return NL_OK;
        if (code < 0) feed(v);
    }
}

static nl_status make_room(struct nl_video *v, int width, int height)
{
    size_t bytes;
    v->stride = ((int64_t)width + 31) / 32 * 32 * 3; /* swscale leaves columns out where a row has no room for eight */
    NL_TRY(nl_size_mul((size_t)v->stride, (size_t)height, &bytes));
    if (bytes <= v->room) return NL_OK;
    nl_free(v->pixels);
    nl_free(v->turned);
    v->pixels = v->turned = NULL;
    v->room = 0;
    NL_TRY(nl_alloc(bytes + 64, &v->pixels)); /* swscale may write past a row's end */
    if (v->turns) NL_TRY(nl_alloc((size_t)width * (size_t)height * 3, &v->turned));
    v->room = bytes;
    return NL_OK;
}

/* Pixel (y, x) of the upright picture from the coded one of width w and height h. */
static void turn(const struct nl_video *v, int w, int h)
{
    const int out_width = v->turns % 2 ? h : w, out_height = v->turns % 2 ? w : h;
    for (int y = 0; y < out_height; y++)
        for (int x = 0; x < out_width; x++) {
            const int from_y = v->turns == 1 ? h - 1 - x : v->turns == 2 ? h - 1 - y : x;
            const int from_x = v->turns == 1 ? y : v->turns == 2 ? w - 1 - x : w - 1 - y;
            memcpy(v->turned + ((size_t)y * (size_t)out_width + (size_t)x) * 3,
                   v->pixels + (int64_t)from_y * v->stride + 3 * (int64_t)from_x, 3);
        }
}

nl_status nl_video_picture(struct nl_video *v, const uint8_t **pixels, int64_t *stride, int64_t *height, int64_t *width)
{
    const int w = v->frame->width, h = v->frame->height;
    NL_TRY(make_room(v, w, h));
    v->scaler = sws_getCachedContext(v->scaler, w, h, (enum AVPixelFormat)v->frame->format, w, h, AV_PIX_FMT_BGR24,
                                     SWS_BICUBIC, NULL, NULL, NULL);
    NL_REQUIRE(v->scaler, NL_EIO, "no conversion from pixel format %d to RGB", v->frame->format);
    uint8_t *const rows[4] = {v->pixels};
    const int strides[4] = {(int)v->stride};
    const int code = sws_scale(v->scaler, (const uint8_t *const *)v->frame->data, v->frame->linesize, 0, h, rows, strides);
    NL_REQUIRE(code == h, NL_EIO, "a frame of %dx%d could not be converted", w, h);
    if (v->turns) turn(v, w, h);
    *pixels = v->turns ? v->turned : v->pixels;
    *height = v->turns % 2 ? w : h;
    *width = v->turns % 2 ? h : w;
    *stride = v->turns ? 3 * *width : v->stride;
    return NL_OK;
}
