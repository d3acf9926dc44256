/* Training clips and the loader: arithmetic against frames told apart by their brightness, the same
 * bits for any number of threads, broken videos, going on in the middle of an epoch. */
#include "reader/loader.h"
#include "src/core/memory.h"
#include "src/tensor/npy.h"
#include "tests/clip_maker.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 32, LENGTH = 4, FRAME = SIDE * SIDE * 3, FLOATS = LENGTH * FRAME };
enum { SAMPLES = 11, BATCH = 3 };

static const struct nl_clip_spec plain = {.length = LENGTH,
                                          .rate = 3,
                                          .crop = SIDE,
                                          .jitter = {SIDE, SIDE},
                                          .mean = 114.75,
                                          .std = 57.375};

static char folder[] = "/tmp/nl-loader-XXXXXX";
static char paths[SAMPLES][512];
static struct nl_sample samples[SAMPLES];

/* Frame i is a plain 40 + 3 i, brighter on the right half. */
static uint8_t numbered(int index, int x, int y)
{
    (void)y;
    return (uint8_t)(40 + 3 * index + (x >= 24 ? 60 : 0));
}

/* Which frame a value of a left half is from. */
static int number_of(float value)
{
    return (int)lround((value * plain.std + plain.mean - 40) / 3);
}

/* Videos of different lengths; made once, before tests are forked. */
static void make_samples(void)
{
    for (int i = 0; i < SAMPLES; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.mkv", folder, i);
        nl_make_clip(paths[i], 48, 32, 10 + 3 * i, numbered);
        samples[i] = (struct nl_sample){paths[i], i % 4};
    }
}

START_TEST(a_clip_shows_the_frames_that_were_drawn)
{
    static float clip[FLOATS];
    const int64_t n = 10 + 3 * _i;
    const struct nl_clip_draw draw = nl_clip_draw(9, 2, _i);
    const int64_t start = nl_clip_start(&plain, &draw, n);
    ck_assert_msg(nl_clip_read(paths[_i], NULL, &plain, &draw, clip) == NL_OK, "%s", nl_error());
    ck_assert_int_le(start, n > 12 ? n - 12 : 0);
    const int left = (int)(draw.left * (48 - SIDE + 1));
    for (int k = 0; k < LENGTH; k++) {
        const int want = (int)((start + k * 3) % n);
        ck_assert_int_eq(number_of(clip[k * FRAME]), want);
        /* the brighter half begins at column 24 of the frame */
        for (int x = 0; x < SIDE; x++)
            ck_assert_int_eq(number_of(clip[k * FRAME + 3 * x]), want + (x + left >= 24 ? 20 : 0));
    }
}
END_TEST

START_TEST(starts_and_crops_reach_both_ends)
{
    bool first = false, last = false, leftmost = false, rightmost = false;
    for (int i = 0; i < 400; i++) {
        const struct nl_clip_draw draw = nl_clip_draw(1, 0, i);
        const int64_t start = nl_clip_start(&plain, &draw, 16);
        const int left = (int)(draw.left * (48 - SIDE + 1));
        ck_assert_int_ge(start, 0);
        ck_assert_int_le(start, 4);
        first = first || start == 0;
        last = last || start == 4;
        leftmost = leftmost || left == 0;
        rightmost = rightmost || left == 48 - SIDE;
    }
    ck_assert(first && last && leftmost && rightmost);
}
END_TEST

START_TEST(short_sides_are_those_of_the_original)
{
    const struct nl_clip_spec spec = {.jitter = {256, 320}};
    int low = 1000, high = 0;
    for (int i = 0; i < 4000; i++) {
        const struct nl_clip_draw draw = nl_clip_draw(1, 0, i);
        const int side = nl_clip_side(&spec, &draw);
        low = side < low ? side : low;
        high = side > high ? side : high;
    }
    ck_assert_int_eq(low, 256);
    ck_assert_int_eq(high, 319);
}
END_TEST

START_TEST(a_mirrored_clip_is_the_other_way_round)
{
    static float one[FLOATS], two[FLOATS];
    struct nl_clip_spec spec = plain;
    struct nl_clip_draw draw = nl_clip_draw(1, 0, 5);
    draw.mirror = 0.2;
    ck_assert_int_eq(nl_clip_read(paths[3], NULL, &spec, &draw, one), NL_OK);
    spec.flip = true;
    ck_assert_int_eq(nl_clip_read(paths[3], NULL, &spec, &draw, two), NL_OK);
    for (int i = 0; i < LENGTH * SIDE; i++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < 3; c++)
                ck_assert(one[(i * SIDE + x) * 3 + c] == two[(i * SIDE + SIDE - 1 - x) * 3 + c]);
}
END_TEST

START_TEST(a_crop_larger_than_the_frame_is_refused)
{
    static float clip[4 * 64 * 64 * 3];
    struct nl_clip_spec spec = plain;
    const struct nl_clip_draw draw = nl_clip_draw(1, 0, 5);
    spec.crop = 64;
    ck_assert_int_eq(nl_clip_read(paths[3], NULL, &spec, &draw, clip), NL_EUSAGE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "a crop of 64 pixels"));
}
END_TEST

START_TEST(npy_clips_are_taken_as_they_are)
{
    static float values[FLOATS], clip[FLOATS];
    char path[512];
    const struct nl_clip_draw draw = nl_clip_draw(1, 0, 0);
    snprintf(path, sizeof path, "%s/a.npy", folder);
    for (int i = 0; i < FLOATS; i++) values[i] = (float)i;
    ck_assert_int_eq(
        nl_npy_write(path, NL_F32, 4, (const int64_t[]){3, LENGTH, SIDE, SIDE}, values), NL_OK);
    ck_assert_int_eq(nl_clip_read(path, NULL, &plain, &draw, clip), NL_OK);
    for (int c = 0; c < 3; c++)
        for (int p = 0; p < FLOATS / 3; p++)
            ck_assert(clip[p * 3 + c] == values[c * (FLOATS / 3) + p]);
    ck_assert_int_eq(nl_npy_write(path, NL_F32, 4, (const int64_t[]){3, LENGTH, SIDE, 16}, values),
                     NL_OK);
    ck_assert_int_eq(nl_clip_read(path, NULL, &plain, &draw, clip), NL_EIO);
}
END_TEST

/* All batches of an epoch, one after the other, into `clips` and `labels`; how many clips. */
static int load(const struct nl_loader_job *job, float *clips, int64_t *labels, int64_t *bad)
{
    struct nl_loader *loader = NULL;
    struct nl_batch *batch = NULL;
    int count = 0;
    ck_assert_msg(nl_loader_open(job, &loader) == NL_OK, "%s", nl_error());
    for (;;) {
        ck_assert_msg(nl_loader_next(loader, &batch) == NL_OK, "%s", nl_error());
        if (!batch) break;
        memcpy(clips + count * FLOATS, batch->clips, (size_t)batch->count * FLOATS * sizeof *clips);
        memcpy(labels + count, batch->labels, (size_t)batch->count * sizeof *labels);
        count += batch->count;
        nl_loader_release(loader, batch);
    }
    if (bad) *bad = nl_loader_bad(loader);
    nl_loader_close(loader);
    return count;
}

static struct nl_loader_job epoch_of(int threads)
{
    return (struct nl_loader_job){.samples = samples,
                                  .n_samples = SAMPLES,
                                  .spec = plain,
                                  .seed = 4,
                                  .epoch = 3,
                                  .shuffle = true,
                                  .batch = BATCH,
                                  .threads = threads,
                                  .depth = 2};
}

static float one[SAMPLES * FLOATS], two[SAMPLES * FLOATS];
static int64_t labels_one[SAMPLES], labels_two[SAMPLES];

START_TEST(threads_change_nothing)
{
    const int threads[] = {1, 2, 4, 7};
    struct nl_loader_job job = epoch_of(1);
    ck_assert_int_eq(load(&job, one, labels_one, NULL), SAMPLES);
    for (size_t i = 0; i < NL_COUNT(threads); i++) {
        job = epoch_of(threads[i]);
        job.depth = 1 + (int)i;
        ck_assert_int_eq(load(&job, two, labels_two, NULL), SAMPLES);
        ck_assert_mem_eq(one, two, sizeof one);
        ck_assert_mem_eq(labels_one, labels_two, sizeof labels_one);
    }
}
END_TEST

START_TEST(an_epoch_goes_on_in_its_middle)
{
    struct nl_loader_job job = epoch_of(2);
    load(&job, one, labels_one, NULL);
    job.first_batch = 2;
    job.end_batch = 3;
    ck_assert_int_eq(load(&job, two, labels_two, NULL), BATCH);
    ck_assert_mem_eq(one + 2 * BATCH * FLOATS, two, BATCH * FLOATS * sizeof *two);
}
END_TEST

START_TEST(epochs_differ_and_show_every_sample)
{
    struct nl_loader_job job = epoch_of(2);
    int seen[4] = {0};
    load(&job, one, labels_one, NULL);
    job.epoch = 4;
    load(&job, two, labels_two, NULL);
    ck_assert_mem_ne(one, two, sizeof one);
    for (int i = 0; i < SAMPLES; i++) seen[labels_two[i]]++;
    for (int i = 0; i < 4; i++) ck_assert_int_eq(seen[i], i < 3 ? 3 : 2);
}
END_TEST

static struct nl_sample with_broken[SAMPLES];

static void break_two(void)
{
    memcpy(with_broken, samples, sizeof samples);
    with_broken[1].path = "/nowhere/one.mp4";
    with_broken[6].path = "/nowhere/two.mp4";
}

START_TEST(broken_videos_are_replaced_and_counted)
{
    struct nl_loader_job job = epoch_of(1);
    int64_t bad = 0;
    break_two();
    job.samples = with_broken;
    job.max_bad = 0.5;
    ck_assert_int_eq(load(&job, one, labels_one, &bad), SAMPLES);
    ck_assert_int_eq(bad, 2);
    job.threads = 4;
    load(&job, two, labels_two, &bad);
    ck_assert_int_eq(bad, 2);
    ck_assert_mem_eq(one, two, sizeof one);
    ck_assert_mem_eq(labels_one, labels_two, sizeof labels_one);
}
END_TEST

START_TEST(too_many_broken_videos_end_it)
{
    struct nl_loader_job job = epoch_of(2);
    struct nl_loader *loader = NULL;
    struct nl_batch *batch = NULL;
    nl_status st = NL_OK;
    break_two();
    job.samples = with_broken;
    job.max_bad = 0.1;
    ck_assert_int_eq(nl_loader_open(&job, &loader), NL_OK);
    while (st == NL_OK && (st = nl_loader_next(loader, &batch)) == NL_OK && batch)
        nl_loader_release(loader, batch);
    ck_assert_int_eq(st, NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "max_bad_videos"));
    nl_loader_close(loader);
}
END_TEST

START_TEST(a_loader_closes_wherever_it_is)
{
    for (int taken = 0; taken < 3; taken++) {
        const struct nl_loader_job job = epoch_of(3);
        struct nl_loader *loader = NULL;
        struct nl_batch *batch = NULL;
        ck_assert_int_eq(nl_loader_open(&job, &loader), NL_OK);
        for (int i = 0; i < taken; i++) ck_assert_int_eq(nl_loader_next(loader, &batch), NL_OK);
        nl_loader_close(loader);
    }
}
END_TEST

int main(void)
{
    if (!mkdtemp(folder)) return EXIT_FAILURE;
    Suite *suite = suite_create("loader");
    TCase *tc = tcase_create("loader");
    tcase_set_timeout(tc, 120);
    tcase_add_unchecked_fixture(tc, make_samples, NULL);
    tcase_add_loop_test(tc, a_clip_shows_the_frames_that_were_drawn, 0, SAMPLES);
    tcase_add_test(tc, starts_and_crops_reach_both_ends);
    tcase_add_test(tc, short_sides_are_those_of_the_original);
    tcase_add_test(tc, a_mirrored_clip_is_the_other_way_round);
    tcase_add_test(tc, a_crop_larger_than_the_frame_is_refused);
    tcase_add_test(tc, npy_clips_are_taken_as_they_are);
    tcase_add_test(tc, threads_change_nothing);
    tcase_add_test(tc, an_epoch_goes_on_in_its_middle);
    tcase_add_test(tc, epochs_differ_and_show_every_sample);
    tcase_add_test(tc, broken_videos_are_replaced_and_counted);
    tcase_add_test(tc, too_many_broken_videos_end_it);
    tcase_add_test(tc, a_loader_closes_wherever_it_is);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    char command[600];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return failed || system(command) ? EXIT_FAILURE : EXIT_SUCCESS;
}
