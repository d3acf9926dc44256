#include "src/core/memory.h"
#include "src/core/text.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(text_grows_as_it_is_added_to)
{
    struct nl_text text = {.data = NULL};
    for (int i = 0; i < 1000; i++) nl_text_add(&text, "%03d,", i);
    ck_assert_int_eq(nl_text_check(&text), NL_OK);
    ck_assert_uint_eq(text.length, 4000);
    ck_assert_uint_eq(strlen(text.data), 4000);
    ck_assert_str_eq(text.data + 3996, "999,");
    nl_text_clear(&text);
    ck_assert_ptr_null(text.data);
}
END_TEST

START_TEST(a_failed_addition_is_remembered)
{
    struct nl_text text = {.data = NULL};
    nl_text_add(&text, "a");
    nl_memory_fail_nth(1);
    nl_text_add(&text, "%1000s", "b");
    nl_text_add(&text, "c");
    ck_assert_int_eq(nl_text_check(&text), NL_ENOMEM);
    ck_assert_str_eq(text.data, "a");
    nl_text_clear(&text);
    ck_assert_int_eq(nl_text_check(&text), NL_OK);
}
END_TEST

START_TEST(control_characters_are_shown_and_long_texts_cut)
{
    char out[64], small[12];
    ck_assert_str_eq(nl_text_escape("a\nb\033[1m\x7f", out, sizeof out), "a\\nb\\x1B[1m\\x7F");
    ck_assert_str_eq(nl_text_escape("", out, sizeof out), "");
    nl_text_escape("\001\001\001\001\001\001", small, sizeof small);
    ck_assert_uint_lt(strlen(small), sizeof small);
    ck_assert_int_eq(strncmp(small, "\\x01", 4), 0);
}
END_TEST

static const struct {
    const char *a, *b;
    int distance;
} pairs[] = {
    {"", "", 0},          {"pool", "pool", 0}, {"pool", "", 4},          {"", "abc", 3},
    {"poool", "pool", 1}, {"polo", "pool", 2}, {"kitten", "sitting", 3}, {"scale", "inner", 5}};

START_TEST(edit_distance_counts_insertions_deletions_and_changes)
{
    ck_assert_int_eq(nl_edit_distance(pairs[_i].a, pairs[_i].b), pairs[_i].distance);
    ck_assert_int_eq(nl_edit_distance(pairs[_i].b, pairs[_i].a), pairs[_i].distance);
}
END_TEST

START_TEST(the_nearest_known_word_is_suggested)
{
    static const char *const known[] = {"pairwise", "pool", "pool_size", "scale", NULL};
    static const char *const none[] = {NULL};
    char huge[5000];
    memset(huge, 'p', sizeof huge - 1);
    huge[sizeof huge - 1] = '\0';
    ck_assert_str_eq(nl_suggest("pairwize", known), "pairwise");
    ck_assert_str_eq(nl_suggest("pol", known), "pool");
    ck_assert_str_eq(nl_suggest("poolsize", known), "pool_size");
    ck_assert_ptr_null(nl_suggest("learning_rate", known));
    ck_assert_ptr_null(nl_suggest("pool", none));
    ck_assert_ptr_null(nl_suggest(huge, none));
    nl_suggest(huge, known);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("text");
    TCase *tc = tcase_create("words");
    tcase_add_test(tc, text_grows_as_it_is_added_to);
    tcase_add_test(tc, a_failed_addition_is_remembered);
    tcase_add_test(tc, control_characters_are_shown_and_long_texts_cut);
    tcase_add_loop_test(tc, edit_distance_counts_insertions_deletions_and_changes, 0,
                        NL_COUNT(pairs));
    tcase_add_test(tc, the_nearest_known_word_is_suggested);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
