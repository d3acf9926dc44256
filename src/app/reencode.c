#include "src/app/reencode.h"

#include "reader/writer.h"
#include "src/app/signals.h"

#include <math.h>

enum { QUALITY = 18, SIDE_MAX = 16384 };

static bool interrupted(const void *user)
{
    (void)user;
    return nl_interrupted();
}

static int even(double side)
{
    const double rounded = 2 * round(side / 2);
    return rounded < 2 ? 2 : rounded > SIDE_MAX ? SIDE_MAX : (int)rounded;
}

/* Sizes are even, as 4:2:0 wants them. */
static struct nl_writer_spec plan(const struct nl_video_info *info, const struct nl_image *first,
                                  const struct nl_reencode_spec *spec)
{
    const double small = first->width < first->height ? first->width : first->height;
    const double scale = small > spec->short_side ? spec->short_side / small : 1;
    return (struct nl_writer_spec){.width = even(scale * first->width),
                                   .height = even(scale * first->height),
                                   .fps = info->fps > 0 && info->fps <= 1000 ? info->fps : 0,
                                   .key_interval = spec->key_interval,
                                   .quality = QUALITY,
                                   .bgr = true};
}

/* The next frame of `video`; *got is false after the last. */
static nl_status next_image(struct nl_video *video, struct nl_image *image, bool *got, bool *broken)
{
    nl_status st = nl_video_next(video, got);
    if (st == NL_OK && *got) st = nl_video_image(video, image);
    *broken = st != NL_OK && st != NL_EINTR;
    return st;
}

static nl_status copy_frames(struct nl_video *video, struct nl_image *image,
                             struct nl_writer *writer, bool *broken)
{
    bool got = true;
    while (got) {
        NL_TRY(nl_writer_add(writer, image));
        NL_TRY(next_image(video, image, &got, broken));
    }
    return NL_OK;
}

/* nl_video_next fails where there is no frame at all. */
static nl_status copy_video(struct nl_video *video, const char *to,
                            const struct nl_reencode_spec *spec, bool *broken)
{
    struct nl_image image = {.data = NULL};
    struct nl_writer *writer;
    bool got = false;
    NL_TRY(next_image(video, &image, &got, broken));
    const struct nl_writer_spec output = plan(nl_video_about(video), &image, spec);
    NL_TRY(nl_writer_open(to, &output, &writer));
    const nl_status st = copy_frames(video, &image, writer, broken);
    if (st == NL_OK) return nl_writer_finish(writer);
    nl_writer_abort(writer);
    return st;
}

nl_status nl_reencode(const char *from, const char *to, const struct nl_reencode_spec *spec,
                      bool *broken)
{
    const struct nl_video_limits limits = {.stop = interrupted};
    struct nl_video *video;
    nl_status st = nl_video_open(from, &limits, &video);
    *broken = st != NL_OK && st != NL_EINTR;
    if (st != NL_OK) return st;
    st = copy_video(video, to, spec, broken);
    nl_video_close(video);
    return st;
}
