/* video_state.h - what is inside struct nl_video: for video.c and pick.c only. */
#ifndef NL_VIDEO_STATE_H
#define NL_VIDEO_STATE_H

#include "reader/container.h"
#include "reader/index.h"
#include "reader/picture.h"
#include "reader/video.h"

/* What pick.c does with the packets. */
struct nl_pick {
    uint8_t *packet; /* what to do with each: bits of pick.c */
    int64_t at;      /* the next to be read */
    int64_t last;    /* the last that is needed */
    int64_t run;     /* where the decoder was started */
    int64_t out;     /* frames that came since, from that packet's on */
    bool draining;
};

struct nl_video {
    struct nl_container in;
    struct nl_video_limits limits;
    struct nl_video_info info;
    struct nl_index index;
    struct nl_pick pick;
    struct nl_picture picture;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame;
    int64_t frames;    /* decoded so far */
    int64_t held;      /* bytes of frames that the decoder holds */
    bool too_much;     /* a frame was refused for limits.max_bytes */
    bool no_memory;    /* a frame could not be allocated */
    int turn;          /* degrees clockwise */
    char trouble[256]; /* FFmpeg's words on the first packet that it could not decode */
};

/* A packet could not be decoded: remembered and passed over, unless that was for want of memory,
 * which would make the number of frames depend on the machine. */
nl_status nl_video_trouble(struct nl_video *v) NL_MUST_CHECK;

/* Whether there is a current frame, with pixels. */
bool nl_video_usable(const struct nl_video *v);

/* Its size becomes the video's. */
void nl_video_measure(struct nl_video *v);

#endif
