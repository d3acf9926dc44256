#include "src/core/memory.h"

#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

START_TEST(blocks_are_aligned_and_even_empty_ones_are_valid)
{
    const size_t bytes[] = {0, 1, 63, 64, 65, 100000};
    for (size_t i = 0; i < NL_COUNT(bytes); i++) {
        unsigned char *block = NULL;
        ck_assert_int_eq(nl_alloc(bytes[i], &block), NL_OK);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq((uintptr_t)block % NL_ALIGN, 0);
        memset(block, 1, bytes[i]);
        nl_free(block);
    }
}
END_TEST

START_TEST(counted_blocks_are_zero_and_overflow_is_refused)
{
    int64_t *block = NULL;
    ck_assert_int_eq(nl_calloc(1000, sizeof *block, &block), NL_OK);
    for (int i = 0; i < 1000; i++) ck_assert_int_eq(block[i], 0);
    nl_free(block);
    block = (int64_t *)1;
    ck_assert_int_eq(nl_calloc(SIZE_MAX / 4, 8, &block), NL_ENOMEM);
    ck_assert_ptr_null(block);
    ck_assert_int_eq(nl_alloc(SIZE_MAX, &block), NL_ENOMEM);
    ck_assert_ptr_null(block);
}
END_TEST

START_TEST(a_resized_block_keeps_its_start_and_survives_failure)
{
    int *block = NULL;
    ck_assert_int_eq(nl_resize(&block, 2, sizeof *block), NL_OK);
    block[0] = 11;
    block[1] = 12;
    ck_assert_int_eq(nl_resize(&block, 1000, sizeof *block), NL_OK);
    ck_assert_int_eq(block[1], 12);
    ck_assert_int_eq(nl_resize(&block, SIZE_MAX, sizeof *block), NL_ENOMEM);
    ck_assert_int_eq(block[0], 11);
    nl_memory_fail_nth(1);
    ck_assert_int_eq(nl_resize(&block, 2000, sizeof *block), NL_ENOMEM);
    ck_assert_int_eq(block[1], 12);
    nl_free(block);
}
END_TEST

START_TEST(texts_are_copied)
{
    char *copy = NULL;
    ck_assert_int_eq(nl_copy_text("theta", &copy), NL_OK);
    ck_assert_str_eq(copy, "theta");
    nl_free(copy);
    nl_free(NULL);
}
END_TEST

START_TEST(the_last_message_can_be_copied)
{
    char *copy = NULL;
    ck_assert_int_eq(nl_fail(NL_EIO, "a.mp4: broken"), NL_EIO);
    ck_assert_int_eq(nl_copy_text(nl_error(), &copy), NL_OK);
    ck_assert_str_eq(copy, "a.mp4: broken");
    ck_assert_str_eq(nl_error(), "a.mp4: broken");
    nl_free(copy);
}
END_TEST

START_TEST(sizes_are_checked)
{
    size_t out = 0;
    ck_assert_int_eq(nl_size_mul(7, 6, &out), NL_OK);
    ck_assert_uint_eq(out, 42);
    ck_assert_int_eq(nl_size_mul(SIZE_MAX, 1, &out), NL_OK);
    ck_assert_int_eq(nl_size_mul(SIZE_MAX, 0, &out), NL_OK);
    ck_assert_int_eq(nl_size_mul(SIZE_MAX / 2 + 1, 2, &out), NL_ENOMEM);
    ck_assert_int_eq(nl_size_add(SIZE_MAX - 1, 1, &out), NL_OK);
    ck_assert_int_eq(nl_size_add(SIZE_MAX, 1, &out), NL_ENOMEM);
    ck_assert_uint_eq(nl_align_up(0), 0);
    ck_assert_uint_eq(nl_align_up(1), 64);
    ck_assert_uint_eq(nl_align_up(64), 64);
}
END_TEST

START_TEST(the_nth_allocation_fails_once_on_demand)
{
    char *block = NULL;
    nl_memory_fail_nth(3);
    for (int i = 1; i <= 5; i++) {
        const nl_status st = i % 2 ? nl_alloc(8, &block) : nl_calloc(8, 1, &block);
        ck_assert_int_eq(st, i == 3 ? NL_ENOMEM : NL_OK);
        ck_assert((block != NULL) == (i != 3));
        nl_free(block);
    }
    nl_memory_fail_nth(1);
    nl_memory_fail_nth(0);
    ck_assert_int_eq(nl_alloc(8, &block), NL_OK);
    nl_free(block);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("memory");
    TCase *tc = tcase_create("blocks");
    tcase_add_test(tc, blocks_are_aligned_and_even_empty_ones_are_valid);
    tcase_add_test(tc, counted_blocks_are_zero_and_overflow_is_refused);
    tcase_add_test(tc, a_resized_block_keeps_its_start_and_survives_failure);
    tcase_add_test(tc, texts_are_copied);
    tcase_add_test(tc, the_last_message_can_be_copied);
    tcase_add_test(tc, sizes_are_checked);
    tcase_add_test(tc, the_nth_allocation_fails_once_on_demand);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
