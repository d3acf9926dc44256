#include "src/core/memory.h"
#include "src/tensor/tensor.h"

#include <check.h>
#include <stdlib.h>

static nl_tensor dense(int rank, const int64_t *dim)
{
    return nl_tensor_dense(NL_F32, rank, dim);
}

START_TEST(a_dense_tensor_has_its_last_axis_fastest)
{
    const nl_tensor t = dense(5, (const int64_t[]){2, 3, 4, 5, 6});
    const int64_t want[] = {360, 120, 30, 6, 1};
    for (int i = 0; i < 5; i++) ck_assert_int_eq(t.stride[i], want[i]);
    ck_assert_int_eq(nl_tensor_count(&t), 720);
    ck_assert_int_eq(nl_tensor_span(&t), 720);
    ck_assert(nl_tensor_is_dense(&t));
    ck_assert_ptr_null(t.data);
}
END_TEST

START_TEST(strides_of_axes_of_size_one_do_not_matter)
{
    nl_tensor t = dense(3, (const int64_t[]){4, 1, 3});
    t.stride[1] = 1000;
    ck_assert(nl_tensor_is_dense(&t));
    ck_assert_int_eq(nl_tensor_span(&t), 12);
    t.stride[0] = 5; /* rows of 3 in rows of 5 */
    ck_assert(!nl_tensor_is_dense(&t));
    ck_assert_int_eq(nl_tensor_span(&t), 18);
}
END_TEST

START_TEST(an_absent_tensor_counts_as_one_element)
{
    const nl_tensor none = {.rank = 0};
    ck_assert_int_eq(nl_tensor_count(&none), 1);
    ck_assert_int_eq(nl_tensor_span(&none), 1);
}
END_TEST

START_TEST(permuting_axes_moves_extents_and_strides_together)
{
    const nl_tensor t = dense(3, (const int64_t[]){2, 3, 4});
    const nl_tensor p = nl_tensor_permute(&t, (const int[]){2, 0, 1});
    const nl_tensor want = dense(3, (const int64_t[]){4, 2, 3});
    const int64_t strides[] = {1, 12, 4};
    ck_assert(nl_tensor_same_shape(&p, &want));
    for (int i = 0; i < 3; i++) ck_assert_int_eq(p.stride[i], strides[i]);
    ck_assert(!nl_tensor_is_dense(&p));
    ck_assert_int_eq(nl_tensor_span(&p), 24);
}
END_TEST

START_TEST(shapes_of_other_rank_or_extent_differ)
{
    const nl_tensor a = dense(2, (const int64_t[]){2, 3}), b = dense(2, (const int64_t[]){2, 4}),
                    c = dense(3, (const int64_t[]){2, 3, 1});
    ck_assert(nl_tensor_same_shape(&a, &a));
    ck_assert(!nl_tensor_same_shape(&a, &b));
    ck_assert(!nl_tensor_same_shape(&a, &c));
}
END_TEST

START_TEST(bytes_are_those_of_the_span)
{
    size_t bytes = 0;
    nl_tensor t = dense(2, (const int64_t[]){3, 4});
    ck_assert_int_eq(nl_tensor_bytes(&t, &bytes), NL_OK);
    ck_assert_uint_eq(bytes, 48);
    t.stride[0] = 10;
    t.type = NL_F64;
    ck_assert_int_eq(nl_tensor_bytes(&t, &bytes), NL_OK);
    ck_assert_uint_eq(bytes, 192); /* 2 rows of 10 and one of 4, 8 bytes each */
    t.dim[1] = 0;
    ck_assert_int_eq(nl_tensor_bytes(&t, &bytes), NL_OK);
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

/* Extents that no memory holds, among them products that wrap around to small numbers. */
static const int64_t impossible[][3] = {
    {INT64_C(1) << 40, INT64_C(1) << 40, 1},
    {2, INT64_C(1) << 62, 8},
    {INT64_C(1) << 32, INT64_C(1) << 32, 1},
    {INT64_C(1) << 62, 1, 1},
    {2, -1, 3},
};

START_TEST(impossible_extents_are_an_error_and_no_small_number)
{
    size_t bytes = 0;
    const nl_tensor t = dense(3, impossible[_i]);
    ck_assert_int_eq(nl_tensor_bytes(&t, &bytes), NL_ENOMEM);
    ck_assert_str_ne(nl_error(), "");
}
END_TEST

START_TEST(a_shape_reads_as_text)
{
    char text[128], small[6];
    const nl_tensor t = dense(5, (const int64_t[]){8, 4, 28, 28, 512}), none = {.rank = 0};
    ck_assert_str_eq(nl_tensor_text(&t, text, sizeof text), "[8,4,28,28,512]");
    ck_assert_str_eq(nl_tensor_text(&none, text, sizeof text), "[]");
    ck_assert_str_eq(nl_tensor_text(&t, small, sizeof small), "[8,4,");
}
END_TEST

START_TEST(types_have_sizes_and_names)
{
    static const struct {
        nl_type type;
        size_t size;
        const char *name;
    } want[] = {{NL_F32, 4, "f32"}, {NL_F64, 8, "f64"}, {NL_BF16, 2, "bf16"},
                {NL_F16, 2, "f16"}, {NL_U8, 1, "u8"},   {NL_I64, 8, "i64"}};
    for (size_t i = 0; i < NL_COUNT(want); i++) {
        ck_assert_uint_eq(nl_type_size(want[i].type), want[i].size);
        ck_assert_str_eq(nl_type_name(want[i].type), want[i].name);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("tensor");
    TCase *tc = tcase_create("views");
    tcase_add_test(tc, a_dense_tensor_has_its_last_axis_fastest);
    tcase_add_test(tc, strides_of_axes_of_size_one_do_not_matter);
    tcase_add_test(tc, an_absent_tensor_counts_as_one_element);
    tcase_add_test(tc, permuting_axes_moves_extents_and_strides_together);
    tcase_add_test(tc, shapes_of_other_rank_or_extent_differ);
    tcase_add_test(tc, bytes_are_those_of_the_span);
    tcase_add_loop_test(tc, impossible_extents_are_an_error_and_no_small_number, 0,
                        NL_COUNT(impossible));
    tcase_add_test(tc, a_shape_reads_as_text);
    tcase_add_test(tc, types_have_sizes_and_names);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
