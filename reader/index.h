/* index.h - what the packets of a video promise: which frame each holds, and what it needs.
 *
 * Filled while packets are counted. Frame numbers are ranks of presentation times; packets that the
 * container says to discard hold none. An index is trusted where a frame can be decoded from a key
 * packet on with the same result as from the first one: known codecs, one frame a packet, times all
 * given and different, nothing before the first key packet.
 */
#ifndef NL_INDEX_H
#define NL_INDEX_H

#include "src/core/status.h"

#include <libavcodec/avcodec.h>
#include <stdbool.h>
#include <stdint.h>

struct nl_index_entry {
    int64_t pts;
    bool shown; /* stands for a frame */
    bool key;   /* decoding can start here, for frames shown from here on */
    bool spare; /* no other frame needs it */
};

struct nl_index {
    struct nl_index_entry *entry; /* in the order of decoding */
    int64_t *packet;              /* of frame i, for trusted ones */
    int64_t count, room;
    int64_t frames; /* packets shown */
    bool trusted;
    enum AVCodecID codec;
    int prefix;   /* bytes of a NAL unit's length */
    bool no_pts;  /* the first packet has no time, so none may */
    bool layered; /* HEVC: temporal layers are in use */
};

/* All zero is empty. `about` is the stream's. */
void nl_index_begin(struct nl_index *index, const AVCodecParameters *about);
nl_status nl_index_add(struct nl_index *index, const AVPacket *packet) NL_MUST_CHECK;
/* After the last packet. */
nl_status nl_index_finish(struct nl_index *index) NL_MUST_CHECK;
void nl_index_clear(struct nl_index *index);

/* The last packet from which decoding can start for the frame of `packet`. */
int64_t nl_index_start(const struct nl_index *index, int64_t packet);

#endif
