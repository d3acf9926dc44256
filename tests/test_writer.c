#include "reader/writer.h"
#include "src/core/file.h"
#include "src/core/memory.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 48, HEIGHT = 32, FRAMES = 30, STRIDE = 3 * WIDTH + 5, WIDE = 2 * WIDTH };

static const struct nl_writer_spec best = {
    .width = WIDTH, .height = HEIGHT, .fps = 30, .key_interval = 8};

static char folder[] = "/tmp/nl-writer-XXXXXX";

static const char *in_folder(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* Areas of 16 x 16 pixels whose colours change with the frame: what 4:2:0 carries exactly. */
static uint8_t colour(int frame, int x, int y, int channel)
{
    return (uint8_t)(30 + (frame * 5 + 40 * (x / 16) + 70 * (y / 16) + 60 * channel) % 190);
}

static struct nl_image frame_of(int number, uint8_t pixels[HEIGHT * STRIDE])
{
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++) pixels[y * STRIDE + 3 * x + c] = colour(number, x, y, c);
    return (struct nl_image){pixels, STRIDE, WIDTH, HEIGHT};
}

static nl_status write_clip(const char *path, const struct nl_writer_spec *spec)
{
    static uint8_t pixels[HEIGHT * STRIDE + NL_WRITER_PAD];
    struct nl_writer *writer;
    NL_TRY(nl_writer_open(path, spec, &writer));
    for (int i = 0; i < FRAMES; i++) {
        const struct nl_image image = frame_of(i, pixels);
        const nl_status st = nl_writer_add(writer, &image);
        if (st == NL_OK) continue;
        nl_writer_abort(writer);
        return st;
    }
    return nl_writer_finish(writer);
}

/* The middle of each area of the next frame, against what was written. */
static void expect_frame(struct nl_video *video, int number, bool bgr)
{
    struct nl_image image;
    bool got = false;
    ck_assert_int_eq(nl_video_next(video, &got), NL_OK);
    ck_assert(got);
    ck_assert_int_eq(nl_video_image(video, &image), NL_OK);
    for (int y = 8; y < HEIGHT; y += 16)
        for (int x = 8; x < WIDTH; x += 16)
            for (int c = 0; c < 3; c++) {
                const int is = image.data[(size_t)y * image.stride + 3 * (size_t)x + (size_t)c];
                const int want = colour(number, x, y, bgr ? c : 2 - c);
                ck_assert_msg(abs(is - want) <= 4, "frame %d (%d, %d)[%d]: %d, want %d", number, x,
                              y, c, is, want);
            }
}

static const char *const endings[] = {"a.mp4", "a.mkv", "a.avi", "no-ending"};

START_TEST(what_was_written_is_read)
{
    struct nl_writer_spec spec = best;
    struct nl_video *video;
    bool got = true;
    const char *path = in_folder(endings[_i]);
    spec.bgr = _i % 2;
    ck_assert_msg(write_clip(path, &spec) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_video_open(path, NULL, &video), NL_OK);
    ck_assert_double_eq_tol(nl_video_about(video)->fps, 30, 1e-3);
    for (int i = 0; i < FRAMES; i++) expect_frame(video, i, spec.bgr);
    ck_assert_int_eq(nl_video_next(video, &got), NL_OK);
    ck_assert(!got);
    ck_assert_int_eq(nl_video_about(video)->frames, FRAMES);
    ck_assert_int_eq(nl_video_about(video)->width, WIDTH);
    ck_assert_int_eq(nl_video_about(video)->height, HEIGHT);
    nl_video_close(video);
}
END_TEST

static size_t read_bytes(const char *name, char **bytes)
{
    size_t size;
    ck_assert_int_eq(nl_file_read(in_folder(name), 1 << 24, bytes, &size), NL_OK);
    return size;
}

START_TEST(the_same_frames_give_the_same_bytes)
{
    char *one, *two;
    ck_assert_int_eq(write_clip(in_folder("one.mp4"), &best), NL_OK);
    ck_assert_int_eq(write_clip(in_folder("two.mp4"), &best), NL_OK);
    const size_t size = read_bytes("one.mp4", &one);
    ck_assert_uint_eq(read_bytes("two.mp4", &two), size);
    ck_assert_mem_eq(one, two, size);
    nl_free(one);
    nl_free(two);
}
END_TEST

START_TEST(lower_quality_and_fewer_key_frames_make_smaller_files)
{
    struct nl_writer_spec spec = best;
    char *bytes;
    size_t size[3];
    for (int i = 0; i < 3; i++) {
        spec.quality = i == 2 ? 40 : 10;
        spec.key_interval = i == 0 ? 1 : 30;
        ck_assert_int_eq(write_clip(in_folder("size.mp4"), &spec), NL_OK);
        size[i] = read_bytes("size.mp4", &bytes);
        nl_free(bytes);
    }
    ck_assert_uint_gt(size[0], size[1]);
    ck_assert_uint_gt(size[1], size[2]);
}
END_TEST

START_TEST(frames_are_resized)
{
    struct nl_writer_spec spec = best;
    struct nl_video *video;
    bool got = false;
    spec.width = WIDE;
    spec.height = HEIGHT / 2;
    ck_assert_int_eq(write_clip(in_folder("resized.mp4"), &spec), NL_OK);
    ck_assert_int_eq(nl_video_open(in_folder("resized.mp4"), NULL, &video), NL_OK);
    ck_assert_int_eq(nl_video_next(video, &got), NL_OK);
    ck_assert_int_eq(nl_video_about(video)->width, WIDE);
    ck_assert_int_eq(nl_video_about(video)->height, HEIGHT / 2);
    nl_video_close(video);
}
END_TEST

START_TEST(an_aborted_video_leaves_nothing)
{
    static uint8_t pixels[HEIGHT * STRIDE + NL_WRITER_PAD];
    struct nl_writer *writer;
    const struct nl_image image = frame_of(0, pixels);
    ck_assert_int_eq(nl_writer_open(in_folder("aborted.mp4"), &best, &writer), NL_OK);
    ck_assert_int_eq(nl_writer_add(writer, &image), NL_OK);
    nl_writer_abort(writer);
    ck_assert_int_ne(access(in_folder("aborted.mp4"), F_OK), 0);
    ck_assert_int_eq(rmdir(folder), 0); /* nor anything beside it */
}
END_TEST

static const struct nl_writer_spec refused[] = {
    {.width = 47, .height = 32, .key_interval = 8},
    {.width = 48, .height = 0, .key_interval = 8},
    {.width = 48, .height = 32, .key_interval = 0},
    {.width = 48, .height = 32, .key_interval = 8, .quality = 52},
    {.width = 48, .height = 1 << 20, .key_interval = 8},
    {.width = 48, .height = 32, .key_interval = 8, .fps = -1},
};

START_TEST(specs_out_of_range_are_refused)
{
    struct nl_writer *writer;
    ck_assert_int_eq(nl_writer_open(in_folder("bad.mp4"), &refused[_i], &writer), NL_EINVAL);
    ck_assert_ptr_null(writer);
    ck_assert_ptr_nonnull(strstr(nl_error(), "bad.mp4"));
    ck_assert_int_ne(access(in_folder("bad.mp4"), F_OK), 0);
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_named)
{
    ck_assert_int_eq(write_clip(in_folder("none/a.mp4"), &best), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "none/a.mp4: No such file"));
    if (access("/dev/full", W_OK) != 0) return;
    ck_assert_int_eq(write_clip("/dev/full", &best), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "/dev/full"));
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    nl_status st = NL_ENOMEM;
    int nth = 0;
    while (st == NL_ENOMEM && nth < 100) {
        nl_memory_fail_nth(++nth);
        st = write_clip(in_folder("memory.mp4"), &best);
        nl_memory_fail_nth(0);
    }
    ck_assert_int_eq(st, NL_OK);
    ck_assert_int_gt(nth, 1);
}
END_TEST

/* Tests run in processes, each with a folder of its own. */
static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

int main(void)
{
    Suite *suite = suite_create("writer");
    TCase *tests = tcase_create("writer");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, what_was_written_is_read, 0, NL_COUNT(endings));
    tcase_add_test(tests, the_same_frames_give_the_same_bytes);
    tcase_add_test(tests, lower_quality_and_fewer_key_frames_make_smaller_files);
    tcase_add_test(tests, frames_are_resized);
    tcase_add_test(tests, an_aborted_video_leaves_nothing);
    tcase_add_loop_test(tests, specs_out_of_range_are_refused, 0, NL_COUNT(refused));
    tcase_add_test(tests, a_file_that_cannot_be_written_is_named);
    tcase_add_test(tests, any_failed_allocation_is_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
