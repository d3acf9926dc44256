#include "reader/views.h"

#include "reader/layout.h"
#include "reader/level.h"
#include "src/core/memory.h"

#include <stdlib.h>
#include <string.h>

/* A frame that some position needs. */
struct kept {
    int64_t index;
    int uses;        /* by positions not yet given out */
    uint8_t *pixels; /* NULL until it is decoded, and after its last use */
    struct nl_cut cut[NL_CROPS_MAX];
};

/* Positions that show the same frames. */
struct group {
    int temporal;
    int weight[NL_CROPS_MAX]; /* by spatial index; 0: not requested */
};

struct nl_views {
    struct nl_view_spec spec;
    struct nl_video *video;
    struct nl_view_request *requests; /* sorted by position */
    int n_requests;

    int64_t n; /* the number of frames that the plan believes in */
    struct group *groups;
    int n_groups, given;
    struct kept *kept; /* sorted by index */
    size_t n_kept;
    bool used[NL_CROPS_MAX];
    int64_t decoded;
    bool ended, second, restart;

    struct nl_resizer resizer;
    uint8_t **spare; /* buffers of frame_bytes each, as many as n_kept has room for */
    size_t n_spare, frame_bytes;
    float level[256]; /* what a pixel's value becomes */
};

/* --- planning -------------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b)
{
    const struct nl_view_request *x = a, *y = b;
    if (x->temporal != y->temporal) return x->temporal < y->temporal ? -1 : 1;
    return (x->spatial > y->spatial) - (x->spatial < y->spatial);
}

static int by_index(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    return (x->index > y->index) - (x->index < y->index);
}

/* Positions show the same frames if they start at the same one, and come in ascending order. */
static struct group *group_of(struct nl_views *v, int temporal)
{
    const int64_t start = nl_view_frame(&v->spec, v->n, temporal, 0);
    struct group *last = v->n_groups ? &v->groups[v->n_groups - 1] : NULL;
    if (last && nl_view_frame(&v->spec, v->n, last->temporal, 0) == start) return last;
    v->groups[v->n_groups] = (struct group){.temporal = temporal};
    return &v->groups[v->n_groups++];
}

static void plan_groups(struct nl_views *v)
{
    v->n_groups = 0;
    for (int i = 0; i < v->n_requests; i++)
        group_of(v, v->requests[i].temporal)->weight[v->requests[i].spatial]++;
}

static nl_status plan_frames(struct nl_views *v)
{
    const size_t length = (size_t)v->spec.length;
    size_t most, count = 0;
    NL_TRY(nl_size_mul((size_t)v->n_groups, length, &most));
    NL_TRY(nl_calloc(most, sizeof *v->kept, &v->kept));
    NL_TRY(nl_calloc(most, sizeof *v->spare, &v->spare));
    for (int g = 0; g < v->n_groups; g++)
        for (int k = 0; k < v->spec.length; k++)
            v->kept[count++].index = nl_view_frame(&v->spec, v->n, v->groups[g].temporal, k);
    qsort(v->kept, count, sizeof *v->kept, by_index);
    v->n_kept = 0;
    for (size_t i = 0; i < count; i++) {
        const int64_t index = v->kept[i].index;
        if (!v->n_kept || v->kept[v->n_kept - 1].index != index)
            v->kept[v->n_kept++] = (struct kept){.index = index};
        v->kept[v->n_kept - 1].uses++;
    }
    return NL_OK;
}

static void drop_plan(struct nl_views *v)
{
    for (size_t i = 0; i < v->n_kept; i++) nl_free(v->kept[i].pixels);
    for (size_t i = 0; i < v->n_spare; i++) nl_free(v->spare[i]);
    nl_free(v->kept);
    nl_free(v->spare);
    v->kept = NULL;
    v->spare = NULL;
    v->n_kept = v->n_spare = 0;
}

/* For a video of `n` frames, from its first frame on. */
static nl_status plan(struct nl_views *v, int64_t n)
{
    drop_plan(v);
    v->n = n > 0 ? n : 1;
    v->given = 0;
    v->decoded = 0;
    v->ended = false;
    plan_groups(v);
    return plan_frames(v);
}

/* --- opening --------------------------------------------------------------------------------- */

static nl_status check_requests(const struct nl_view_spec *spec,
                                const struct nl_view_request *requests, int n)
{
    NL_REQUIRE(n > 0, NL_EUSAGE, "views: none asked for");
    for (int i = 0; i < n; i++) {
        const struct nl_view_request w = requests[i];
        NL_REQUIRE(w.temporal >= 0 && w.temporal < spec->positions, NL_EUSAGE,
                   "views: want a temporal position from 0 to %d, got %d", spec->positions - 1,
                   w.temporal);
        NL_REQUIRE(w.spatial >= 0 && w.spatial < nl_view_crops(spec), NL_EUSAGE,
                   "views: want a spatial position from 0 to %d, got %d", nl_view_crops(spec) - 1,
                   w.spatial);
    }
    return NL_OK;
}

static nl_status set_requests(struct nl_views *v, const struct nl_view_request *requests, int n)
{
    const int crops = v->spec.crops;
    v->n_requests = requests ? n : v->spec.positions * crops;
    NL_TRY(nl_calloc((size_t)(v->n_requests > 0 ? v->n_requests : 1), sizeof *v->requests,
                     &v->requests));
    for (int i = 0; i < v->n_requests; i++)
        v->requests[i] = requests ? requests[i] : (struct nl_view_request){i / crops, i % crops};
    NL_TRY(check_requests(&v->spec, v->requests, v->n_requests));
    qsort(v->requests, (size_t)v->n_requests, sizeof *v->requests, by_position);
    for (int i = 0; i < v->n_requests; i++) v->used[v->requests[i].spatial] = true;
    nl_level_table(v->spec.mean, v->spec.std, v->level);
    NL_TRY(nl_layout_bytes(&v->spec, v->used, &v->frame_bytes));
    return nl_calloc((size_t)v->n_requests, sizeof *v->groups, &v->groups);
}

static nl_status open_views(struct nl_views *v, const char *path,
                            const struct nl_video_limits *limits,
                            const struct nl_view_request *requests, int n)
{
    NL_TRY(nl_view_spec_check(&v->spec));
    NL_TRY(set_requests(v, requests, n));
    NL_TRY(nl_video_open(path, limits, &v->video));
    return plan(v, nl_video_about(v->video)->frames);
}

static void close_views(struct nl_views *v)
{
    drop_plan(v);
    nl_resizer_clear(&v->resizer);
    nl_video_close(v->video);
    nl_free(v->groups);
    nl_free(v->requests);
}

/* --- decoding -------------------------------------------------------------------------------- */

static struct kept *find(const struct nl_views *v, int64_t index)
{
    const struct kept key = {.index = index};
    return bsearch(&key, v->kept, v->n_kept, sizeof *v->kept, by_index);
}

static struct kept *frame_of(const struct nl_views *v, const struct group *g, int k)
{
    return find(v, nl_view_frame(&v->spec, v->n, g->temporal, k));
}

static nl_status keep(struct nl_views *v, struct kept *frame)
{
    struct nl_image image;
    struct nl_layout layout;
    NL_TRY(nl_video_image(v->video, &image));
    if (v->n_spare)
        frame->pixels = v->spare[--v->n_spare];
    else
        NL_TRY(nl_alloc(v->frame_bytes, &frame->pixels));
    nl_layout_make(&v->spec, v->used, image.width, image.height, &layout);
    memcpy(frame->cut, layout.cut, sizeof frame->cut);
    for (int i = 0; i < layout.n_strips; i++)
        NL_TRY(nl_resizer_run(&v->resizer, &image, &layout.strip[i],
                              frame->pixels + layout.strip_at[i]));
    return NL_OK;
}

/* The end was met. Starts over where it was elsewhere than planned. */
static nl_status meet_end(struct nl_views *v)
{
    v->ended = true;
    if (v->decoded == v->n) return NL_OK;
    NL_REQUIRE(!v->second, NL_EIO, "%s: %lld frames when decoded once, %lld when decoded again",
               nl_video_name(v->video), (long long)v->n, (long long)v->decoded);
    v->second = true;
    v->restart = v->given > 0;
    NL_TRY(nl_video_rewind(v->video));
    return plan(v, v->decoded);
}

static nl_status step(struct nl_views *v)
{
    bool got;
    NL_TRY(nl_video_next(v->video, &got));
    if (!got) return meet_end(v);
    struct kept *frame = find(v, v->decoded++);
    return frame ? keep(v, frame) : NL_OK;
}

/* Whether the next position can be given out. The last one waits for the end, which tells whether
 * all of them were cut at the right places. */
static bool ready(const struct nl_views *v)
{
    if (v->given == v->n_groups - 1) return v->ended;
    for (int k = 0; k < v->spec.length; k++)
        if (!frame_of(v, &v->groups[v->given], k)->pixels) return false;
    return true;
}

/* --- clips ----------------------------------------------------------------------------------- */

static bool same_cut(const struct nl_cut *a, const struct nl_cut *b)
{
    return a->offset == b->offset && a->stride == b->stride && a->mirrored == b->mirrored;
}

/* Whether crops a and b of a position are the same in all its frames, as in square ones. */
static bool same_clip(const struct nl_views *v, const struct group *g, int a, int b)
{
    for (int k = 0; k < v->spec.length; k++) {
        const struct kept *frame = frame_of(v, g, k);
        if (!same_cut(&frame->cut[a], &frame->cut[b])) return false;
    }
    return true;
}

/* The earliest crop of the position that shows what crop s shows; s itself if none does. */
static int first_like(const struct nl_views *v, const struct group *g, int s)
{
    for (int earlier = 0; earlier < s; earlier++)
        if (g->weight[earlier] && same_clip(v, g, earlier, s)) return earlier;
    return s;
}

nl_status nl_view_write(const struct nl_view *view, float *clip)
{
    const struct nl_views *v = view->video;
    const int crop = v->spec.crop;
    for (int k = 0; k < v->spec.length; k++) {
        const struct kept *frame = frame_of(v, &v->groups[v->given], k);
        const struct nl_cut *cut = &frame->cut[view->spatial];
        const uint8_t *row = frame->pixels + cut->offset;
        for (int y = 0; y < crop; y++, row += cut->stride, clip += 3 * (ptrdiff_t)crop)
            nl_level_row(v->level, row, crop, cut->mirrored, clip);
    }
    return NL_OK;
}

/* --- giving them out ------------------------------------------------------------------------- */

static void release(struct nl_views *v, struct kept *frame)
{
    if (--frame->uses > 0) return;
    v->spare[v->n_spare++] = frame->pixels;
    frame->pixels = NULL;
}

/* The views of the next position, whose frames are all there. */
static nl_status give(struct nl_views *v, nl_view_sink *sink, void *user)
{
    const struct group *g = &v->groups[v->given];
    int weight[NL_CROPS_MAX] = {0};
    for (int s = 0; s < NL_CROPS_MAX; s++)
        if (g->weight[s]) weight[first_like(v, g, s)] += g->weight[s];
    for (int s = 0; s < NL_CROPS_MAX; s++) {
        const struct nl_view view = {g->temporal, s, weight[s], v};
        if (weight[s]) NL_TRY(sink(user, &view));
    }
    for (int k = 0; k < v->spec.length; k++) release(v, frame_of(v, g, k));
    v->given++;
    return NL_OK;
}

static nl_status give_all(struct nl_views *v, nl_view_sink *sink, void *user)
{
    while (v->given < v->n_groups) {
        if (v->restart) NL_TRY(sink(user, NULL));
        v->restart = false;
        NL_TRY(ready(v) ? give(v, sink, user) : step(v));
    }
    return NL_OK;
}

nl_status nl_views_read_within(const struct nl_video_limits *limits, const char *path,
                               const struct nl_view_spec *spec,
                               const struct nl_view_request *requests, int n_requests,
                               nl_view_sink *sink, void *user, struct nl_video_info *info)
{
    struct nl_views v = {.spec = *spec};
    nl_status st = open_views(&v, path, limits, requests, n_requests);
    if (st == NL_OK) st = give_all(&v, sink, user);
    if (v.video) *info = *nl_video_about(v.video);
    close_views(&v);
    return st;
}

nl_status nl_views_read(const char *path, const struct nl_view_spec *spec,
                        const struct nl_view_request *requests, int n_requests, nl_view_sink *sink,
                        void *user, struct nl_video_info *info)
{
    return nl_views_read_within(NULL, path, spec, requests, n_requests, sink, user, info);
}
