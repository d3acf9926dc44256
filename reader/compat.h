/* compat.h - the few places where FFmpeg's versions differ (4.4 to 8). */
#ifndef NL_COMPAT_H
#define NL_COMPAT_H

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <stddef.h>
#include <stdint.h>

#if LIBAVFORMAT_VERSION_MAJOR < 59
typedef AVInputFormat nl_av_input_format;
#else
typedef const AVInputFormat nl_av_input_format;
#endif

/* What a function that writes for an AVIOContext is given. */
#if LIBAVFORMAT_VERSION_MAJOR < 61
typedef uint8_t nl_av_written;
#else
typedef const uint8_t nl_av_written;
#endif

/* The stream's display matrix (9 elements), or NULL. */
static inline const int32_t *nl_display_matrix(const AVStream *stream)
{
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
    const AVPacketSideData *side =
        av_packet_side_data_get(stream->codecpar->coded_side_data,
                                stream->codecpar->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
    const void *data = side && side->size >= 9 * sizeof(int32_t) ? side->data : NULL;
#else
    const void *data = NULL;
    for (int i = 0; i < stream->nb_side_data; i++)
        if (stream->side_data[i].type == AV_PKT_DATA_DISPLAYMATRIX &&
            (size_t)stream->side_data[i].size >= 9 * sizeof(int32_t))
            data = stream->side_data[i].data;
#endif
    return data;
}

#endif
