#include "reader/views.h"

#include "src/core/memory.h"
#include "src/core/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A frame that views need. */
struct slot {
    int64_t index;
    int uses; /* views not yet given out that need it */
    struct nl_image image; /* pixels NULL until it is decoded */
};

/* A distinct view. */
struct planned {
    int temporal, spatial, weight;
    int64_t start;
};

struct reading {
    const struct nl_view_spec *spec;
    struct nl_video *video;
    struct planned *views;
    int n_views, given;
    struct slot *slots; /* sorted by index */
    int n_slots;
    const struct nl_image **frames; /* [length], of the view being given out */
    struct nl_resizer resizer;
    uint8_t *spare; /* pixels of the last frame that nobody needs any more */
    size_t spare_bytes;
};

static int by_index(const void *a, const void *b)
{
    const struct slot *one = a, *two = b;
    return (one->index > two->index) - (one->index < two->index);
}

static struct slot *slot_of(const struct reading *r, int64_t index)
{
    const struct slot key = {.index = index};
    return bsearch(&key, r->slots, (size_t)r->n_slots, sizeof *r->slots, by_index);
}

/* Where a crop begins in the resized frame, mirrored or not: equal for views that look alike. */
static nl_status place(const struct reading *r, int spatial, int64_t at[3])
{
    const struct nl_video_info *info = nl_video_about(r->video);
    int64_t height, width;
    nl_view_size(r->spec, info->height, info->width, &height, &width);
    at[2] = spatial / 3;
    return nl_view_crop(r->spec, height, width, spatial, &at[0], &at[1]);
}

static nl_status plan_view(struct reading *r, int64_t frames, struct nl_view_request request)
{
    int64_t at[3], other[3];
    NL_REQUIRE(request.temporal >= 0 && request.temporal < r->spec->positions && request.spatial >= 0 &&
                   request.spatial < 6,
               NL_EUSAGE, "no view %d,%d: temporal positions are 0 to %d, crops 0 to 5", request.temporal,
               request.spatial, r->spec->positions - 1);
    const int64_t start = nl_view_start(r->spec, frames, request.temporal);
    NL_TRY(place(r, request.spatial, at));
    for (int i = 0; i < r->n_views; i++) {
        NL_TRY(place(r, r->views[i].spatial, other));
        if (r->views[i].start != start || memcmp(at, other, sizeof at) != 0) continue;
        r->views[i].weight++;
        return NL_OK;
    }
    r->views[r->n_views++] = (struct planned){request.temporal, request.spatial, 1, start};
    return NL_OK;
}

/* Slots for all frames of all views, each once, with the number of views that use it. */
static void plan_slots(struct reading *r, int64_t frames)
{
    int n = 0;
    for (int i = 0; i < r->n_views; i++)
        for (int k = 0; k < r->spec->length; k++)
            r->slots[n++] = (struct slot){.index = nl_view_frame(r->spec, frames, r->views[i].start, k), .uses = 1};
    qsort(r->slots, (size_t)n, sizeof *r->slots, by_index);
    r->n_slots = 0;
    for (int i = 0; i < n; i++) {
        if (r->n_slots && r->slots[r->n_slots - 1].index == r->slots[i].index)
            r->slots[r->n_slots - 1].uses++;
        else
            r->slots[r->n_slots++] = r->slots[i];
    }
}

static void drop_plan(struct reading *r)
{
    for (int i = 0; i < r->n_slots; i++) nl_free(r->slots[i].image.pixels);
    nl_free(r->slots);
    nl_free(r->views);
    r->slots = NULL;
    r->views = NULL;
    r->n_slots = r->n_views = r->given = 0;
}

static nl_status plan(struct reading *r, int64_t frames, const struct nl_view_request *requests, int n)
{
    size_t slots;
    drop_plan(r);
    NL_TRY(nl_size_mul((size_t)n, (size_t)r->spec->length, &slots));
    NL_TRY(nl_calloc((size_t)n, sizeof *r->views, &r->views));
    NL_TRY(nl_calloc(slots, sizeof *r->slots, &r->slots));
    for (int i = 0; i < n; i++) {
        const struct nl_view_request all = {i / r->spec->crops, i % r->spec->crops};
        NL_TRY(plan_view(r, frames, requests ? requests[i] : all));
    }
    plan_slots(r, frames);
    return NL_OK;
}

static void swap_channels(struct nl_image *image)
{
    uint8_t *p = image->pixels;
    for (int64_t i = 0; i < image->height * image->width; i++, p += 3) {
        const uint8_t blue = p[0];
        p[0] = p[2];
        p[2] = blue;
    }
}

/* Memory for one resized frame: the spare one if it fits. */
static nl_status image_memory(struct reading *r, struct nl_image *image)
{
    size_t bytes;
    NL_REQUIRE(image->height > 0 && image->width > 0 && image->height <= NL_VIDEO_PIXELS_MAX / image->width, NL_EIO,
               "a frame of %lldx%lld after resizing", (long long)image->width, (long long)image->height);
    NL_TRY(nl_size_mul((size_t)(image->height * image->width), 3, &bytes));
    if (r->spare && r->spare_bytes == bytes) {
        image->pixels = r->spare;
        r->spare = NULL;
        return NL_OK;
    }
    return nl_alloc(bytes, &image->pixels);
}

static nl_status keep_frame(struct reading *r, struct slot *slot)
{
    const uint8_t *pixels;
    int64_t stride, height, width;
    NL_TRY(nl_video_picture(r->video, &pixels, &stride, &height, &width));
    nl_view_size(r->spec, height, width, &slot->image.height, &slot->image.width);
    NL_TRY(image_memory(r, &slot->image));
    NL_TRY(nl_resize_image(&r->resizer, pixels, stride, height, width, &slot->image));
    swap_channels(&slot->image);
    return NL_OK;
}

static void release(struct reading *r, struct slot *slot)
{
    if (--slot->uses > 0) return;
    nl_free(r->spare);
    r->spare = slot->image.pixels;
    r->spare_bytes = (size_t)(slot->image.height * slot->image.width) * 3;
    slot->image.pixels = NULL;
}

/* Gives out the views, in order, whose frames are all there. */
static nl_status give(struct reading *r, int64_t frames, nl_view_sink *sink, void *user)
{
    for (; r->given < r->n_views; r->given++) {
        const struct planned *view = &r->views[r->given];
        for (int k = 0; k < r->spec->length; k++) {
            const struct slot *slot = slot_of(r, nl_view_frame(r->spec, frames, view->start, k));
            if (!slot->image.pixels) return NL_OK;
            r->frames[k] = &slot->image;
        }
        const struct nl_view whole = {view->temporal, view->spatial, view->weight, r->spec, r->frames};
        NL_TRY(sink(user, &whole));
        for (int k = 0; k < r->spec->length; k++)
            release(r, slot_of(r, nl_view_frame(r->spec, frames, view->start, k)));
    }
    return NL_OK;
}

/* One pass over the video, believing that it has `frames`; *decoded says how many it had. */
static nl_status pass(struct reading *r, int64_t frames, nl_view_sink *sink, void *user, int64_t *decoded)
{
    bool end = false;
    for (*decoded = 0;; ++*decoded) {
        NL_TRY(nl_video_next(r->video, &end));
        if (end) return NL_OK;
        struct slot *slot = slot_of(r, *decoded);
        if (!slot || slot->image.pixels || slot->uses == 0) continue;
        NL_TRY(keep_frame(r, slot));
        NL_TRY(give(r, frames, sink, user));
    }
}

static nl_status read_all(struct reading *r, const struct nl_view_request *requests, int n, nl_view_sink *sink, void *user,
                          struct nl_video_info *info)
{
    int64_t frames, decoded = 0;
    NL_TRY(nl_video_count_packets(r->video, &frames));
    for (int attempt = 0; attempt < 2; attempt++) {
        if (frames > 0) {
            NL_TRY(plan(r, frames, requests, n));
            NL_TRY(pass(r, frames, sink, user, &decoded));
        }
        *info = *nl_video_about(r->video);
        info->frames = decoded;
        if (decoded == frames && frames > 0) return NL_OK;
        NL_REQUIRE(decoded > 0 && attempt == 0, NL_EIO, "the number of frames changes from one decoding to the next");
        NL_TRY(sink(user, NULL));
        NL_TRY(nl_video_rewind(r->video));
        frames = decoded;
    }
    return NL_OK;
}

nl_status nl_views_read(const char *path, const struct nl_view_spec *spec, const struct nl_view_request *requests,
                        int n_requests, nl_view_sink *sink, void *user, struct nl_video_info *info)
{
    struct reading r = {.spec = spec};
    const int n = requests ? n_requests : spec->positions * spec->crops;
    char name[1024];
    NL_TRY(nl_video_open(path, NL_VIDEO_PIXELS_MAX, &r.video));
    nl_status st = nl_calloc((size_t)spec->length, sizeof *r.frames, &r.frames);
    if (st == NL_OK) st = read_all(&r, requests, n, sink, user, info);
    if (st == NL_EIO || st == NL_EUSAGE)
        st = nl_fail(st, "%s: %s", nl_text_escape(path, name, sizeof name), nl_error());
    drop_plan(&r);
    nl_resizer_clear(&r.resizer);
    nl_free(r.spare);
    nl_free(r.frames);
    nl_video_close(r.video);
    return st;
}

static void write_row(const uint8_t *restrict pixels, int64_t count, float mean, float std, float *restrict out)
{
    for (int64_t i = 0; i < count; i++) out[i] = ((float)pixels[i] - mean) / std;
}

static void mirror_row(float *row, int64_t pixels)
{
    for (int64_t a = 0, b = pixels - 1; a < b; a++, b--)
        for (int c = 0; c < 3; c++) {
            const float keep = row[3 * a + c];
            row[3 * a + c] = row[3 * b + c];
            row[3 * b + c] = keep;
        }
}

nl_status nl_view_write(const struct nl_view *view, float *clip)
{
    const struct nl_view_spec *spec = view->spec;
    const int64_t row = 3 * (int64_t)spec->crop;
    for (int k = 0; k < spec->length; k++) {
        const struct nl_image *image = view->frames[k];
        int64_t top, left;
        NL_TRY(nl_view_crop(spec, image->height, image->width, view->spatial, &top, &left));
        for (int64_t y = 0; y < spec->crop; y++, clip += row) {
            write_row(image->pixels + ((top + y) * image->width + left) * 3, row, (float)spec->mean, (float)spec->std, clip);
            if (view->spatial >= 3) mirror_row(clip, spec->crop);
        }
    }
    return NL_OK;
}
