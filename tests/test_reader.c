#include "reader/stream.h"
#include "reader/views.h"
#include "src/core/memory.h"
#include "tests/clip_maker.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* Clips of 4 frames, 32 x 32, so that tests are quick; the arithmetic is that of any size. */
static const struct nl_view_spec spec = {.length = 4,
                                         .rate = 3,
                                         .positions = 5,
                                         .crops = 3,
                                         .short_side = 32,
                                         .crop = 32,
                                         .mean = 114.75,
                                         .std = 57.375};
enum { FLOATS = 4 * 32 * 32 * 3, FRAME = 32 * 32 * 3, MOST = 64 };

static char folder[] = "/tmp/nl-reader-XXXXXX";

/* A name in the folder of this run; the last eight stay valid. */
static const char *in_folder(const char *name)
{
    static char paths[8][512];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Frame i is a plain 40 + 3 i on the left and brighter to the right. */
static uint8_t numbered(int index, int x, int y)
{
    (void)y;
    return (uint8_t)(40 + 3 * index + (x >= 24 ? 60 : 0));
}

static const char *numbered_clip(int frames)
{
    char name[64];
    snprintf(name, sizeof name, "numbered-%d.mkv", frames);
    const char *path = in_folder(name);
    if (access(path, F_OK) != 0) nl_make_clip(path, 48, 32, frames, numbered);
    return path;
}

/* Which frame of a numbered clip a value of its left half is from. */
static int number_of(float value)
{
    return (int)lround((value * spec.std + spec.mean - 40) / 3);
}

struct taken {
    int count, restarts;
    struct {
        int temporal, spatial, weight;
        float *clip;
    } view[MOST];
};

static nl_status take(void *user, const struct nl_view *view)
{
    struct taken *t = user;
    if (!view) {
        t->restarts++;
        t->count = 0;
        return NL_OK;
    }
    ck_assert_int_lt(t->count, MOST);
    if (!t->view[t->count].clip) NL_TRY(nl_alloc(FLOATS * sizeof(float), &t->view[t->count].clip));
    NL_TRY(nl_view_write(view, t->view[t->count].clip));
    t->view[t->count].temporal = view->temporal;
    t->view[t->count].spatial = view->spatial;
    t->view[t->count].weight = view->weight;
    t->count++;
    return NL_OK;
}

static void clear(struct taken *t)
{
    for (int i = 0; i < MOST; i++) nl_free(t->view[i].clip);
    *t = (struct taken){.count = 0};
}

static nl_status read_video(const char *path, struct taken *t, struct nl_video_info *info)
{
    return nl_views_read(path, &spec, NULL, 0, take, t, info);
}

static int weights(const struct taken *t)
{
    int sum = 0;
    for (int i = 0; i < t->count; i++) sum += t->view[i].weight;
    return sum;
}

START_TEST(a_video_is_described_and_cut_into_all_views)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    ck_assert_int_eq(read_video(numbered_clip(23), &t, &info), NL_OK);
    ck_assert_int_eq(info.width, 48);
    ck_assert_int_eq(info.height, 32);
    ck_assert_int_eq(info.frames, 23);
    ck_assert_double_eq_tol(info.fps, 25, 1e-6);
    ck_assert_str_ne(info.codec, "");
    ck_assert_int_eq(t.restarts, 0);
    ck_assert_int_eq(t.count, 15);
    for (int i = 0; i < t.count; i++) {
        ck_assert_int_eq(t.view[i].temporal, i / 3);
        ck_assert_int_eq(t.view[i].spatial, i % 3);
        ck_assert_int_eq(t.view[i].weight, 1);
    }
    clear(&t);
}
END_TEST

static const int lengths[] = {1, 2, 3, 5, 11, 12, 23, 40};

START_TEST(clips_start_at_shares_of_the_frame_count_and_wrap_round)
{
    const int n = lengths[_i];
    struct taken t = {.count = 0};
    struct nl_video_info info;
    ck_assert_int_eq(read_video(numbered_clip(n), &t, &info), NL_OK);
    ck_assert_int_eq(weights(&t), 15);
    for (int i = 0; i < t.count; i++) {
        if (t.view[i].spatial != 0) continue;
        const int start = (int)((double)n / 5 * t.view[i].temporal) % n;
        for (int k = 0; k < 4; k++)
            ck_assert_int_eq(number_of(t.view[i].clip[(size_t)k * FRAME]), (start + 3 * k) % n);
    }
    clear(&t);
}
END_TEST

START_TEST(views_that_show_the_same_are_given_once_with_their_weight)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    const char *path = in_folder("square.mkv");
    nl_make_clip(path, 48, 48, 2, numbered); /* five positions start at two frames; crops are one */
    ck_assert_int_eq(read_video(path, &t, &info), NL_OK);
    ck_assert_int_eq(t.count, 2);
    ck_assert_int_eq(t.view[0].weight, 9); /* starts 0 0 0 1 1 */
    ck_assert_int_eq(t.view[1].weight, 6);
    clear(&t);
}
END_TEST

START_TEST(crops_run_along_the_long_side)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    ck_assert_int_eq(read_video(numbered_clip(5), &t, &info), NL_OK);
    const ptrdiff_t edge = 24;
    const float *left = t.view[0].clip, *centre = t.view[1].clip, *right = t.view[2].clip;
    for (ptrdiff_t x = 0; x < 32; x++) {
        if (x + 8 < 32) ck_assert_float_eq(centre[3 * x], left[3 * (x + 8)]);
        if (x + 8 < 32) ck_assert_float_eq(right[3 * x], centre[3 * (x + 8)]);
    }
    ck_assert_float_lt(left[3 * (edge - 1)], left[3 * edge]);
    clear(&t);
}
END_TEST

START_TEST(crops_3_to_5_are_mirrored)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    const struct nl_view_request requests[] = {{1, 0}, {1, 3}};
    ck_assert_int_eq(nl_views_read(numbered_clip(11), &spec, requests, 2, take, &t, &info), NL_OK);
    ck_assert_int_eq(t.count, 2);
    for (ptrdiff_t row = 0; row < (ptrdiff_t)4 * 32; row++)
        for (ptrdiff_t x = 0; x < 32; x++)
            ck_assert_float_eq(t.view[1].clip[3 * (32 * row + x)],
                               t.view[0].clip[3 * (32 * row + 31 - x)]);
    clear(&t);
}
END_TEST

START_TEST(requests_out_of_range_are_refused)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    const struct nl_view_request bad[] = {{5, 0}, {-1, 0}, {0, 6}, {0, -1}};
    for (size_t i = 0; i < NL_COUNT(bad); i++) {
        ck_assert_int_eq(nl_views_read(numbered_clip(5), &spec, &bad[i], 1, take, &t, &info),
                         NL_EUSAGE);
        ck_assert_str_ne(nl_error(), "");
    }
    ck_assert_int_eq(t.count, 0);
}
END_TEST

static nl_status refuse(void *user, const struct nl_view *view)
{
    (void)view;
    ++*(int *)user;
    return nl_fail(NL_EINTR, "enough");
}

START_TEST(what_the_sink_returns_ends_the_reading)
{
    int calls = 0;
    struct nl_video_info info;
    ck_assert_int_eq(nl_views_read(numbered_clip(23), &spec, NULL, 0, refuse, &calls, &info),
                     NL_EINTR);
    ck_assert_int_eq(calls, 1);
}
END_TEST

/* --- bad input ------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
}

static void expect_refusal(const char *path)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    ck_assert_int_eq(read_video(path, &t, &info), NL_EIO);
    ck_assert_int_eq(t.count, 0);
    ck_assert_ptr_nonnull(strstr(nl_error(), "/nl-reader-"));
    ck_assert_ptr_null(strchr(nl_error(), '\n'));
}

START_TEST(what_is_no_regular_file_is_refused_at_once)
{
    ck_assert_int_eq(mkdir(in_folder("folder.mp4"), 0700), 0);
    ck_assert_int_eq(mkfifo(in_folder("fifo.mp4"), 0600), 0);
    ck_assert_int_eq(symlink("loop.mp4", in_folder("loop.mp4")), 0);
    ck_assert_int_eq(symlink("nowhere", in_folder("dangling.mp4")), 0);
    static const char *const names[] = {"folder.mp4", "fifo.mp4", "loop.mp4", "dangling.mp4",
                                        "missing.mp4"};
    for (size_t i = 0; i < NL_COUNT(names); i++) expect_refusal(in_folder(names[i]));
}
END_TEST

START_TEST(a_file_without_permission_is_refused)
{
    const char *path = in_folder("secret.mp4");
    write_file(path, "x", 1);
    ck_assert_int_eq(chmod(path, 0), 0);
    if (geteuid() == 0) fprintf(stderr, "skip: root reads files of mode 000\n");
    expect_refusal(path); /* root reads one byte, which is no video either */
}
END_TEST

/* Text that a playlist demuxer would take: refused, whatever it names. */
static const struct {
    const char *name, *text;
} playlists[] = {
    {"empty.mp4", ""},
    {"text.mp4", "This is a text, and a long one, that is called a video.\n"},
    {"concat.mp4", "ffconcat version 1.0\nfile 'numbered-5.mkv'\n"},
    {"hls.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nnumbered-5.mkv\n#EXT-X-ENDLIST\n"},
    {"session.mp4", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
                    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"},
};

START_TEST(texts_and_playlists_are_refused)
{
    numbered_clip(5);
    const char *path = in_folder(playlists[_i].name);
    write_file(path, playlists[_i].text, strlen(playlists[_i].text));
    expect_refusal(path);
}
END_TEST

static const char *const odd_names[] = {"-dash.mkv",      "two words.mkv", "quo'te\".mkv",
                                        "$(id).mkv",      "new\nline.mkv", "latin-\xe9.mkv",
                                        "file:colon.mkv", "%d.mkv",        "a,b|c.mkv"};

START_TEST(any_file_name_works)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    const char *from = numbered_clip(5), *to = in_folder(odd_names[_i]);
    ck_assert_int_eq(link(from, to), 0);
    ck_assert_int_eq(read_video(to, &t, &info), NL_OK);
    ck_assert_int_eq(info.frames, 5);
    clear(&t);
    ck_assert_int_eq(chdir(folder), 0);
    ck_assert_int_eq(read_video(odd_names[_i], &t, &info), NL_OK);
    clear(&t);
    ck_assert_int_eq(truncate(to, 10), 0); /* of this test's own link: tests run in processes */
    ck_assert_int_eq(unlink(from), 0);
    expect_refusal(to);
}
END_TEST

/* Every frame takes many bytes. */
static uint8_t busy(int index, int x, int y)
{
    return (uint8_t)((unsigned)(index * 7919 + y * 104729 + x * 1299709) * 2654435761U >> 24);
}

/* Cut at any byte: the frames before the cut, or one line; the same each time. */
START_TEST(a_truncated_video_gives_its_decodable_frames_or_an_error)
{
    struct stat about;
    struct nl_video_info first, again;
    struct taken a = {.count = 0}, b = {.count = 0};
    const char *path = in_folder("cut.mkv");
    nl_make_clip(path, 48, 32, 40, busy);
    ck_assert_int_eq(stat(path, &about), 0);
    ck_assert_int_eq(truncate(path, about.st_size * (10 - _i) / 10), 0);
    const nl_status st = read_video(path, &a, &first);
    ck_assert_int_eq(read_video(path, &b, &again), st);
    if (st == NL_OK) {
        ck_assert_int_lt(first.frames, 40);
        ck_assert_int_eq(first.frames, again.frames);
        ck_assert_int_eq(weights(&a), 15);
        ck_assert_int_eq(a.count, b.count);
        for (int i = 0; i < a.count; i++)
            ck_assert_mem_eq(a.view[i].clip, b.view[i].clip, FLOATS * sizeof(float));
    } else {
        ck_assert_int_eq(st, NL_EIO);
        ck_assert_ptr_nonnull(strstr(nl_error(), "cut.mkv"));
    }
    clear(&a);
    clear(&b);
}
END_TEST

/* Resized as a whole a frame would have 65536 x 32 pixels or more; only the crops are needed. */
START_TEST(a_frame_of_extreme_shape_costs_no_more_than_its_crops)
{
    struct taken t = {.count = 0};
    struct nl_video_info info;
    struct rusage before, after;
    const char *path = in_folder("extreme.mkv");
    nl_make_clip(path, _i ? 2 : 8190, _i ? 8190 : 2, 40, numbered);
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &before), 0);
    ck_assert_int_eq(read_video(path, &t, &info), NL_OK);
    ck_assert_int_eq(getrusage(RUSAGE_SELF, &after), 0);
    ck_assert_int_eq(weights(&t), 15);
    ck_assert_int_lt(after.ru_maxrss - before.ru_maxrss, 64 << 10); /* KiB */
    clear(&t);
}
END_TEST

/* --- the stream ------------------------------------------------------------------------------ */

START_TEST(a_stream_gives_the_videos_in_order_and_goes_on_after_a_broken_one)
{
    write_file(in_folder("broken.mp4"), "not a video", 11);
    const struct nl_stream_job jobs[] = {{.path = numbered_clip(23)},
                                         {.path = in_folder("broken.mp4")},
                                         {.path = numbered_clip(11)}};
    struct nl_stream *stream;
    struct nl_stream_item *item;
    int job = 0, views = 0;
    ck_assert_int_eq(nl_stream_open(jobs, 3, &spec, 2, &stream), NL_OK);
    while ((item = nl_stream_next(stream))) {
        ck_assert_int_eq(item->job, job);
        if (item->kind == NL_ITEM_VIEW) {
            ck_assert_int_eq(item->temporal, views / 3);
            if (item->spatial == 0)
                ck_assert_int_eq(number_of(item->clip[0]), (job ? 11 : 23) * item->temporal / 5);
            views++;
        } else {
            ck_assert_int_eq(item->kind, NL_ITEM_END);
            ck_assert_int_eq(item->status, job == 1 ? NL_EIO : NL_OK);
            ck_assert_int_eq(views, job == 1 ? 0 : 15);
            if (job == 1) ck_assert_ptr_nonnull(strstr(item->message, "broken.mp4"));
            views = 0;
            job++;
        }
        nl_stream_release(stream, item);
    }
    ck_assert_int_eq(job, 3);
    nl_stream_close(stream);
}
END_TEST

START_TEST(a_stream_can_be_closed_at_any_point)
{
    const struct nl_stream_job jobs[] = {{.path = numbered_clip(40)}, {.path = numbered_clip(40)}};
    struct nl_stream *stream;
    ck_assert_int_eq(nl_stream_open(jobs, 2, &spec, 1 + _i % 3, &stream), NL_OK);
    for (int i = 0; i < 3 * _i; i++) {
        struct nl_stream_item *item = nl_stream_next(stream);
        ck_assert_ptr_nonnull(item);
        nl_stream_release(stream, item);
    }
    nl_stream_close(stream);
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    struct nl_video_info info;
    const char *path = numbered_clip(11);
    nl_status st = NL_ENOMEM;
    int nth = 0;
    while (st == NL_ENOMEM && nth < 1000) {
        struct taken t = {.count = 0};
        nl_memory_fail_nth(++nth);
        st = read_video(path, &t, &info);
        nl_memory_fail_nth(0);
        clear(&t);
    }
    ck_assert_int_eq(st, NL_OK);
    ck_assert_int_gt(nth, 10);
}
END_TEST

static void remove_folder(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", folder);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    Suite *suite = suite_create("reader");
    TCase *tests = tcase_create("reader");
    tcase_add_test(tests, a_video_is_described_and_cut_into_all_views);
    tcase_add_loop_test(tests, clips_start_at_shares_of_the_frame_count_and_wrap_round, 0,
                        NL_COUNT(lengths));
    tcase_add_test(tests, views_that_show_the_same_are_given_once_with_their_weight);
    tcase_add_test(tests, crops_run_along_the_long_side);
    tcase_add_test(tests, crops_3_to_5_are_mirrored);
    tcase_add_test(tests, requests_out_of_range_are_refused);
    tcase_add_test(tests, what_the_sink_returns_ends_the_reading);
    tcase_add_test(tests, what_is_no_regular_file_is_refused_at_once);
    tcase_add_test(tests, a_file_without_permission_is_refused);
    tcase_add_loop_test(tests, texts_and_playlists_are_refused, 0, NL_COUNT(playlists));
    tcase_add_loop_test(tests, any_file_name_works, 0, NL_COUNT(odd_names));
    tcase_add_loop_test(tests, a_truncated_video_gives_its_decodable_frames_or_an_error, 1, 10);
    tcase_add_loop_test(tests, a_frame_of_extreme_shape_costs_no_more_than_its_crops, 0, 2);
    tcase_add_test(tests, a_stream_gives_the_videos_in_order_and_goes_on_after_a_broken_one);
    tcase_add_loop_test(tests, a_stream_can_be_closed_at_any_point, 0, 6);
    tcase_add_test(tests, any_failed_allocation_is_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    remove_folder();
    return failed != 0;
}
