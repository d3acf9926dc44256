#include "src/core/log.h"
#include "src/core/status.h"

#include <check.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static nl_status passes_on(nl_status st)
{
    NL_TRY(st);
    return NL_OK;
}

static nl_status wants_even(int number)
{
    NL_REQUIRE(number % 2 == 0, NL_EUSAGE, "want an even number, got %d", number);
    return NL_OK;
}

static nl_status cleans_up(int number, bool *cleaned)
{
    nl_status st = NL_OK;
    NL_TRY_GOTO(st, wants_even(number), out);
    st = NL_EIO; /* reached by even numbers only */
out:
    *cleaned = true;
    return st;
}

START_TEST(a_failure_gives_its_code_and_leaves_its_message)
{
    ck_assert_str_eq(nl_error(), "");
    ck_assert_int_eq(nl_fail(NL_ESHAPE, "want %d, got %s", 3, "four"), NL_ESHAPE);
    ck_assert_str_eq(nl_error(), "want 3, got four");
    ck_assert_int_eq(nl_fail(NL_EIO, "list: %s", nl_error()), NL_EIO);
    ck_assert_str_eq(nl_error(), "list: want 3, got four");
}
END_TEST

START_TEST(macros_return_the_code_and_success_keeps_the_message)
{
    bool cleaned = false;
    ck_assert_int_eq(wants_even(3), NL_EUSAGE);
    ck_assert_int_eq(wants_even(4), NL_OK);
    ck_assert_str_eq(nl_error(), "want an even number, got 3");
    ck_assert_int_eq(passes_on(NL_ENOMEM), NL_ENOMEM);
    ck_assert_int_eq(passes_on(NL_OK), NL_OK);
    ck_assert_int_eq(cleans_up(5, &cleaned), NL_EUSAGE);
    ck_assert(cleaned);
    ck_assert_int_eq(cleans_up(6, &cleaned), NL_EIO);
}
END_TEST

START_TEST(a_message_too_long_is_cut)
{
    char text[5000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    ck_assert_int_eq(nl_fail(NL_EIO, "%s", text), NL_EIO);
    ck_assert_uint_gt(strlen(nl_error()), 1000);
    ck_assert_uint_lt(strlen(nl_error()), sizeof text - 1);
}
END_TEST

static void *fails_elsewhere(void *user)
{
    (void)user;
    nl_fail(NL_EDEV, "another thread's");
    return NULL;
}

START_TEST(a_message_stays_on_its_thread)
{
    pthread_t thread;
    nl_fail(NL_EIO, "mine");
    ck_assert_int_eq(pthread_create(&thread, NULL, fails_elsewhere, NULL), 0);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    ck_assert_str_eq(nl_error(), "mine");
}
END_TEST

START_TEST(codes_have_names)
{
    ck_assert_str_eq(nl_status_name(NL_OK), "OK");
    ck_assert_str_eq(nl_status_name(NL_EUSAGE), "EUSAGE");
    ck_assert_str_eq(nl_status_name(NL_EINTR), "EINTR");
    ck_assert_str_eq(nl_status_name((nl_status)99), "unknown");
}
END_TEST

static char logged[2][64];

static void keep(nl_log_level level, const char *line, void *user)
{
    ck_assert_ptr_eq(user, logged);
    snprintf(logged[level == NL_LOG_WARN], sizeof logged[0], "%s", line);
}

START_TEST(lines_go_where_the_program_says)
{
    nl_log_set_sink(keep, logged);
    nl_note("%d views", 30);
    nl_warn("%s has no effect", "x");
    nl_log_set_sink(NULL, NULL);
    ck_assert_str_eq(logged[0], "30 views");
    ck_assert_str_eq(logged[1], "x has no effect");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("status");
    TCase *tc = tcase_create("messages");
    tcase_add_test(tc, a_failure_gives_its_code_and_leaves_its_message);
    tcase_add_test(tc, macros_return_the_code_and_success_keeps_the_message);
    tcase_add_test(tc, a_message_too_long_is_cut);
    tcase_add_test(tc, a_message_stays_on_its_thread);
    tcase_add_test(tc, codes_have_names);
    tcase_add_test(tc, lines_go_where_the_program_says);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
