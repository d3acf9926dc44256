#include "reader/loader.h"
#include "src/core/memory.h"
#include "src/tensor/npy.h"
#include "tests/coded_clip.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 11, BATCH = 3, FLOATS = 2 * 16 * 16 * 3, CLIPS_MOST = 32 };

static char folder[] = "/tmp/nl-loader-XXXXXX";
static char paths[SAMPLES][128];
static struct nl_sample samples[SAMPLES];

static uint8_t moving(int index, int x, int y)
{
    return (uint8_t)(30 + (7 * index + 3 * x + 5 * y + x * y / 7) % 200);
}

/* Videos of different sizes and lengths; sample 4 is a .npy clip. */
static void make_samples(void)
{
    static float in[FLOATS];
    const int64_t dim[] = {3, 2, 16, 16};
    for (int i = 0; i < SAMPLES; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.%s", folder, i, i == 4 ? "npy" : "mkv");
        samples[i] = (struct nl_sample){paths[i], 100 + i};
        if (i != 4) nl_make_lossless_clip(paths[i], 24 + 2 * i, 32 - 2 * i % 8, 3 + 3 * i, moving);
    }
    for (int i = 0; i < FLOATS; i++) in[i] = (float)i;
    ck_assert_int_eq(nl_npy_write(paths[4], NL_F32, 4, dim, in), NL_OK);
}

static struct nl_loader_job job_of(int threads)
{
    return (struct nl_loader_job){.samples = samples,
                                  .count = SAMPLES,
                                  .spec = {.length = 2,
                                           .rate = 3,
                                           .crop = 16,
                                           .jitter = {18, 24},
                                           .flip = true,
                                           .mean = 114.75,
                                           .std = 57.375},
                                  .seed = 7,
                                  .epoch = 1,
                                  .shuffle = true,
                                  .batch = BATCH,
                                  .threads = threads,
                                  .depth = 2};
}

/* Whatever an epoch gave. */
struct epoch {
    int64_t count, batches, n_bad;
    int64_t sample[CLIPS_MOST], label[CLIPS_MOST], bad[CLIPS_MOST];
    float clip[CLIPS_MOST][FLOATS];
};

static nl_status run(const struct nl_loader_job *job, struct epoch *e)
{
    struct nl_loader *loader;
    struct nl_batch *batch;
    struct nl_loader_stats stats;
    memset(e, 0, sizeof *e);
    NL_TRY(nl_loader_open(job, &loader));
    nl_status st = nl_loader_next(loader, &batch);
    while (st == NL_OK && batch) {
        ck_assert_int_eq(batch->index, job->first_batch + e->batches);
        memcpy(e->clip[e->count], batch->clips, sizeof(float) * FLOATS * (size_t)batch->count);
        for (int i = 0; i < batch->count; i++) {
            e->sample[e->count] = batch->samples[i];
            e->label[e->count++] = batch->labels[i];
        }
        e->batches++;
        nl_loader_release(loader, batch);
        st = nl_loader_next(loader, &batch);
    }
    nl_loader_stats(loader, &stats);
    ck_assert_int_eq(stats.batches, e->batches);
    ck_assert(stats.waited >= 0);
    e->n_bad = stats.n_bad;
    for (int64_t i = 0; i < stats.n_bad; i++) {
        e->bad[i] = stats.bad[i].sample;
        ck_assert_str_eq(stats.bad[i].path, samples[e->bad[i]].path);
        ck_assert_ptr_nonnull(strstr(stats.bad[i].message, stats.bad[i].path));
    }
    nl_loader_close(loader);
    return st;
}

static struct epoch one, two;

static void expect_same(void)
{
    ck_assert_mem_eq(&one, &two, sizeof one);
}

START_TEST(an_epoch_has_every_sample_once_with_its_label)
{
    bool seen[SAMPLES] = {false}, sorted = true;
    const struct nl_loader_job job = job_of(2);
    ck_assert_int_eq(run(&job, &one), NL_OK);
    ck_assert_int_eq(one.batches, 4);
    ck_assert_int_eq(one.count, SAMPLES);
    ck_assert_int_eq(one.n_bad, 0);
    for (int i = 0; i < SAMPLES; i++) {
        ck_assert(!seen[one.sample[i]]);
        seen[one.sample[i]] = true;
        sorted = sorted && one.sample[i] == i;
        ck_assert_int_eq(one.label[i], 100 + one.sample[i]);
    }
    ck_assert(!sorted);
}
END_TEST

START_TEST(clips_are_those_of_train_clip)
{
    static float clip[FLOATS];
    struct nl_clip_reader *reader;
    const struct nl_loader_job job = job_of(3);
    ck_assert_int_eq(run(&job, &one), NL_OK);
    ck_assert_int_eq(nl_clip_reader_new(&job.spec, NULL, &reader), NL_OK);
    for (int i = 0; i < SAMPLES; i++) {
        const struct nl_clip_key key = {job.seed, job.epoch, one.sample[i]};
        ck_assert_int_eq(nl_train_clip(reader, paths[one.sample[i]], &key, clip), NL_OK);
        ck_assert_mem_eq(clip, one.clip[i], sizeof clip);
    }
    nl_clip_reader_free(reader);
}
END_TEST

static const int threads[] = {2, 4, 9};

START_TEST(threads_and_depth_change_nothing)
{
    struct nl_loader_job job = job_of(1);
    ck_assert_int_eq(run(&job, &one), NL_OK);
    for (int depth = 1; depth <= 7; depth += 3) {
        job.threads = threads[_i];
        job.depth = depth;
        ck_assert_int_eq(run(&job, &two), NL_OK);
        expect_same();
    }
}
END_TEST

START_TEST(epochs_and_seeds_have_orders_and_clips_of_their_own)
{
    struct nl_loader_job job = job_of(2);
    ck_assert_int_eq(run(&job, &one), NL_OK);
    for (int i = 0; i < 2; i++) {
        job = job_of(2);
        job.epoch += i == 0;
        job.seed += i == 1;
        ck_assert_int_eq(run(&job, &two), NL_OK);
        ck_assert_mem_ne(one.sample, two.sample, sizeof one.sample);
        job.shuffle = false;
        ck_assert_int_eq(run(&job, &two), NL_OK);
        for (int k = 0; k < SAMPLES; k++) ck_assert_int_eq(two.sample[k], k);
    }
}
END_TEST

START_TEST(an_epoch_can_begin_at_any_batch)
{
    struct nl_loader_job job = job_of(2);
    ck_assert_int_eq(run(&job, &one), NL_OK);
    job.first_batch = _i;
    ck_assert_int_eq(run(&job, &two), NL_OK);
    const int64_t skipped = _i * BATCH < SAMPLES ? _i * BATCH : SAMPLES;
    ck_assert_int_eq(two.count, SAMPLES - skipped);
    ck_assert_mem_eq(two.sample, one.sample + skipped, sizeof(int64_t) * (size_t)two.count);
    ck_assert_mem_eq(two.clip, one.clip[skipped], sizeof(one.clip[0]) * (size_t)two.count);
}
END_TEST

START_TEST(a_last_batch_that_is_not_full_can_be_dropped)
{
    struct nl_loader_job job = job_of(2);
    job.drop_last = true;
    ck_assert_int_eq(run(&job, &one), NL_OK);
    ck_assert_int_eq(one.batches, 3);
    ck_assert_int_eq(one.count, 9);
    job.batch = SAMPLES + 1;
    ck_assert_int_eq(run(&job, &one), NL_EUSAGE);
    ck_assert_str_eq(nl_error(), "loader: 11 samples do not fill one batch of 12");
    job.drop_last = false;
    ck_assert_int_eq(run(&job, &one), NL_OK);
    ck_assert_int_eq(one.batches, 1);
    ck_assert_int_eq(one.count, SAMPLES);
}
END_TEST

START_TEST(jobs_out_of_range_are_refused)
{
    struct nl_loader_job job[8];
    for (int i = 0; i < 8; i++) job[i] = job_of(1);
    job[0].count = 0;
    job[1].batch = 0;
    job[2].threads = 0;
    job[3].depth = 0;
    job[4].first_batch = -1;
    job[5].max_bad = -0.5;
    job[6].spec.crop = 19;
    job[7].epoch = -1;
    for (int i = 0; i < 8; i++) {
        ck_assert_int_eq(run(&job[i], &one), NL_EUSAGE);
        ck_assert_str_ne(nl_error(), "");
    }
}
END_TEST

/* --- broken samples -------------------------------------------------------------------------- */

/* This test's own process has samples 2 and 7 broken. */
static void break_two(void)
{
    samples[2].path = "/nowhere/two.mkv";
    samples[7].path = "/nowhere/seven.mkv";
}

START_TEST(broken_samples_are_replaced_and_listed_whatever_the_threads)
{
    struct nl_loader_job job = job_of(1);
    break_two();
    job.max_bad = 2.0 / SAMPLES + 1e-9;
    ck_assert_int_eq(run(&job, &one), NL_OK);
    ck_assert_int_eq(one.count, SAMPLES);
    ck_assert_int_eq(one.n_bad, 2);
    ck_assert_int_eq(one.bad[0] + one.bad[1], 2 + 7);
    for (int i = 0; i < SAMPLES; i++) {
        ck_assert_int_ne(one.sample[i], 2);
        ck_assert_int_ne(one.sample[i], 7);
        ck_assert_int_eq(one.label[i], 100 + one.sample[i]);
    }
    for (size_t i = 0; i < NL_COUNT(threads); i++) {
        job.threads = threads[i];
        ck_assert_int_eq(run(&job, &two), NL_OK);
        expect_same();
    }
    job.shuffle = false; /* the same in their places */
    ck_assert_int_eq(run(&job, &two), NL_OK);
    ck_assert_int_eq(two.bad[0], 2);
    ck_assert_int_eq(two.bad[1], 7);
}
END_TEST

START_TEST(too_many_broken_samples_end_the_epoch_at_one_batch)
{
    struct nl_loader_job job = job_of(1);
    break_two();
    job.max_bad = 0.1;
    ck_assert_int_eq(run(&job, &one), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "2 of 11 samples could not be read"));
    ck_assert_ptr_nonnull(strstr(nl_error(), "/nowhere/"));
    for (size_t i = 0; i < NL_COUNT(threads); i++) {
        job.threads = threads[i];
        ck_assert_int_eq(run(&job, &two), NL_EIO);
        expect_same();
    }
}
END_TEST

START_TEST(a_list_of_broken_samples_is_an_error)
{
    struct nl_loader *loader;
    struct nl_batch *batch;
    struct nl_loader_job job = job_of(2);
    for (int i = 0; i < SAMPLES; i++) samples[i].path = "/nowhere";
    job.max_bad = 1;
    job.count = _i ? SAMPLES : 1;
    ck_assert_int_eq(nl_loader_open(&job, &loader), NL_OK);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nl_loader_next(loader, &batch), NL_EIO);
        ck_assert_ptr_null(batch);
        ck_assert_ptr_nonnull(strstr(nl_error(), "no sample could be read in place"));
    }
    nl_loader_close(loader);
}
END_TEST

/* --- life cycle ------------------------------------------------------------------------------ */

START_TEST(a_loader_can_be_closed_at_any_point)
{
    struct nl_loader *loader;
    struct nl_batch *batch;
    struct nl_loader_job job = job_of(1 + _i % 4);
    job.depth = 1 + _i % 3;
    ck_assert_int_eq(nl_loader_open(&job, &loader), NL_OK);
    for (int i = 0; i < _i / 2; i++) {
        ck_assert_int_eq(nl_loader_next(loader, &batch), NL_OK);
        if (batch) nl_loader_release(loader, batch);
    }
    if (_i % 2) ck_assert_int_eq(nl_loader_next(loader, &batch), NL_OK); /* kept */
    nl_loader_close(loader);
}
END_TEST

START_TEST(no_more_batches_than_there_is_room_for_are_given)
{
    struct nl_loader *loader;
    struct nl_batch *batch[3];
    const struct nl_loader_job job = job_of(2);
    ck_assert_int_eq(nl_loader_open(&job, &loader), NL_OK);
    ck_assert_int_eq(nl_loader_batches(loader), 4);
    ck_assert_int_eq(nl_loader_next(loader, &batch[0]), NL_OK);
    ck_assert_int_eq(nl_loader_next(loader, &batch[1]), NL_OK);
    ck_assert_int_eq(nl_loader_next(loader, &batch[2]), NL_EINVAL);
    nl_loader_release(loader, batch[0]);
    ck_assert_int_eq(nl_loader_next(loader, &batch[2]), NL_OK);
    ck_assert_int_eq(batch[2]->index, 2);
    nl_loader_close(loader);
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    nl_status st = NL_ENOMEM;
    int nth = 0;
    struct nl_loader_job job = job_of(1);
    samples[3].path = "/nowhere";
    job.max_bad = 1;
    while (st == NL_ENOMEM && nth < 3000) {
        nl_memory_fail_nth(++nth);
        st = run(&job, &one);
        nl_memory_fail_nth(0);
    }
    ck_assert_int_eq(st, NL_OK);
    ck_assert_int_gt(nth, 20);
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
    Suite *suite = suite_create("loader");
    TCase *tests = tcase_create("loader");
    tcase_add_unchecked_fixture(tests, make_samples, NULL);
    tcase_add_test(tests, an_epoch_has_every_sample_once_with_its_label);
    tcase_add_test(tests, clips_are_those_of_train_clip);
    tcase_add_loop_test(tests, threads_and_depth_change_nothing, 0, NL_COUNT(threads));
    tcase_add_test(tests, epochs_and_seeds_have_orders_and_clips_of_their_own);
    tcase_add_loop_test(tests, an_epoch_can_begin_at_any_batch, 0, 6);
    tcase_add_test(tests, a_last_batch_that_is_not_full_can_be_dropped);
    tcase_add_test(tests, jobs_out_of_range_are_refused);
    tcase_add_test(tests, broken_samples_are_replaced_and_listed_whatever_the_threads);
    tcase_add_test(tests, too_many_broken_samples_end_the_epoch_at_one_batch);
    tcase_add_loop_test(tests, a_list_of_broken_samples_is_an_error, 0, 2);
    tcase_add_loop_test(tests, a_loader_can_be_closed_at_any_point, 0, 8);
    tcase_add_test(tests, no_more_batches_than_there_is_room_for_are_given);
    tcase_add_test(tests, any_failed_allocation_is_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    remove_folder();
    return failed != 0;
}
