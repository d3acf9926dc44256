#include "reader/train_clip.h"

#include "reader/resize.h"
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/tensor/npy.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct nl_clip_draw nl_clip_draw(uint64_t seed, int64_t epoch, int64_t sample)
{
    char name[80];
    struct nl_rng rng;
    struct nl_clip_draw draw;
    snprintf(name, sizeof name, "clip/%" PRId64 "/%" PRId64, epoch, sample);
    nl_rng_seed(&rng, seed, name);
    draw.start = nl_rng_double(&rng);
    draw.side = nl_rng_double(&rng);
    draw.left = nl_rng_double(&rng);
    draw.top = nl_rng_double(&rng);
    draw.mirror = nl_rng_double(&rng);
    return draw;
}

int64_t nl_clip_start(const struct nl_clip_spec *spec, const struct nl_clip_draw *draw, int64_t n)
{
    const int64_t room = n - (int64_t)spec->length * spec->rate;
    return room > 0 ? (int64_t)(draw->start * (double)(room + 1)) : 0;
}

int nl_clip_side(const struct nl_clip_spec *spec, const struct nl_clip_draw *draw)
{
    return spec->jitter[0] + (int)(draw->side * (spec->jitter[1] - spec->jitter[0]));
}

/* One reading of one video. */
struct reading {
    const struct nl_clip_spec *spec;
    const struct nl_clip_draw *draw;
    const char *path;
    struct nl_video *video;
    struct nl_resizer resizer;
    uint8_t *pixels; /* [crop, crop, 3], BGR */
    float *level;    /* [256] */
    float *clip;
};

/* The crop of a frame, mirrored or not; sizes as the original rounds them. */
static nl_status window(const struct reading *r, const struct nl_image *image, struct nl_part *part)
{
    const int side = nl_clip_side(r->spec, r->draw), crop = r->spec->crop;
    const int shorter = image->height > image->width ? image->width : image->height;
    const double ratio = (double)side / shorter;
    *part = (struct nl_part){.to_width = llrint(image->width * ratio),
                             .to_height = llrint(image->height * ratio),
                             .width = crop,
                             .height = crop};
    const int64_t across = part->to_width - crop, down = part->to_height - crop;
    NL_REQUIRE(across >= 0 && down >= 0, NL_EUSAGE,
               "%s: a crop of %d pixels does not fit its frames at a short side of %d", r->path,
               crop, side);
    part->left = r->spec->centre ? across / 2 : (int64_t)(r->draw->left * (double)(across + 1));
    part->top = r->spec->centre ? down / 2 : (int64_t)(r->draw->top * (double)(down + 1));
    return NL_OK;
}

static void write_frame(const struct reading *r, float *to)
{
    const int crop = r->spec->crop;
    const bool mirror = r->spec->flip && !r->spec->centre && r->draw->mirror < 0.5;
    const ptrdiff_t step = mirror ? -3 : 3;
    for (int y = 0; y < crop; y++) {
        const uint8_t *from = r->pixels + 3 * ((ptrdiff_t)y * crop + (mirror ? crop - 1 : 0));
        for (int x = 0; x < crop; x++, from += step, to += 3) {
            to[0] = r->level[from[2]];
            to[1] = r->level[from[1]];
            to[2] = r->level[from[0]];
        }
    }
}

/* The current frame into every place of the clip that shows frame `index` of n. */
static nl_status take_frame(struct reading *r, int64_t index, int64_t start, int64_t n)
{
    const size_t frame = (size_t)r->spec->crop * (size_t)r->spec->crop * 3;
    const float *first = NULL;
    struct nl_image image;
    struct nl_part part;
    for (int k = 0; k < r->spec->length; k++) {
        if ((start + (int64_t)k * r->spec->rate) % n != index) continue;
        float *to = r->clip + (size_t)k * frame;
        if (first) {
            memcpy(to, first, frame * sizeof *to);
            continue;
        }
        NL_TRY(nl_video_image(r->video, &image));
        NL_TRY(window(r, &image, &part));
        NL_TRY(nl_resizer_run(&r->resizer, &image, &part, r->pixels));
        write_frame(r, to);
        first = to;
    }
    return NL_OK;
}

static int64_t last_needed(const struct reading *r, int64_t start, int64_t n)
{
    int64_t last = 0;
    for (int k = 0; k < r->spec->length; k++) {
        const int64_t index = (start + (int64_t)k * r->spec->rate) % n;
        if (index > last) last = index;
    }
    return last;
}

/* Decodes for a video of n frames; *short_of is the true number where it ends too early, else 0. */
static nl_status decode(struct reading *r, int64_t n, int64_t *short_of)
{
    const int64_t start = nl_clip_start(r->spec, r->draw, n), last = last_needed(r, start, n);
    bool got = true;
    *short_of = 0;
    for (int64_t index = 0; index <= last; index++) {
        NL_TRY(nl_video_next(r->video, &got));
        if (!got) {
            *short_of = index;
            return NL_OK;
        }
        NL_TRY(take_frame(r, index, start, n));
    }
    return NL_OK;
}

static nl_status read_frames(struct reading *r)
{
    int64_t n = nl_video_about(r->video)->frames, found;
    NL_TRY(decode(r, n > 0 ? n : 1, &found));
    if (!found) return NL_OK;
    NL_TRY(nl_video_rewind(r->video));
    n = found;
    NL_TRY(decode(r, n, &found));
    NL_REQUIRE(!found, NL_EIO, "%s: decoding gave %lld frames, then %lld", r->path, (long long)n,
               (long long)found);
    return NL_OK;
}

static nl_status read_video(const char *path, const struct nl_video_limits *limits,
                            const struct nl_clip_spec *spec, const struct nl_clip_draw *draw,
                            float *clip)
{
    float level[256];
    struct reading r = {.spec = spec, .draw = draw, .path = path, .level = level, .clip = clip};
    const float mean = (float)spec->mean, std = (float)spec->std;
    for (int i = 0; i < 256; i++) level[i] = ((float)i - mean) / std;
    nl_status st = nl_alloc((size_t)spec->crop * (size_t)spec->crop * 3, &r.pixels);
    if (st == NL_OK) st = nl_video_open(path, limits, &r.video);
    if (st == NL_OK) st = read_frames(&r);
    nl_video_close(r.video);
    nl_resizer_clear(&r.resizer);
    nl_free(r.pixels);
    return st;
}

static nl_status check_npy(const char *path, const struct nl_npy *npy,
                           const struct nl_clip_spec *spec)
{
    const int64_t *d = npy->dim;
    NL_REQUIRE(npy->type == NL_F32 && npy->rank == 4 && d[0] == 3 && d[1] == spec->length &&
                   d[2] == spec->crop && d[3] == spec->crop,
               NL_EIO, "%s: want a clip of float32 (3,%d,%d,%d)", path, spec->length, spec->crop,
               spec->crop);
    return NL_OK;
}

static nl_status read_npy(const char *path, const struct nl_clip_spec *spec, float *clip)
{
    struct nl_npy npy;
    const int64_t pixels = (int64_t)spec->length * spec->crop * spec->crop;
    NL_TRY(nl_npy_read(path, &npy));
    const nl_status st = check_npy(path, &npy, spec);
    const float *values = npy.data;
    for (int c = 0; st == NL_OK && c < 3; c++)
        for (int64_t p = 0; p < pixels; p++) clip[p * 3 + c] = values[c * pixels + p];
    nl_npy_clear(&npy);
    return st;
}

nl_status nl_clip_read(const char *path, const struct nl_video_limits *limits,
                       const struct nl_clip_spec *spec, const struct nl_clip_draw *draw,
                       float *clip)
{
    const size_t length = strlen(path);
    if (length > 4 && strcmp(path + length - 4, ".npy") == 0) return read_npy(path, spec, clip);
    return read_video(path, limits, spec, draw, clip);
}
