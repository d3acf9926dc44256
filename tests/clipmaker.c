/* clipmaker FILE WIDTH HEIGHT FRAMES: writes a small moving MPEG-4 video for tests; the name's
 * ending decides the container. */
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include <stdio.h>
#include <stdlib.h>

static void die(const char *what)
{
    fprintf(stderr, "clipmaker: %s\n", what);
    exit(1);
}

/* A square that moves over a ramp, so that every frame and every place differs. */
static void paint(AVFrame *frame, int number)
{
    for (int y = 0; y < frame->height; y++)
        for (int x = 0; x < frame->width; x++) {
            const int inside =
                abs(x - (number * 5) % frame->width) < 12 && abs(y - frame->height / 2) < 12;
            frame->data[0][y * frame->linesize[0] + x] =
                (uint8_t)(inside ? 230 : 40 + (x + 2 * y) % 120);
        }
    for (int y = 0; y < (frame->height + 1) / 2; y++)
        for (int x = 0; x < (frame->width + 1) / 2; x++) {
            frame->data[1][y * frame->linesize[1] + x] = (uint8_t)(100 + number % 50);
            frame->data[2][y * frame->linesize[2] + x] = (uint8_t)(90 + x % 60);
        }
}

static void write_packets(AVCodecContext *encoder, AVFormatContext *format, AVPacket *packet)
{
    while (avcodec_receive_packet(encoder, packet) >= 0) {
        av_packet_rescale_ts(packet, encoder->time_base, format->streams[0]->time_base);
        packet->stream_index = 0;
        if (av_interleaved_write_frame(format, packet) < 0) die("cannot write");
    }
}

static AVCodecContext *open_encoder(AVFormatContext *format, int width, int height)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MPEG4);
    AVStream *stream = avformat_new_stream(format, NULL);
    AVCodecContext *encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!encoder || !stream) die("no MPEG-4 encoder");
    encoder->width = width;
    encoder->height = height;
    encoder->pix_fmt = AV_PIX_FMT_YUV420P;
    encoder->time_base = (AVRational){1, 25};
    encoder->gop_size = 12;
    encoder->max_b_frames = 2;
    encoder->thread_count = 1;
    encoder->flags |= AV_CODEC_FLAG_BITEXACT;
    if (format->oformat->flags & AVFMT_GLOBALHEADER) encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (avcodec_open2(encoder, codec, NULL) < 0) die("the encoder does not open");
    if (avcodec_parameters_from_context(stream->codecpar, encoder) < 0) die("no parameters");
    stream->time_base = encoder->time_base;
    stream->avg_frame_rate = (AVRational){25, 1};
    return encoder;
}

int main(int argc, char **argv)
{
    AVFormatContext *format = NULL;
    if (argc != 5) die("want FILE WIDTH HEIGHT FRAMES");
    if (avformat_alloc_output_context2(&format, NULL, NULL, argv[1]) < 0) die("unknown container");
    AVCodecContext *encoder =
        open_encoder(format, (int)strtol(argv[2], NULL, 10), (int)strtol(argv[3], NULL, 10));
    AVFrame *frame = av_frame_alloc();
    AVPacket *packet = av_packet_alloc();
    if (!frame || !packet || avio_open(&format->pb, argv[1], AVIO_FLAG_WRITE) < 0)
        die("cannot open the file");
    if (avformat_write_header(format, NULL) < 0) die("no header");
    frame->format = encoder->pix_fmt;
    frame->width = encoder->width;
    frame->height = encoder->height;
    if (av_frame_get_buffer(frame, 0) < 0) die("no frame");
    const long frames = strtol(argv[4], NULL, 10);
    for (long i = 0; i < frames; i++) {
        if (av_frame_make_writable(frame) < 0) die("no frame");
        paint(frame, (int)i);
        frame->pts = i;
        if (avcodec_send_frame(encoder, frame) < 0) die("cannot encode");
        write_packets(encoder, format, packet);
    }
    if (avcodec_send_frame(encoder, NULL) < 0) die("cannot end");
    write_packets(encoder, format, packet);
    if (av_write_trailer(format) < 0) die("no trailer");
    avio_closep(&format->pb);
    avformat_free_context(format);
    avcodec_free_context(&encoder);
    av_frame_free(&frame);
    av_packet_free(&packet);
    return 0;
}
