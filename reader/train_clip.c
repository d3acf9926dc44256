#include "reader/train_clip.h"

#include "reader/level.h"
#include "reader/npy_clip.h"
#include "reader/pick.h"
#include "reader/resize.h"
#include "src/core/memory.h"
#include "src/core/rng.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct nl_clip_reader {
    struct nl_train_spec spec;
    struct nl_video_limits limits;
    bool from_start;
    float level[256];
    struct nl_resizer resizer;
    uint8_t *pixels;  /* of one crop */
    int64_t *numbers; /* `length` frames, ascending, all different */

    /* the clip being read */
    const char *name;
    int64_t n, start;
    int side, n_numbers, have;
    bool mirrored;
    struct nl_rng corner; /* before the corner is drawn */
    float *clip;
};

/* --- the numbers ----------------------------------------------------------------------------- */

nl_status nl_train_spec_check(const struct nl_train_spec *spec)
{
    enum { MOST = 1 << 16, SIDE = 1 << 14 }; /* keeps products in range */
    const int low = spec->jitter[0], high = spec->jitter[1];
    NL_REQUIRE(spec->length > 0 && spec->length <= MOST && spec->rate > 0 && spec->rate <= MOST,
               NL_EUSAGE, "clips: want 1 to %d frames at a rate of 1 to %d, got %d at %d", MOST,
               MOST, spec->length, spec->rate);
    NL_REQUIRE(low > 0 && low <= high && high <= SIDE, NL_EUSAGE,
               "clips: want short sides from 1 to %d, the smaller first, got %d and %d", SIDE, low,
               high);
    NL_REQUIRE(spec->crop > 0 && spec->crop <= low, NL_EUSAGE,
               "clips: a crop of %d pixels does not fit a short side of %d", spec->crop, low);
    NL_REQUIRE(spec->std > 0, NL_EUSAGE, "clips: want a standard deviation above 0, got %g",
               spec->std);
    return NL_OK;
}

size_t nl_train_clip_floats(const struct nl_train_spec *spec)
{
    return (size_t)spec->length * (size_t)spec->crop * (size_t)spec->crop * 3;
}

static int64_t frame(const struct nl_clip_reader *r, int k)
{
    return (r->start + (int64_t)k * r->spec.rate) % r->n;
}

static int ascending(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void list_frames(struct nl_clip_reader *r)
{
    const int length = r->spec.length;
    r->n_numbers = 0;
    for (int k = 0; k < length; k++) r->numbers[k] = frame(r, k);
    qsort(r->numbers, (size_t)length, sizeof *r->numbers, ascending);
    for (int k = 0; k < length; k++)
        if (k == 0 || r->numbers[k] != r->numbers[r->n_numbers - 1])
            r->numbers[r->n_numbers++] = r->numbers[k];
}

/* Draws for a video of n frames. */
static void draw(struct nl_clip_reader *r, const struct nl_clip_key *key, int64_t n)
{
    const struct nl_train_spec *s = &r->spec;
    const int64_t span = (int64_t)s->length * s->rate;
    struct nl_rng rng;
    char name[64];
    snprintf(name, sizeof name, "clip/%" PRId64 "/%" PRId64, key->epoch, key->sample);
    nl_rng_seed(&rng, key->seed, name);
    r->n = n > 0 ? n : 1;
    r->start = r->n > span ? nl_rng_range(&rng, 0, r->n - span) : 0;
    r->side = s->jitter[0];
    if (s->jitter[1] > s->jitter[0])
        r->side = (int)nl_rng_range(&rng, s->jitter[0], s->jitter[1] - 1);
    r->mirrored = !s->validation && s->flip && nl_rng_range(&rng, 0, 1);
    r->corner = rng;
    r->have = 0;
    list_frames(r);
}

/* Every frame draws the same corner again, so that frames of one size have one corner. */
static nl_status place(const struct nl_clip_reader *r, const struct nl_image *image,
                       struct nl_part *part)
{
    const int crop = r->spec.crop;
    const double ratio =
        (double)r->side / (image->height > image->width ? image->width : image->height);
    struct nl_rng rng = r->corner;
    *part = (struct nl_part){.to_width = llrint(image->width * ratio),
                             .to_height = llrint(image->height * ratio),
                             .width = crop,
                             .height = crop};
    const int64_t across = part->to_width - crop, down = part->to_height - crop;
    NL_REQUIRE(across >= 0 && down >= 0, NL_EIO,
               "%s: a crop of %d pixels does not fit a frame of %lld x %lld", r->name, crop,
               (long long)part->to_width, (long long)part->to_height);
    part->top = r->spec.validation ? down / 2 : nl_rng_range(&rng, 0, down);
    part->left = r->spec.validation ? across / 2 : nl_rng_range(&rng, 0, across);
    return NL_OK;
}

/* --- reading --------------------------------------------------------------------------------- */

static void write_frame(struct nl_clip_reader *r, float *to)
{
    const int crop = r->spec.crop;
    const ptrdiff_t row = 3 * (ptrdiff_t)crop;
    for (ptrdiff_t y = 0; y < crop; y++)
        nl_level_row(r->level, r->pixels + y * row, crop, r->mirrored, to + y * row);
}

/* The current frame, number `number`, to all its places in the clip. */
static nl_status keep(struct nl_clip_reader *r, struct nl_video *video, int64_t number)
{
    const size_t floats = (size_t)r->spec.crop * (size_t)r->spec.crop * 3;
    struct nl_image image;
    struct nl_part part;
    float *first = NULL;
    NL_TRY(nl_video_image(video, &image));
    NL_TRY(place(r, &image, &part));
    NL_TRY(nl_resizer_run(&r->resizer, &image, &part, r->pixels));
    for (int k = 0; k < r->spec.length; k++) {
        float *to = r->clip + floats * (size_t)k;
        if (frame(r, k) != number) continue;
        if (first)
            memcpy(to, first, floats * sizeof *to);
        else
            write_frame(r, first = to);
    }
    r->have++;
    return NL_OK;
}

/* Decodes only what is needed. *done false: it cannot be, and the video is before its start. */
static nl_status read_picked(struct nl_clip_reader *r, struct nl_video *video, bool *done)
{
    bool can;
    int64_t number = 0;
    *done = false;
    NL_TRY(nl_video_pick(video, r->numbers, r->n_numbers, &can));
    if (!can) return NL_OK;
    while (r->have < r->n_numbers && number >= 0) {
        NL_TRY(nl_video_next_picked(video, &number));
        if (number >= 0) NL_TRY(keep(r, video, number));
    }
    *done = r->have == r->n_numbers;
    return *done ? NL_OK : nl_video_rewind(video);
}

/* Decodes all frames and counts them. */
static nl_status read_all(struct nl_clip_reader *r, struct nl_video *video, int64_t *count)
{
    bool got = true;
    r->have = 0;
    for (*count = 0;; ++*count) {
        NL_TRY(nl_video_next(video, &got));
        if (!got) return NL_OK;
        if (r->have < r->n_numbers && r->numbers[r->have] == *count) NL_TRY(keep(r, video, *count));
    }
}

static nl_status read_video(struct nl_clip_reader *r, struct nl_video *video,
                            const struct nl_clip_key *key)
{
    bool done = false;
    int64_t count = 0;
    draw(r, key, nl_video_about(video)->frames);
    if (!r->from_start) NL_TRY(read_picked(r, video, &done));
    if (done) return NL_OK;
    NL_TRY(read_all(r, video, &count));
    if (count == r->n) return NL_OK;
    draw(r, key, count);
    NL_TRY(nl_video_rewind(video));
    NL_TRY(read_all(r, video, &count));
    NL_REQUIRE(count == r->n, NL_EIO, "%s: %lld frames when decoded once, %lld when decoded again",
               r->name, (long long)r->n, (long long)count);
    return NL_OK;
}

nl_status nl_train_clip(struct nl_clip_reader *r, const char *path, const struct nl_clip_key *key,
                        float *clip)
{
    struct nl_video *video;
    if (nl_npy_clip_is(path)) return nl_npy_clip_read(path, r->spec.length, r->spec.crop, clip);
    NL_TRY(nl_video_open(path, &r->limits, &video));
    r->clip = clip;
    r->name = nl_video_name(video);
    const nl_status st = read_video(r, video, key);
    nl_video_close(video);
    return st;
}

/* --- life cycle ------------------------------------------------------------------------------ */

nl_status nl_clip_reader_new(const struct nl_train_spec *spec, const struct nl_video_limits *limits,
                             struct nl_clip_reader **out)
{
    struct nl_clip_reader *r;
    *out = NULL;
    NL_TRY(nl_train_spec_check(spec));
    NL_TRY(nl_calloc(1, sizeof *r, &r));
    r->spec = *spec;
    if (limits) r->limits = *limits;
    nl_level_table(spec->mean, spec->std, r->level);
    nl_status st = nl_calloc((size_t)spec->length, sizeof *r->numbers, &r->numbers);
    if (st == NL_OK) st = nl_alloc((size_t)spec->crop * (size_t)spec->crop * 3, &r->pixels);
    if (st == NL_OK) *out = r;
    if (st != NL_OK) nl_clip_reader_free(r);
    return st;
}

void nl_clip_reader_free(struct nl_clip_reader *r)
{
    if (!r) return;
    nl_resizer_clear(&r->resizer);
    nl_free(r->pixels);
    nl_free(r->numbers);
    nl_free(r);
}

void nl_clip_reader_from_start(struct nl_clip_reader *r)
{
    r->from_start = true;
}
