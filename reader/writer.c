#include "reader/writer.h"

#include "reader/compat.h"
#include "reader/container.h"
#include "src/core/file.h"
#include "src/core/memory.h"
#include "src/core/text.h"

#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include <errno.h>
#include <string.h>

enum { SIDE_MAX = 16384, IO_BYTES = 1 << 16 };

struct nl_writer {
    struct nl_writer_spec spec;
    struct nl_file_write file;
    char name[NL_CONTAINER_NAME]; /* for messages */
    int write_error;              /* errno of a failed write; 0 */
    AVIOContext *io;
    AVFormatContext *format;
    AVStream *stream; /* owned by format */
    AVCodecContext *encoder;
    AVPacket *packet;
    AVFrame *frame;
    struct SwsContext *scaler;
    int64_t frames;
};

static nl_status failed(const struct nl_writer *w, const char *what)
{
    const char *why = w->write_error ? strerror(w->write_error) : nl_ffmpeg_said();
    return nl_fail(NL_EIO, "%s: %s%s%s", w->name, what, why[0] ? ": " : "", why);
}

static nl_status no_memory(const struct nl_writer *w)
{
    return nl_fail(NL_ENOMEM, "%s: out of memory", w->name);
}

/* --- the file -------------------------------------------------------------------------------- */

static int write_bytes(void *user, nl_av_written *bytes, int size)
{
    struct nl_writer *w = user;
    if (fwrite(bytes, 1, (size_t)size, w->file.file) == (size_t)size) return size;
    w->write_error = errno ? errno : EIO;
    return AVERROR(w->write_error);
}

static int64_t seek_to(void *user, int64_t offset, int whence)
{
    struct nl_writer *w = user;
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) return AVERROR(EINVAL);
    if (fseeko(w->file.file, offset, whence) != 0) return AVERROR(errno);
    return ftello(w->file.file);
}

static nl_status open_io(struct nl_writer *w)
{
    unsigned char *buffer = av_malloc(IO_BYTES);
    if (buffer) w->io = avio_alloc_context(buffer, IO_BYTES, 1, w, NULL, write_bytes, seek_to);
    if (w->io) return NL_OK;
    av_free(buffer);
    return no_memory(w);
}

/* FFmpeg's name for what the path ends with, if that is a container of videos. */
static const char *container_of(const char *path)
{
    const AVOutputFormat *format = av_guess_format(NULL, path, NULL);
    const bool fits =
        format && format->video_codec != AV_CODEC_ID_NONE && !(format->flags & AVFMT_NOFILE);
    return fits ? format->name : "mp4";
}

static nl_status open_container(struct nl_writer *w)
{
    NL_TRY(open_io(w));
    if (avformat_alloc_output_context2(&w->format, NULL, container_of(w->file.path), NULL) < 0)
        return failed(w, "no such container");
    w->format->pb = w->io;
    w->format->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT;
    w->stream = avformat_new_stream(w->format, NULL);
    return w->stream ? NL_OK : no_memory(w);
}

/* --- the encoder ----------------------------------------------------------------------------- */

static const AVCodec *find_encoder(void)
{
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    return codec ? codec : avcodec_find_encoder(AV_CODEC_ID_MPEG4);
}

/* The scale of `quality` is that of x264; MPEG-4 counts from 1 to 31. */
static void set_quality(struct nl_writer *w)
{
    const int scale = w->spec.quality / 6;
    if (w->encoder->codec_id == AV_CODEC_ID_H264) {
        av_opt_set(w->encoder->priv_data, "preset", "veryfast", 0);
        av_opt_set_int(w->encoder->priv_data, "crf", w->spec.quality, 0);
    } else {
        w->encoder->flags |= AV_CODEC_FLAG_QSCALE;
        w->encoder->global_quality = FF_QP2LAMBDA * (scale < 1 ? 1 : scale);
    }
}

static nl_status open_encoder(struct nl_writer *w)
{
    const AVCodec *codec = find_encoder();
    NL_REQUIRE(codec, NL_EIO, "%s: this FFmpeg can encode neither H.264 nor MPEG-4", w->name);
    AVCodecContext *encoder = w->encoder = avcodec_alloc_context3(codec);
    if (!encoder) return no_memory(w);
    const AVRational fps = av_d2q(w->spec.fps > 0 ? w->spec.fps : 25, 65535);
    encoder->width = w->spec.width;
    encoder->height = w->spec.height;
    encoder->pix_fmt = AV_PIX_FMT_YUV420P;
    encoder->time_base = av_inv_q(fps);
    encoder->framerate = fps;
    encoder->gop_size = w->spec.key_interval;
    encoder->max_b_frames = 0;
    encoder->thread_count = 1;
    encoder->flags |= AV_CODEC_FLAG_BITEXACT;
    set_quality(w);
    if (w->format->oformat->flags & AVFMT_GLOBALHEADER)
        encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (avcodec_open2(encoder, codec, NULL) < 0) return failed(w, "the encoder cannot be opened");
    if (avcodec_parameters_from_context(w->stream->codecpar, encoder) < 0) return no_memory(w);
    w->stream->time_base = encoder->time_base;
    w->stream->avg_frame_rate = fps;
    return NL_OK;
}

static nl_status make_frame(struct nl_writer *w)
{
    w->packet = av_packet_alloc();
    w->frame = av_frame_alloc();
    if (!w->packet || !w->frame) return no_memory(w);
    w->frame->format = AV_PIX_FMT_YUV420P;
    w->frame->width = w->spec.width;
    w->frame->height = w->spec.height;
    w->frame->quality = w->encoder->global_quality;
    return av_frame_get_buffer(w->frame, 0) < 0 ? no_memory(w) : NL_OK;
}

/* Writes what the encoder has ready. */
static nl_status write_packets(struct nl_writer *w)
{
    int got;
    while ((got = avcodec_receive_packet(w->encoder, w->packet)) == 0) {
        w->packet->duration = 1;
        w->packet->stream_index = w->stream->index;
        av_packet_rescale_ts(w->packet, w->encoder->time_base, w->stream->time_base);
        if (av_interleaved_write_frame(w->format, w->packet) < 0)
            return failed(w, "cannot be written");
    }
    return got == AVERROR(EAGAIN) || got == AVERROR_EOF ? NL_OK : failed(w, "cannot be encoded");
}

/* --- life cycle ------------------------------------------------------------------------------ */

static nl_status check_spec(const char *path, const struct nl_writer_spec *spec)
{
    char name[NL_CONTAINER_NAME];
    nl_text_escape(path, name, sizeof name);
    NL_REQUIRE(spec->width >= 2 && spec->width <= SIDE_MAX && spec->width % 2 == 0 &&
                   spec->height >= 2 && spec->height <= SIDE_MAX && spec->height % 2 == 0,
               NL_EINVAL, "%s: a video of %dx%d pixels, want even sides from 2 to %d", name,
               spec->width, spec->height, SIDE_MAX);
    NL_REQUIRE(spec->key_interval >= 1 && spec->quality >= 0 && spec->quality <= 51 &&
                   spec->fps >= 0 && spec->fps <= 1000,
               NL_EINVAL, "%s: key interval %d, quality %d, %g frames a second: out of range", name,
               spec->key_interval, spec->quality, spec->fps);
    return NL_OK;
}

static nl_status open_writer(struct nl_writer *w)
{
    nl_ffmpeg_forget();
    NL_TRY(open_container(w));
    NL_TRY(open_encoder(w));
    NL_TRY(make_frame(w));
    return avformat_write_header(w->format, NULL) < 0 ? failed(w, "cannot be written") : NL_OK;
}

nl_status nl_writer_open(const char *path, const struct nl_writer_spec *spec,
                         struct nl_writer **out)
{
    struct nl_writer *w = NULL;
    *out = NULL;
    NL_TRY(check_spec(path, spec));
    NL_TRY(nl_calloc(1, sizeof *w, &w));
    w->spec = *spec;
    nl_text_escape(path, w->name, sizeof w->name);
    nl_status st = nl_file_write_begin(&w->file, path);
    if (st != NL_OK) {
        nl_free(w);
        return st;
    }
    st = open_writer(w);
    if (st == NL_OK)
        *out = w;
    else
        nl_writer_abort(w);
    return st;
}

nl_status nl_writer_add(struct nl_writer *w, const struct nl_image *image)
{
    const uint8_t *const data[] = {image->data, NULL, NULL, NULL};
    const int stride[] = {(int)image->stride, 0, 0, 0};
    nl_ffmpeg_forget();
    if (av_frame_make_writable(w->frame) < 0) return no_memory(w);
    w->scaler = sws_getCachedContext(
        w->scaler, image->width, image->height, w->spec.bgr ? AV_PIX_FMT_BGR24 : AV_PIX_FMT_RGB24,
        w->spec.width, w->spec.height, AV_PIX_FMT_YUV420P,
        SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT, NULL, NULL, NULL);
    if (!w->scaler) return failed(w, "no conversion of frames");
    sws_scale(w->scaler, data, stride, 0, image->height, w->frame->data, w->frame->linesize);
    w->frame->pts = w->frames++;
    if (avcodec_send_frame(w->encoder, w->frame) < 0) return failed(w, "cannot be encoded");
    return write_packets(w);
}

/* The rest of the encoder, the container's index, and what the buffer still holds. */
static nl_status write_end(struct nl_writer *w)
{
    nl_ffmpeg_forget();
    if (avcodec_send_frame(w->encoder, NULL) < 0) return failed(w, "cannot be encoded");
    NL_TRY(write_packets(w));
    if (av_write_trailer(w->format) < 0) return failed(w, "cannot be written");
    avio_flush(w->io);
    return w->write_error ? failed(w, "cannot be written") : NL_OK;
}

/* All but the file. */
static void clear(struct nl_writer *w)
{
    sws_freeContext(w->scaler);
    av_frame_free(&w->frame);
    av_packet_free(&w->packet);
    avcodec_free_context(&w->encoder);
    avformat_free_context(w->format);
    if (w->io) av_freep(&w->io->buffer);
    avio_context_free(&w->io);
}

nl_status nl_writer_finish(struct nl_writer *w)
{
    nl_status st = write_end(w);
    clear(w);
    if (st == NL_OK)
        st = nl_file_write_commit(&w->file);
    else
        nl_file_write_abort(&w->file);
    nl_free(w);
    return st;
}

void nl_writer_abort(struct nl_writer *w)
{
    if (!w) return;
    clear(w);
    nl_file_write_abort(&w->file);
    nl_free(w);
}
