#include "reader/pick.h"

#include "reader/video_state.h"
#include "src/core/memory.h"

enum { FEED = 1, START = 2, WANTED = 4 }; /* what to do with a packet */

/* --- planning -------------------------------------------------------------------------------- */

static void want(struct nl_video *v, int64_t packet)
{
    struct nl_pick *p = &v->pick;
    for (int64_t i = nl_index_start(&v->index, packet); i <= packet; i++) p->packet[i] |= FEED;
    p->packet[packet] |= WANTED;
    if (packet > p->last) p->last = packet;
}

/* The first packet is always decoded: it may carry what decoders remember of the encoder. */
static void plan(struct nl_video *v)
{
    struct nl_pick *p = &v->pick;
    p->packet[0] |= FEED;
    for (int64_t i = p->last; i > 0; i--)
        if ((p->packet[i] & FEED) && !(p->packet[i - 1] & FEED)) p->packet[i] |= START;
    for (int64_t i = 1; i <= p->last; i++)
        if (v->index.entry[i].spare && !(p->packet[i] & (WANTED | START))) p->packet[i] = 0;
}

nl_status nl_video_pick(struct nl_video *v, const int64_t *numbers, int count, bool *can)
{
    struct nl_pick *p = &v->pick;
    *can = v->index.trusted;
    if (!*can) return NL_OK;
    for (int i = 0; i < count; i++)
        NL_REQUIRE(numbers[i] >= 0 && numbers[i] < v->index.frames, NL_EINVAL,
                   "%s: want frames from 0 to %lld, got %lld", v->in.name,
                   (long long)v->index.frames - 1, (long long)numbers[i]);
    nl_free(p->packet);
    *p = (struct nl_pick){.last = -1};
    NL_TRY(nl_calloc((size_t)v->index.count, 1, &p->packet));
    for (int i = 0; i < count; i++) want(v, v->index.packet[numbers[i]]);
    plan(v);
    nl_ffmpeg_forget();
    return NL_OK;
}

/* --- decoding -------------------------------------------------------------------------------- */

/* Has the next needed packet decoded, or tells the decoder to give what it holds where another run
 * begins or none is needed any more. Packets bear their place as time, which frames inherit. */
static nl_status feed(struct nl_video *v, bool *well)
{
    struct nl_pick *p = &v->pick;
    bool got = true;
    while (p->at <= p->last && !p->packet[p->at] && got && *well) {
        NL_TRY(nl_container_packet(&v->in, v->packet, &got));
        av_packet_unref(v->packet);
        p->at++;
    }
    p->draining = p->at > p->last || ((p->packet[p->at] & START) && p->run != p->at);
    if (!p->draining) {
        NL_TRY(nl_container_packet(&v->in, v->packet, &got));
        const int64_t pts = v->index.no_pts ? AV_NOPTS_VALUE : v->index.entry[p->at].pts;
        *well = got && v->packet->pts == pts;
        v->packet->pts = p->at++;
    }
    if (got && *well) *well = avcodec_send_packet(v->decoder, p->draining ? NULL : v->packet) >= 0;
    *well = *well && got;
    av_packet_unref(v->packet);
    return *well ? NL_OK : nl_video_trouble(v);
}

/* The decoder gave all it held: begins the next run, if there is one. */
static bool begin_run(struct nl_video *v)
{
    struct nl_pick *p = &v->pick;
    if (p->at > p->last) return false;
    avcodec_flush_buffers(v->decoder);
    p->run = p->at;
    p->out = 0;
    p->draining = false;
    return true;
}

/* Frames that must have come in this run before the one of `packet`, if each packet gives one. */
static int64_t due_before(const struct nl_video *v, int64_t packet)
{
    const struct nl_pick *p = &v->pick;
    const struct nl_index_entry *e = v->index.entry;
    int64_t due = 0;
    for (int64_t i = p->run; i < p->at; i++)
        due += (p->packet[i] & FEED) && e[i].shown && e[i].pts >= e[p->run].pts &&
               e[i].pts < e[packet].pts;
    return due;
}

/* Looks at the frame that came. *well: it is what was expected. */
static bool take(struct nl_video *v, bool *well)
{
    struct nl_pick *p = &v->pick;
    const int64_t packet = v->frame->pts;
    *well = packet >= p->run && packet < p->at && !v->frame->decode_error_flags &&
            !(v->frame->flags & AV_FRAME_FLAG_CORRUPT);
    if (!*well || v->index.entry[packet].pts < v->index.entry[p->run].pts) return false;
    const bool wanted = p->packet[packet] & WANTED;
    if (wanted) *well = p->out == due_before(v, packet) && !nl_ffmpeg_said()[0];
    p->out++;
    return wanted && *well;
}

static int64_t number_of(const struct nl_video *v, int64_t packet)
{
    int64_t low = 0, high = v->index.frames - 1;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (v->index.entry[v->index.packet[middle]].pts < v->index.entry[packet].pts)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

nl_status nl_video_next_picked(struct nl_video *v, int64_t *number)
{
    bool well = true;
    *number = -1;
    while (well) {
        const int rc = avcodec_receive_frame(v->decoder, v->frame);
        if (rc == 0 && nl_video_usable(v)) {
            if (!take(v, &well)) continue;
            nl_video_measure(v);
            *number = number_of(v, v->frame->pts);
            return NL_OK;
        }
        if (rc == AVERROR(EAGAIN))
            NL_TRY(feed(v, &well));
        else
            well = rc == AVERROR_EOF && begin_run(v);
    }
    return nl_video_trouble(v);
}
