#include "reader/source.h"

#include "src/core/file.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { BUFFER = 1 << 16 };

static const char *const containers = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,ogg,asf";

const char *nl_av_error(int code)
{
    static _Thread_local char text[128];
    if (av_strerror(code, text, sizeof text) < 0) snprintf(text, sizeof text, "error %d", code);
    return text;
}

static void stay_silent(void *context, int level, const char *format, va_list arguments)
{
    (void)context;
    (void)level;
    (void)format;
    (void)arguments;
}

static void silence(void)
{
    av_log_set_callback(stay_silent);
}

static int read_bytes(void *user, uint8_t *buffer, int size)
{
    const struct nl_source *source = user;
    ssize_t got;
    do {
        got = read(source->fd, buffer, (size_t)size);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return AVERROR(errno);
    return got == 0 ? AVERROR_EOF : (int)got;
}

static int64_t move(void *user, int64_t offset, int whence)
{
    const struct nl_source *source = user;
    if (whence == AVSEEK_SIZE) return (int64_t)source->size;
    const off_t at = lseek(source->fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

static int refuse(AVFormatContext *context, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    (void)context;
    (void)io;
    (void)url;
    (void)flags;
    (void)options;
    return AVERROR(EACCES);
}

nl_status nl_source_open(const char *path, struct nl_source *source)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, silence);
    *source = (struct nl_source){.fd = -1};
    NL_TRY(nl_file_open(path, &source->fd, &source->size));
    unsigned char *buffer = av_malloc(BUFFER);
    source->io = buffer ? avio_alloc_context(buffer, BUFFER, 0, source, read_bytes, NULL, move) : NULL;
    if (source->io) return NL_OK;
    av_free(buffer);
    nl_source_close(source);
    return nl_fail(NL_ENOMEM, "out of memory for a video");
}

void nl_source_close(struct nl_source *source)
{
    if (source->io) av_freep(&source->io->buffer);
    avio_context_free(&source->io);
    if (source->fd >= 0) close(source->fd);
    source->fd = -1;
}

/* Probing may decode: one thread, and no picture beyond the limit. */
static int find_streams(AVFormatContext *format, int64_t max_pixels)
{
    const unsigned n = format->nb_streams;
    AVDictionary **options = av_calloc(n ? n : 1, sizeof *options);
    if (!options) return AVERROR(ENOMEM);
    for (unsigned i = 0; i < n; i++) {
        av_dict_set_int(&options[i], "max_pixels", max_pixels, 0);
        av_dict_set_int(&options[i], "threads", 1, 0);
        if (format->streams[i]->codecpar->codec_type != AVMEDIA_TYPE_VIDEO) format->streams[i]->discard = AVDISCARD_ALL;
    }
    const int code = avformat_find_stream_info(format, options);
    for (unsigned i = 0; i < n; i++) av_dict_free(&options[i]);
    av_free(options);
    return code;
}

nl_status nl_source_demux(struct nl_source *source, int64_t max_pixels, AVFormatContext **out)
{
    AVFormatContext *format = avformat_alloc_context();
    NL_REQUIRE(format, NL_ENOMEM, "out of memory for a video");
    format->pb = source->io;
    format->flags |= AVFMT_FLAG_CUSTOM_IO;
    format->io_open = refuse;
    format->format_whitelist = av_strdup(containers);
    format->protocol_whitelist = av_strdup("none");
    int code = avformat_open_input(&format, "", NULL, NULL); /* frees `format` on failure */
    NL_REQUIRE(code >= 0, NL_EIO, "no video in a container that is read here (%s)", nl_av_error(code));
    code = find_streams(format, max_pixels);
    if (code < 0) {
        avformat_close_input(&format);
        return nl_fail(NL_EIO, "a damaged container (%s)", nl_av_error(code));
    }
    *out = format;
    return NL_OK;
}
