#include "reader/index.h"

#include "src/core/memory.h"

#include <stdlib.h>
#include <string.h>

enum {
    MOST = 1 << 19,      /* packets; longer videos are decoded from the start */
    MPEG4_NOT_CODED = 19 /* bytes; a VOP this small may say "as before", which is no frame */
};

/* --- one packet's bytes, by codec ------------------------------------------------------------ */

struct units { /* the NAL units of a packet */
    const uint8_t *at, *end, *unit;
    size_t size;
};

/* The next unit of at least `least` bytes; false at the end, where at == end if all was well. */
static bool next_unit(struct units *u, int prefix, size_t least)
{
    size_t size = 0;
    if (u->end - u->at < prefix) return false;
    for (int i = 0; i < prefix; i++) size = size << 8 | u->at[i];
    if (size < least || size > (size_t)(u->end - u->at - prefix)) return false;
    u->unit = u->at + prefix;
    u->size = size;
    u->at = u->unit + size;
    return true;
}

static bool look_at_h264(const struct nl_index *index, const AVPacket *packet,
                         struct nl_index_entry *e)
{
    enum { SLICE = 1, IDR = 5, SEI = 6, DELIMITER = 9, FILLER = 12 };
    const uint8_t *data = packet->data;
    struct units u = {.at = data, .end = data + packet->size};
    int pictures = 0, idr = 0, referenced = 0, others = 0, slices = 0;
    while (next_unit(&u, index->prefix, 2)) {
        const int type = u.unit[0] & 31;
        const bool slice = type == SLICE || type == IDR;
        if ((type >= 2 && type <= 4) || type >= 13) return false; /* partitions, more views */
        slices += slice;
        idr += type == IDR;
        pictures += slice && (u.unit[1] & 0x80); /* first_mb_in_slice is 0 */
        referenced += slice && (u.unit[0] >> 5 & 3);
        others += !slice && type != SEI && type != DELIMITER && type != FILLER;
    }
    e->key = (packet->flags & AV_PKT_FLAG_KEY) && idr == slices;
    e->spare = !idr && !referenced && !others;
    return u.at == u.end && pictures == 1;
}

static bool look_at_hevc(struct nl_index *index, const AVPacket *packet, struct nl_index_entry *e)
{
    enum { REFERENCED_END = 16, ANCHOR = 16, ANCHOR_END = 22, SLICE_END = 32 };
    enum { DELIMITER = 35, END = 36, END_ALL = 37, FILLER = 38, SEI = 39 };
    struct units u = {.at = packet->data, .end = packet->data + packet->size};
    int pictures = 0, anchors = 0, spare = 0, slices = 0, others = 0;
    while (next_unit(&u, index->prefix, 3)) {
        const int type = u.unit[0] >> 1 & 63;
        const bool slice = type < SLICE_END;
        const bool first = (u.unit[0] & 1) == 0 && u.unit[1] >> 3 == 0; /* of the base layer */
        if (!first || (type >= ANCHOR_END && type < SLICE_END)) return false;
        if (type == END || type == END_ALL) return false; /* it changes what comes after */
        index->layered = index->layered || (u.unit[1] & 7) != 1;
        slices += slice;
        pictures += slice && (u.unit[2] & 0x80);
        anchors += type >= ANCHOR && type < ANCHOR_END;
        spare += type < REFERENCED_END && type % 2 == 0;
        others += !slice && type < SEI && type != DELIMITER && type != FILLER;
    }
    e->key = (packet->flags & AV_PKT_FLAG_KEY) && anchors == slices;
    e->spare = spare == slices && !others;
    return u.at == u.end && pictures == 1;
}

/* One VOP, coded, not bidirectional: with those, what a frame becomes may depend on more. */
static bool look_at_mpeg4(const AVPacket *packet, struct nl_index_entry *e)
{
    const uint8_t *d = packet->data;
    int vops = 0, type = 2;
    for (int i = 0; i + 4 < packet->size; i++) {
        const uint8_t *one = memchr(d + i, 1, (size_t)(packet->size - 4 - i));
        if (!one) break;
        i = (int)(one - d);
        if (i < 2 || d[i - 1] || d[i - 2] || d[i + 1] != 0xb6) continue;
        vops++;
        type = d[i + 2] >> 6;
    }
    e->key = (packet->flags & AV_PKT_FLAG_KEY) && type == 0;
    return vops == 1 && type != 2 && packet->size > MPEG4_NOT_CODED;
}

/* A superframe, whose last frame is the shown one, or one that is shown. */
static bool look_at_vp9(const AVPacket *packet)
{
    const uint8_t first = packet->data[0], last = packet->data[packet->size - 1];
    const int table = 2 + ((last >> 3 & 3) + 1) * ((last & 7) + 1);
    if ((last & 0xe0) == 0xc0 && packet->size > table && packet->data[packet->size - table] == last)
        return true;
    const int shift = (first & 0x30) == 0x30 ? 1 : 0; /* profile 3 has one bit more */
    const bool again = first >> (3 - shift) & 1, shown = first >> (1 - shift) & 1;
    return first >> 6 == 2 && (again || shown);
}

static bool look(struct nl_index *index, const AVPacket *packet, struct nl_index_entry *e)
{
    e->key = packet->flags & AV_PKT_FLAG_KEY;
    switch (index->codec) {
    case AV_CODEC_ID_H264:
        return look_at_h264(index, packet, e);
    case AV_CODEC_ID_HEVC:
        return look_at_hevc(index, packet, e);
    case AV_CODEC_ID_MPEG4:
        return look_at_mpeg4(packet, e);
    case AV_CODEC_ID_VP9:
        return look_at_vp9(packet);
    case AV_CODEC_ID_AV1:
        return e->shown; /* libdav1d shows what is to be discarded, too */
    case AV_CODEC_ID_FFV1:
    case AV_CODEC_ID_MJPEG:
        return true;
    default:
        return false;
    }
}

/* --- all of them ----------------------------------------------------------------------------- */

/* Bytes of a NAL unit's length as avcC (hvcC) says; 0 for streams with start codes. */
static int prefix_of(const AVCodecParameters *about)
{
    const int at = about->codec_id == AV_CODEC_ID_HEVC ? 21 : 4;
    if (!about->extradata || about->extradata_size <= at || about->extradata[0] != 1) return 0;
    return (about->extradata[at] & 3) + 1;
}

void nl_index_begin(struct nl_index *index, const AVCodecParameters *about)
{
    const bool units = about->codec_id == AV_CODEC_ID_H264 || about->codec_id == AV_CODEC_ID_HEVC;
    const bool frames =
        about->field_order == AV_FIELD_UNKNOWN || about->field_order == AV_FIELD_PROGRESSIVE;
    nl_index_clear(index);
    index->codec = about->codec_id;
    index->prefix = prefix_of(about);
    index->trusted = !units || (frames && index->prefix);
}

static bool is_changed(const AVPacket *packet)
{
    return av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, NULL) ||
           av_packet_get_side_data(packet, AV_PKT_DATA_PARAM_CHANGE, NULL);
}

static nl_status make_room(struct nl_index *index)
{
    if (index->count < index->room) return NL_OK;
    const int64_t room = index->room ? 2 * index->room : 256;
    NL_TRY(nl_resize(&index->entry, (size_t)room, sizeof *index->entry));
    index->room = room;
    return NL_OK;
}

nl_status nl_index_add(struct nl_index *index, const AVPacket *packet)
{
    struct nl_index_entry e = {.pts = packet->pts, .shown = !(packet->flags & AV_PKT_FLAG_DISCARD)};
    index->frames += e.shown;
    index->trusted = index->trusted && index->count < MOST;
    if (!index->trusted) return NL_OK;
    if (index->count == 0) index->no_pts = e.pts == AV_NOPTS_VALUE;
    index->trusted = (e.pts == AV_NOPTS_VALUE) == index->no_pts &&
                     !(packet->flags & AV_PKT_FLAG_CORRUPT) && !is_changed(packet) &&
                     look(index, packet, &e);
    if (index->no_pts) e.pts = index->count; /* a decoder that reorders is found out later */
    NL_TRY(make_room(index));
    index->entry[index->count++] = e;
    return NL_OK;
}

struct shown {
    int64_t pts, packet;
};

static int by_pts(const void *a, const void *b)
{
    const struct shown *x = a, *y = b;
    return (x->pts > y->pts) - (x->pts < y->pts);
}

/* Frames in the order of their times; false where that order is not certain. */
static bool set_frames(struct nl_index *index, struct shown *shown)
{
    int64_t n = 0;
    for (int64_t i = 0; i < index->count; i++)
        if (index->entry[i].shown) shown[n++] = (struct shown){index->entry[i].pts, i};
    qsort(shown, (size_t)n, sizeof *shown, by_pts);
    for (int64_t i = 0; i < n; i++) {
        if (i > 0 && shown[i].pts == shown[i - 1].pts) return false;
        index->packet[i] = shown[i].packet;
    }
    return n > 0 && index->entry[0].key && shown[0].pts >= index->entry[0].pts;
}

nl_status nl_index_finish(struct nl_index *index)
{
    struct shown *shown;
    if (!index->trusted || index->count == 0) {
        index->trusted = false;
        return NL_OK;
    }
    NL_TRY(nl_calloc((size_t)index->count, sizeof *index->packet, &index->packet));
    NL_TRY(nl_calloc((size_t)index->count, sizeof *shown, &shown));
    index->trusted = set_frames(index, shown);
    nl_free(shown);
    /* With layers, a frame that its own layer does not need may be needed by the next. */
    for (int64_t i = 0; index->layered && i < index->count; i++) index->entry[i].spare = false;
    return NL_OK;
}

void nl_index_clear(struct nl_index *index)
{
    nl_free(index->entry);
    nl_free(index->packet);
    *index = (struct nl_index){.entry = NULL};
}

int64_t nl_index_start(const struct nl_index *index, int64_t packet)
{
    int64_t i = packet;
    while (i > 0 && !(index->entry[i].key && index->entry[i].pts <= index->entry[packet].pts)) i--;
    return i;
}
