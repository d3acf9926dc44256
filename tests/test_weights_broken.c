/* Damaged files: whatever they hold, a load ends in a state or in one line, without a crash, a leak
 * or a read outside the file (the sanitizers and valgrind watch). */
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/weights/convert.h"
#include "src/weights/describe.h"
#include "tests/weights_case.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const char *const files[] = {
    "weights/paddle18.pdparams",   "weights/paddle2_protocol4.pdparams",
    "weights/caffe2_python2.pkl",  "weights/caffe2_python2_fortran.pkl",
    "weights/values.safetensors",  "weights/paddle18_combined.pdparams",
    "weights/paddle18_dir/pred_w", "weights/hostile_reduce.pdparams",
    "pickles/protocol0.pkl",       "pickles/protocol1.pkl",
    "pickles/protocol4.pkl",       "pickles/protocol5.pkl",
};

/* Every element is read, so that a sanitizer sees where data lies. */
static volatile double touched;

/* Counts the loads that worked. */
static int try_load(const char *path)
{
    struct nl_state state;
    struct nl_network network;
    struct nl_convert_report report;
    if (nl_state_load(path, NULL, &state) != NL_OK) {
        ck_assert_msg(strstr(nl_error(), path) != NULL, "no path in \"%s\"", nl_error());
        ck_assert(!strchr(nl_error(), '\n'));
        ck_assert_int_eq(state.count, 0);
        return 0;
    }
    for (int i = 0; i < state.count; i++)
        for (size_t k = 0; k < nl_entry_count(&state.list[i]); k++)
            touched = nl_entry_value(&state.list[i], k);
    nl_network_describe(&state, &network);
    const nl_status st = nl_convert(&state, 0.5, &report);
    if (st == NL_OK) ck_assert_int_eq(nl_state_save(&state, "/dev/null"), NL_OK);
    nl_convert_report_clear(&report);
    nl_state_clear(&state);
    return 1;
}

static void read_file(const char *name, unsigned char **bytes, size_t *size)
{
    char *text = NULL;
    ck_assert_int_eq(nl_file_read(fixture(name), 1 << 20, &text, size), NL_OK);
    *bytes = (unsigned char *)text;
}

START_TEST(no_truncation_is_read_as_whole)
{
    unsigned char *bytes;
    size_t size;
    int loaded = 0, want = 0;
    read_file(files[_i], &bytes, &size);
    const bool streams = strstr(files[_i], "combined") != NULL;
    /* All lengths of small files, and of larger ones those at either end and every seventh. */
    for (size_t cut = 0; cut < size; cut += cut < 600 || cut + 100 > size ? 1 : 7)
        loaded += try_load(scratch_file("cut", bytes, cut));
    /* Combined streams may end after any tensor: the count tells, once the network is known. */
    if (streams) want = 6;
    ck_assert_int_le(loaded, want);
    nl_free(bytes);
}
END_TEST

START_TEST(no_flipped_byte_does_harm)
{
    enum { TRIES = 400 };
    unsigned char *bytes;
    size_t size;
    struct nl_rng rng;
    nl_rng_seed(&rng, 7, files[_i]);
    read_file(files[_i], &bytes, &size);
    for (int i = 0; i < TRIES; i++) {
        unsigned char *copy = NULL;
        ck_assert_int_eq(nl_alloc(size, &copy), NL_OK);
        memcpy(copy, bytes, size);
        const int flips = 1 + i % 4;
        for (int k = 0; k < flips; k++)
            copy[nl_rng_range(&rng, 0, (int64_t)size - 1)] = (unsigned char)nl_rng_u32(&rng);
        try_load(scratch_file("flipped", copy, size));
        nl_free(copy);
    }
    nl_free(bytes);
}
END_TEST

/* Every allocation of a load fails once. */
START_TEST(a_load_that_runs_out_of_memory_says_so)
{
    struct nl_state state;
    long n = 1;
    for (;; n++) {
        nl_memory_fail_nth(n);
        const nl_status st = nl_state_load(fixture(files[_i]), NULL, &state);
        nl_memory_fail_nth(0);
        if (st == NL_OK) nl_state_clear(&state);
        if (st != NL_ENOMEM) break;
        ck_assert_int_eq(state.count, 0);
    }
    ck_assert_int_gt(n, 1);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights broken");
    TCase *tests = tcase_create("broken");
    const int n = (int)NL_COUNT(files);
    tcase_add_checked_fixture(tests, NULL, scratch_remove);
    tcase_add_loop_test(tests, no_truncation_is_read_as_whole, 0, n);
    tcase_add_loop_test(tests, no_flipped_byte_does_harm, 0, n);
    tcase_add_loop_test(tests, a_load_that_runs_out_of_memory_says_so, 0, n);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
