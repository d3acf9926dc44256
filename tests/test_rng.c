#include "src/core/rng.h"
#include "src/core/status.h"

#include <check.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Known answers of the algorithm's authors (Random123, kat_vectors). */
static const struct {
    uint32_t counter[4], key[2], out[4];
} known[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

START_TEST(blocks_are_those_of_the_algorithms_authors)
{
    uint32_t out[4];
    nl_philox(known[_i].counter, known[_i].key, out);
    for (int i = 0; i < 4; i++) ck_assert_uint_eq(out[i], known[_i].out[i]);
}
END_TEST

START_TEST(seed_and_name_decide_the_stream)
{
    struct nl_rng a, b, other_name, other_seed;
    nl_rng_seed(&a, 7, "conv1_weights");
    nl_rng_seed(&b, 7, "conv1_weights");
    nl_rng_seed(&other_name, 7, "conv1_weightt");
    nl_rng_seed(&other_seed, 8, "conv1_weights");
    int same_name = 0, same_seed = 0;
    for (int i = 0; i < 64; i++) {
        const uint32_t want = nl_rng_u32(&a);
        ck_assert_uint_eq(nl_rng_u32(&b), want);
        same_name += nl_rng_u32(&other_name) == want;
        same_seed += nl_rng_u32(&other_seed) == want;
    }
    ck_assert_int_eq(same_name, 0);
    ck_assert_int_eq(same_seed, 0);
}
END_TEST

START_TEST(a_counter_carries_into_its_next_word)
{
    struct nl_rng rng;
    uint32_t out[4];
    nl_rng_seed(&rng, 1, "x");
    rng.counter[0] = 0xffffffff;
    for (int i = 0; i < 4; i++) nl_rng_u32(&rng);
    ck_assert_uint_eq(rng.counter[0], 0);
    ck_assert_uint_eq(rng.counter[1], 1);
    nl_philox(rng.counter, rng.key, out);
    ck_assert_uint_eq(nl_rng_u32(&rng), out[0]);
}
END_TEST

START_TEST(uniform_and_normal_numbers_have_their_moments)
{
    enum { COUNT = 100000 };
    struct nl_rng rng;
    double sum = 0, square = 0, normal = 0, normal_square = 0;
    nl_rng_seed(&rng, 3, "moments");
    for (int i = 0; i < COUNT; i++) {
        const double u = nl_rng_double(&rng), z = nl_rng_normal(&rng);
        ck_assert(u >= 0 && u < 1);
        sum += u;
        square += u * u;
        normal += z;
        normal_square += z * z;
    }
    /* five standard errors */
    ck_assert_double_eq_tol(sum / COUNT, 0.5, 5 * sqrt(1.0 / 12 / COUNT));
    ck_assert_double_eq_tol(square / COUNT, 1.0 / 3, 5 * sqrt(4.0 / 45 / COUNT));
    ck_assert_double_eq_tol(normal / COUNT, 0, 5 / sqrt(COUNT));
    ck_assert_double_eq_tol(normal_square / COUNT, 1, 5 * sqrt(2.0 / COUNT));
}
END_TEST

START_TEST(ranges_are_even_and_hold_both_ends)
{
    enum { COUNT = 70000 };
    struct nl_rng rng;
    int hits[7] = {0};
    nl_rng_seed(&rng, 5, "range");
    for (int i = 0; i < COUNT; i++) {
        const int64_t drawn = nl_rng_range(&rng, -3, 3);
        ck_assert(drawn >= -3 && drawn <= 3);
        hits[drawn + 3]++;
    }
    for (int i = 0; i < 7; i++) ck_assert_int_lt(abs(hits[i] - COUNT / 7), 500);
    ck_assert_int_eq(nl_rng_range(&rng, 9, 9), 9);
    bool negative = false, positive = false;
    for (int i = 0; i < 64; i++) {
        const int64_t drawn = nl_rng_range(&rng, INT64_MIN, INT64_MAX);
        negative |= drawn < 0;
        positive |= drawn > 0;
    }
    ck_assert(negative && positive);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("rng");
    TCase *tc = tcase_create("philox");
    tcase_add_loop_test(tc, blocks_are_those_of_the_algorithms_authors, 0, NL_COUNT(known));
    tcase_add_test(tc, seed_and_name_decide_the_stream);
    tcase_add_test(tc, a_counter_carries_into_its_next_word);
    tcase_add_test(tc, uniform_and_normal_numbers_have_their_moments);
    tcase_add_test(tc, ranges_are_even_and_hold_both_ends);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
