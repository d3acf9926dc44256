#include "reader/container.h"

#include "reader/compat.h"
#include "src/core/file.h"
#include "src/core/text.h"

#include <errno.h>
#include <libavutil/avstring.h>
#include <libavutil/mem.h>
#include <string.h>
#include <unistd.h>

enum { IO_BYTES = 1 << 15 };

/* What a demuxer of FFmpeg may be called for us to use it. None of these opens other files, once
 * io_open refuses; playlists, lists of images, devices and scripts are not among them. */
static const char known_formats[] = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,"
                                    "asf";
static const char known_to_people[] =
    "mov/mp4/3gp, matroska/webm, avi, mpegts, mpeg, flv, ogg, asf";

static bool stopped(const struct nl_container *in)
{
    return in->stop && in->stop(in->stop_user);
}

static int read_bytes(void *opaque, uint8_t *to, int size)
{
    struct nl_container *in = opaque;
    ssize_t got;
    if (stopped(in)) return AVERROR_EXIT;
    do got = pread(in->fd, to, (size_t)size, in->at);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        in->read_error = errno;
        return AVERROR(errno);
    }
    in->at += got;
    return got ? (int)got : AVERROR_EOF;
}

static int64_t seek_to(void *opaque, int64_t offset, int whence)
{
    struct nl_container *in = opaque;
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE) return in->size;
    if (whence != SEEK_SET || offset < 0) return AVERROR(EINVAL);
    return in->at = offset;
}

/* The demuxer asks for another file, e.g. one that a playlist or a reference movie names. */
static int refuse_open(AVFormatContext *format, AVIOContext **io, const char *url, int flags,
                       AVDictionary **options)
{
    (void)format, (void)url, (void)flags, (void)options;
    *io = NULL;
    return AVERROR(EPERM);
}

static nl_status failed(const struct nl_container *in, const char *what)
{
    const char *why = nl_ffmpeg_said();
    if (in->read_error) why = strerror(in->read_error);
    if (stopped(in)) return nl_fail(NL_EINTR, "%s: interrupted", in->name);
    return nl_fail(NL_EIO, "%s: %s%s%s", in->name, what, why[0] ? ": " : "", why);
}

static nl_status probe(struct nl_container *in, nl_av_input_format **format)
{
    *format = NULL;
    if (av_probe_input_buffer2(in->io, format, "", NULL, 0, 0) < 0 || !*format) {
        nl_ffmpeg_forget(); /* it only says that it failed */
        return failed(in, "not a video file of a known kind");
    }
    if (av_match_list((*format)->name, known_formats, ',') > 0) return NL_OK;
    return nl_fail(NL_EIO, "%s: is of the kind %s, want one of %s", in->name, (*format)->name,
                   known_to_people);
}

static nl_status open_io(struct nl_container *in)
{
    unsigned char *buffer = av_malloc(IO_BYTES);
    in->at = 0;
    in->read_error = 0;
    if (buffer) in->io = avio_alloc_context(buffer, IO_BYTES, 0, in, read_bytes, NULL, seek_to);
    if (in->io) return NL_OK;
    av_free(buffer);
    return nl_fail(NL_ENOMEM, "%s: out of memory", in->name);
}

/* The lists are FFmpeg's own second look at what we checked. No decoder is called "none": while the
 * container is examined nothing is decoded, so no frame is allocated that the limits of
 * nl_video_open do not know of; parsers tell what is needed. */
static nl_status new_format(struct nl_container *in)
{
    AVFormatContext *format = in->format = avformat_alloc_context();
    NL_REQUIRE(format, NL_ENOMEM, "%s: out of memory", in->name);
    format->pb = in->io;
    format->flags |= AVFMT_FLAG_CUSTOM_IO;
    format->io_open = refuse_open;
    format->format_whitelist = av_strdup(known_formats);
    format->protocol_whitelist = av_strdup("none");
    format->codec_whitelist = av_strdup("none");
    NL_REQUIRE(format->format_whitelist && format->protocol_whitelist && format->codec_whitelist,
               NL_ENOMEM, "%s: out of memory", in->name);
    return NL_OK;
}

static bool is_video(const AVStream *stream)
{
    return stream->codecpar->codec_type == AVMEDIA_TYPE_VIDEO &&
           !(stream->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

static nl_status pick_stream(struct nl_container *in)
{
    AVFormatContext *format = in->format;
    in->stream = NULL;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        AVStream *stream = format->streams[i];
        if (!in->stream && is_video(stream))
            in->stream = stream;
        else
            stream->discard = AVDISCARD_ALL;
    }
    if (in->stream) return NL_OK;
    nl_ffmpeg_forget();
    return failed(in, "no video stream");
}

static nl_status open_container(struct nl_container *in)
{
    nl_av_input_format *kind;
    nl_ffmpeg_forget();
    NL_TRY(open_io(in));
    NL_TRY(probe(in, &kind));
    NL_TRY(new_format(in));
    /* frees in->format on failure */
    if (avformat_open_input(&in->format, "", kind, NULL) < 0) return failed(in, "cannot be opened");
    avformat_find_stream_info(in->format, NULL); /* what is missing then, the decoder finds out */
    if (in->read_error || stopped(in)) return failed(in, "cannot be read");
    return pick_stream(in);
}

static void close_container(struct nl_container *in)
{
    avformat_close_input(&in->format);
    in->stream = NULL;
    if (in->io) av_freep(&in->io->buffer);
    avio_context_free(&in->io);
}

nl_status nl_container_open(const char *path, const struct nl_video_limits *limits,
                            struct nl_container *in)
{
    size_t size = 0;
    *in = (struct nl_container){.fd = -1, .stop = limits->stop, .stop_user = limits->stop_user};
    nl_text_escape(path, in->name, sizeof in->name);
    NL_TRY(nl_file_open(path, &in->fd, &size));
    NL_REQUIRE(size > 0, NL_EIO, "%s: empty file", in->name);
    in->size = (int64_t)size;
    return open_container(in);
}

void nl_container_clear(struct nl_container *in)
{
    close_container(in);
    if (in->fd >= 0) close(in->fd);
    in->fd = -1;
}

nl_status nl_container_rewind(struct nl_container *in)
{
    close_container(in);
    return open_container(in);
}

nl_status nl_container_packet(struct nl_container *in, AVPacket *packet, bool *got)
{
    *got = false;
    while (av_read_frame(in->format, packet) >= 0) {
        /* An empty packet holds no frame, and decoders take it for the end. */
        *got = packet->stream_index == in->stream->index && packet->size > 0;
        if (stopped(in)) break;
        if (*got) return NL_OK;
        av_packet_unref(packet);
    }
    av_packet_unref(packet);
    *got = false;
    if (in->read_error || stopped(in)) return failed(in, "cannot be read");
    return NL_OK;
}

nl_status nl_container_index(struct nl_container *in, struct nl_index *index)
{
    nl_status st = NL_OK;
    bool got = true;
    AVPacket *packet = av_packet_alloc();
    NL_REQUIRE(packet, NL_ENOMEM, "%s: out of memory", in->name);
    nl_index_begin(index, in->stream->codecpar);
    while (st == NL_OK && got) {
        st = nl_container_packet(in, packet, &got);
        if (st == NL_OK && got) st = nl_index_add(index, packet);
        av_packet_unref(packet);
    }
    av_packet_free(&packet);
    return st == NL_OK ? nl_index_finish(index) : st;
}
