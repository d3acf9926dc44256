#include "reader/video.h"

#include "reader/compat.h"
#include "reader/video_state.h"
#include "src/core/memory.h"

#include <stdio.h>
#include <string.h>

enum {
    STUCK = 1000
}; /* errors in a row while draining, after which the decoder has no more frames */

/* --- what the decoder holds ------------------------------------------------------------------ */

struct held_frame {
    struct nl_video *video;
    int64_t bytes;
};

static void give_back(void *opaque, uint8_t *data)
{
    (void)data;
    struct held_frame *held = opaque;
    held->video->held -= held->bytes;
    nl_free(held);
}

static int64_t frame_bytes(const AVFrame *frame)
{
    int64_t bytes = 0;
    for (int i = 0; i < AV_NUM_DATA_POINTERS && frame->buf[i]; i++)
        bytes += (int64_t)frame->buf[i]->size;
    return bytes;
}

/* Hangs a note on the frame that lives as long as its last reference, and counts its bytes. */
static int note_frame(struct nl_video *v, AVFrame *frame)
{
    struct held_frame *held = NULL;
    int slot = 0;
    while (slot < AV_NUM_DATA_POINTERS && frame->buf[slot]) slot++;
    if (slot == AV_NUM_DATA_POINTERS) return 0;
    const int64_t bytes = frame_bytes(frame);
    v->too_much = v->too_much || v->held + bytes > v->limits.max_bytes;
    if (v->too_much || nl_calloc(1, sizeof *held, &held) != NL_OK) return AVERROR(ENOMEM);
    *held = (struct held_frame){v, bytes};
    frame->buf[slot] = av_buffer_create((uint8_t *)held, sizeof *held, give_back, held, 0);
    if (!frame->buf[slot]) nl_free(held);
    v->held += frame->buf[slot] ? bytes : 0;
    return frame->buf[slot] ? 0 : AVERROR(ENOMEM);
}

static int get_frame_buffer(AVCodecContext *decoder, AVFrame *frame, int flags)
{
    struct nl_video *v = decoder->opaque;
    int rc = avcodec_default_get_buffer2(decoder, frame, flags);
    if (rc >= 0) {
        rc = note_frame(v, frame);
        if (rc < 0) av_frame_unref(frame);
    }
    v->no_memory = v->no_memory || rc == AVERROR(ENOMEM);
    return rc;
}

/* --- opening --------------------------------------------------------------------------------- */

static nl_status configure(struct nl_video *v)
{
    AVCodecContext *decoder = v->decoder;
    if (avcodec_parameters_to_context(decoder, v->in.stream->codecpar) < 0)
        return nl_fail(NL_ENOMEM, "%s: out of memory", v->in.name);
    /* What the container says of the size is only a hint, and a wrong one must not stop the decoder
     * that would know better. */
    if ((int64_t)decoder->width * decoder->height > v->limits.max_pixels)
        decoder->width = decoder->height = decoder->coded_width = decoder->coded_height = 0;
    decoder->opaque = v;
    decoder->get_buffer2 = get_frame_buffer;
    decoder->max_pixels = v->limits.max_pixels;
    decoder->thread_count = 1;
    decoder->pkt_timebase = v->in.stream->time_base;
    /* Without the stream's word on reordering take the level's: nothing was decoded to guess. */
    if (decoder->codec_id == AV_CODEC_ID_H264)
        decoder->strict_std_compliance = FF_COMPLIANCE_STRICT;
    return NL_OK;
}

static nl_status open_decoder(struct nl_video *v)
{
    const enum AVCodecID id = v->in.stream->codecpar->codec_id;
    const AVCodec *codec = avcodec_find_decoder(id);
    NL_REQUIRE(codec, NL_EIO, "%s: no decoder for %s in this FFmpeg", v->in.name,
               avcodec_get_name(id));
    v->decoder = avcodec_alloc_context3(codec);
    NL_REQUIRE(v->decoder, NL_ENOMEM, "%s: out of memory", v->in.name);
    NL_TRY(configure(v));
    nl_ffmpeg_forget();
    if (avcodec_open2(v->decoder, codec, NULL) >= 0) return NL_OK;
    return nl_fail(NL_EIO, "%s: the decoder for %s does not open%s%s", v->in.name, codec->name,
                   nl_ffmpeg_said()[0] ? ": " : "", nl_ffmpeg_said());
}

static double seconds_of(const struct nl_container *in)
{
    const AVStream *stream = in->stream;
    if (stream->duration > 0) return (double)stream->duration * av_q2d(stream->time_base);
    return in->format->duration > 0 ? (double)in->format->duration / AV_TIME_BASE : 0;
}

static void describe(struct nl_video *v)
{
    const struct nl_container *in = &v->in;
    const AVRational rate = av_guess_frame_rate(in->format, in->stream, NULL);
    const AVCodecParameters *about = in->stream->codecpar;
    const bool sideways = v->turn % 180 != 0;
    v->info = (struct nl_video_info){
        .width = sideways ? about->height : about->width,
        .height = sideways ? about->width : about->height,
        .frames = v->index.frames,
        .seconds = seconds_of(in),
        .fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0,
    };
    snprintf(v->info.codec, sizeof v->info.codec, "%s", avcodec_get_name(about->codec_id));
    snprintf(v->info.container, sizeof v->info.container, "%s", in->format->iformat->name);
}

static nl_status open_video(struct nl_video *v, const char *path)
{
    NL_TRY(nl_container_open(path, &v->limits, &v->in));
    v->packet = av_packet_alloc();
    v->frame = av_frame_alloc();
    NL_REQUIRE(v->packet && v->frame, NL_ENOMEM, "%s: out of memory", v->in.name);
    NL_TRY(open_decoder(v)); /* before counting: a long file without a decoder fails at once */
    v->turn = nl_picture_turn(nl_display_matrix(v->in.stream));
    NL_TRY(nl_container_index(&v->in, &v->index));
    describe(v);
    return nl_container_rewind(&v->in);
}

nl_status nl_video_open(const char *path, const struct nl_video_limits *limits,
                        struct nl_video **out)
{
    struct nl_video *v;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *v, &v));
    v->in.fd = -1;
    if (limits) v->limits = *limits;
    if (!v->limits.max_pixels) v->limits.max_pixels = 64000000;
    if (!v->limits.max_bytes) v->limits.max_bytes = (int64_t)384 << 20;
    const nl_status st = open_video(v, path);
    if (st == NL_OK) *out = v;
    if (st != NL_OK) nl_video_close(v);
    return st;
}

void nl_video_close(struct nl_video *v)
{
    if (!v) return;
    av_frame_free(&v->frame);
    av_packet_free(&v->packet);
    avcodec_free_context(&v->decoder); /* after the frame: its note points into v */
    nl_picture_clear(&v->picture);
    nl_container_clear(&v->in);
    nl_index_clear(&v->index);
    nl_free(v->pick.packet);
    nl_free(v);
}

const struct nl_video_info *nl_video_about(const struct nl_video *v)
{
    return &v->info;
}

const char *nl_video_name(const struct nl_video *v)
{
    return v->in.name;
}

/* --- decoding -------------------------------------------------------------------------------- */

nl_status nl_video_trouble(struct nl_video *v)
{
    if (!v->trouble[0]) snprintf(v->trouble, sizeof v->trouble, "%s", nl_ffmpeg_said());
    nl_ffmpeg_forget();
    NL_REQUIRE(!v->too_much, NL_EIO, "%s: its frames need more than the limit of %lld MiB",
               v->in.name, (long long)(v->limits.max_bytes >> 20));
    NL_REQUIRE(!v->no_memory, NL_ENOMEM, "%s: out of memory for a frame", v->in.name);
    return NL_OK;
}

/* Gives the decoder one packet, or the news that there are no more. */
static nl_status feed(struct nl_video *v)
{
    bool got;
    NL_TRY(nl_container_packet(&v->in, v->packet, &got));
    const int rc = avcodec_send_packet(v->decoder, got ? v->packet : NULL);
    av_packet_unref(v->packet);
    return rc < 0 && rc != AVERROR_EOF ? nl_video_trouble(v) : NL_OK;
}

static nl_status finish(struct nl_video *v, bool *got)
{
    const char *why = v->trouble;
    *got = false;
    if (v->no_memory || v->too_much) return nl_video_trouble(v); /* a decoder may hide that */
    v->info.frames = v->frames;
    if (v->frames) return NL_OK;
    return nl_fail(NL_EIO, "%s: no frame could be decoded%s%s", v->in.name, why[0] ? ": " : "",
                   why);
}

bool nl_video_usable(const struct nl_video *v)
{
    return v->frame->data[0] && v->frame->width > 0 && v->frame->height > 0;
}

void nl_video_measure(struct nl_video *v)
{
    const bool sideways = v->turn % 180 != 0;
    v->info.width = sideways ? v->frame->height : v->frame->width;
    v->info.height = sideways ? v->frame->width : v->frame->height;
}

static void count_frame(struct nl_video *v)
{
    v->frames++;
    nl_video_measure(v);
    if (v->frames > v->info.frames) v->info.frames = v->frames;
}

nl_status nl_video_next(struct nl_video *v, bool *got)
{
    int errors = 0;
    *got = false;
    nl_ffmpeg_forget();
    while (errors < STUCK) {
        const int rc = avcodec_receive_frame(v->decoder, v->frame);
        if (rc == 0 && nl_video_usable(v)) {
            count_frame(v);
            *got = true;
            return NL_OK;
        }
        if (rc == AVERROR_EOF) break;
        if (rc < 0 && rc != AVERROR(EAGAIN)) {
            NL_TRY(nl_video_trouble(v));
            errors++;
        }
        if (rc < 0) NL_TRY(feed(v));
    }
    return finish(v, got);
}

nl_status nl_video_image(struct nl_video *v, struct nl_image *bgr)
{
    NL_REQUIRE(nl_video_usable(v), NL_EINVAL, "%s: no frame was decoded yet", v->in.name);
    return nl_picture_convert(&v->picture, v->frame, v->turn, v->in.name, bgr);
}

nl_status nl_video_rewind(struct nl_video *v)
{
    av_frame_unref(v->frame);
    avcodec_free_context(&v->decoder);
    v->frames = 0;
    v->too_much = v->no_memory = false;
    v->pick.last = -1;
    v->trouble[0] = '\0';
    NL_TRY(nl_container_rewind(&v->in));
    return open_decoder(v);
}
