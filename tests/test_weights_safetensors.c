#include "src/weights/safetensors.h"
#include "tests/weights_case.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of this header (with its length in front) and `size` bytes of data. */
static const char *file_of(const char *header, size_t size)
{
    static unsigned char bytes[4096];
    const size_t length = strlen(header);
    memset(bytes, 0, sizeof bytes);
    bytes[0] = (unsigned char)length;
    bytes[1] = (unsigned char)(length >> 8);
    put_bytes(bytes, 8, header, length);
    return scratch_file("x.safetensors", bytes, 8 + length + size);
}

START_TEST(tensors_and_metadata_are_read)
{
    struct nl_state state =
        load_state(file_of("{\"__metadata__\":{\"format\":\"nonlocal\",\"epoch\":\"3\"},"
                           "\"b\":{\"dtype\":\"F32\",\"shape\":[2,1],\"data_offsets\":[0,8]},"
                           "\"a\":{\"dtype\":\"I32\",\"shape\":[],\"data_offsets\":[8,12]},"
                           "\"c\":{\"dtype\":\"BF16\",\"shape\":[0,5],\"data_offsets\":[12,12]}}  ",
                           12));
    ck_assert_int_eq(state.origin, NL_ORIGIN_OURS);
    ck_assert_str_eq(nl_state_meta(&state, "epoch"), "3");
    ck_assert_ptr_null(nl_state_meta(&state, "step"));
    ck_assert_int_eq(state.count, 3);
    ck_assert_str_eq(state.list[0].name, "a");
    ck_assert_int_eq(state.list[0].type, NL_I64);
    ck_assert_int_eq(state.list[0].rank, 0);
    ck_assert_int_eq(state.list[1].dim[0], 2);
    ck_assert_uint_eq(state.list[2].bytes, 0);
    nl_state_clear(&state);
}
END_TEST

#define A(dtype, shape, offsets)                                                                   \
    "{\"a\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"

START_TEST(broken_headers_are_refused)
{
    static const struct {
        const char *header, *why;
    } cases[] = {
        {A("F32", "[2]", "[0,4]") "}", "4 bytes of data, its shape wants 8"},
        {A("F32", "[2]", "[0,16]") "}", "truncated or broken"},
        {A("F32", "[2]", "[8,0]") "}", "truncated or broken"},
        {A("F32", "[2]", "[-8,0]") "}", "truncated or broken"},
        {A("F32", "[2]", "[0,8,9]") "}", "data_offsets of two numbers"},
        {A("F32", "[2]", "[0,8.0]") "}", "data_offsets of two numbers"},
        {A("F32", "[1]", "[0,4]") "}", "4 bytes of data belong to no tensor"},
        {A("F32", "[1]", "[4,8]") "}", "leave a gap"},
        {A("F32", "[2]", "[0,8]") ",\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[4,8]}}",
         "overlap"},
        {A("F32", "[-2]", "[0,8]") "}", "an extent that is no number"},
        {A("F32", "[4611686018427387904,4]", "[0,8]") "}", "impossible extent"},
        {A("F32", "[1,1,1,1,1,1,1,1,2]", "[0,8]") "}", "at most 8 extents"},
        {A("F8_E4M3", "[8]", "[0,8]") "}", "data type F8_E4M3 is not read"},
        {A("C64", "[1]", "[0,8]") "}", "data type C64 is not read"},
        {A("F32", "[2]", "[0,8]") ",\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[8,8]}}",
         "duplicate"},
        {"{\"a\":[1]}", "data type (none)"},
        {"{\"a\":1", "is no JSON"},
        {"{\"__metadata__\":{\"x\":1}}", "metadata x is no text"},
        {"{\"__metadata__\":3}", "want __metadata__"},
        {"{}", "belong to no tensor"},
    };
    for (size_t i = 0; i < NL_COUNT(cases); i++)
        expect_refused(file_of(cases[i].header, 8), cases[i].why);
    static const unsigned char longer[9] = {100, 0, 0, 0, 0, 0, 0, 0, '{'};
    expect_refused(scratch_file("x", longer, sizeof longer), "truncated: a header of 100 bytes");
}
END_TEST

START_TEST(a_header_of_nothing_but_brackets_costs_little)
{
    const size_t length = (size_t)8 << 20;
    unsigned char *bytes = malloc(8 + length);
    memset(bytes, '[', 8 + length);
    memset(bytes, 0, 8);
    bytes[2] = 128; /* 8 MiB */
    bytes[8] = '{';
    expect_refused(scratch_file("x", bytes, 8 + length), "a header of more than");
    free(bytes);
}
END_TEST

static float one[3] = {1, -2, 3.5F};
static double two[2] = {0.1, 1e300};
static char name_b[] = "b \"quoted\" \xC3\xA9", name_a[] = "a", key[] = "k\n",
            text[] = "multi\nline";

START_TEST(what_is_written_is_read_back)
{
    const struct nl_entry list[] = {
        {.name = name_b,
         .type = NL_F32,
         .rank = 2,
         .dim = {3, 1},
         .data = one,
         .bytes = sizeof one},
        {.name = name_a, .type = NL_F64, .rank = 1, .dim = {2}, .data = two, .bytes = sizeof two},
    };
    const struct nl_meta meta = {key, text};
    const char *path = scratch("written");
    ck_assert_int_eq(nl_safetensors_write(path, list, 2, &meta, 1, NULL, NULL), NL_OK);
    struct nl_state state = load_state(path);
    ck_assert_int_eq(state.origin, NL_ORIGIN_PLAIN);
    ck_assert_str_eq(nl_state_meta(&state, key), text);
    ck_assert_int_eq(state.count, 2);
    ck_assert_str_eq(state.list[0].name, name_a);
    ck_assert_mem_eq(state.list[0].data, two, sizeof two);
    ck_assert_uint_eq((uintptr_t)state.list[0].data % 8, 0);
    ck_assert_str_eq(state.list[1].name, name_b);
    ck_assert_mem_eq(state.list[1].data, one, sizeof one);
    nl_state_clear(&state);
}
END_TEST

START_TEST(a_failed_write_leaves_the_old_file)
{
    struct nl_entry list[] = {
        {.name = name_a, .type = NL_F64, .rank = 1, .dim = {2}, .data = two, .bytes = sizeof two},
        {.name = name_a, .type = NL_F32, .rank = 1, .dim = {3}, .data = one, .bytes = sizeof one},
    };
    const char *path = scratch_file("kept", "old", 3);
    ck_assert_int_eq(nl_safetensors_write(path, list, 2, NULL, 0, NULL, NULL), NL_EINVAL);
    ck_assert_ptr_nonnull(strstr(nl_error(), "comes twice"));
    char not_utf8[] = "\xff";
    list[1].name = not_utf8;
    ck_assert_int_eq(nl_safetensors_write(path, list, 2, NULL, 0, NULL, NULL), NL_EINVAL);
    char back[4] = "";
    FILE *file = fopen(path, "rb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fread(back, 1, 4, file), 3);
    fclose(file);
    ck_assert_str_eq(back, "old");
    ck_assert_int_eq(nl_safetensors_write("/dev/full", list, 1, NULL, 0, NULL, NULL), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "/dev/full: No space left"));
    ck_assert_int_eq(nl_safetensors_write("/dev/null", list, 1, NULL, 0, NULL, NULL), NL_OK);
    ck_assert_int_eq(nl_safetensors_write(scratch("no/folder"), list, 1, NULL, 0, NULL, NULL),
                     NL_EIO);
}
END_TEST

START_TEST(a_networks_parameters_are_saved_in_the_fields_layout)
{
    struct nl_params params;
    float values[4 * 3 * 49];
    char k[] = "epoch", v[] = "7";
    const struct nl_meta meta = {k, v};
    make_params(&params, small_network, SMALL_COUNT, _i ? NL_F64 : NL_F32);
    for (size_t i = 0; i < NL_COUNT(values); i++) values[i] = (float)i;
    ck_assert_int_eq(nl_params_set(&params, 0, values), NL_OK);
    const char *path = scratch("saved");
    ck_assert_int_eq(nl_params_save(&params, path, &meta, 1, false), NL_OK);
    struct nl_state state = load_state(path);
    ck_assert_int_eq(state.origin, NL_ORIGIN_OURS);
    ck_assert_str_eq(nl_state_meta(&state, "epoch"), "7");
    ck_assert_int_eq(state.count, SMALL_COUNT);
    const struct nl_entry *conv1 = nl_state_find(&state, "conv1_weights");
    ck_assert_int_eq(conv1->type, _i ? NL_F64 : NL_F32);
    ck_assert_int_eq(conv1->dim[1], 3);
    for (size_t i = 0; i < NL_COUNT(values); i++)
        ck_assert_double_eq(nl_entry_value(conv1, i), (double)i);
    const struct nl_entry *pred_w = nl_state_find(&state, "pred_w");
    ck_assert_int_eq(pred_w->rank, 2);
    ck_assert_int_eq(pred_w->dim[0], 5);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

START_TEST(velocities_come_back_with_every_bit)
{
    struct nl_params params, back;
    double values[4 * 3 * 49], got[4 * 3 * 49];
    bool found = false;
    const nl_type type = _i ? NL_F64 : NL_F32;
    make_params(&params, small_network, SMALL_COUNT, type);
    make_params(&back, small_network, SMALL_COUNT, type);
    ck_assert_int_eq(nl_params_train(&params), NL_OK);
    ck_assert_int_eq(nl_params_train(&back), NL_OK);
    for (size_t i = 0; i < NL_COUNT(values); i++)
        values[i] = _i ? 1.0 / (double)(i + 3) : (double)(1.0F / (float)(i + 3));
    ck_assert_int_eq(nl_params_set_velocity_f64(&params, 0, values), NL_OK);
    ck_assert_int_eq(nl_params_save(&params, scratch("saved"), NULL, 0, true), NL_OK);
    struct nl_state state = load_state(scratch("saved"));
    ck_assert_int_eq(nl_state_find(&state, "conv1_weights_velocity_0")->type, type);
    ck_assert_int_eq(nl_params_load_velocities(&back, &state, &found), NL_OK);
    ck_assert(found);
    ck_assert_int_eq(nl_params_get_velocity_f64(&back, 0, got), NL_OK);
    for (size_t i = 0; i < NL_COUNT(values); i++) ck_assert_double_eq(got[i], values[i]);
    nl_state_clear(&state);
    nl_params_clear(&params);
    nl_params_clear(&back);
}
END_TEST

START_TEST(what_is_not_finite_is_not_saved_over_what_is)
{
    static const float none[] = {NAN, INFINITY, -INFINITY};
    struct nl_params params;
    float values[4 * 3 * 49] = {0};
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    const char *path = scratch("saved");
    ck_assert_int_eq(nl_params_save(&params, path, NULL, 0, false), NL_OK);
    values[17] = none[_i];
    ck_assert_int_eq(nl_params_set(&params, 0, values), NL_OK);
    ck_assert_int_eq(nl_params_save(&params, path, NULL, 0, false), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "saved: not written, since conv1_weights has a"));
    struct nl_state state = load_state(path);
    ck_assert_double_eq(nl_entry_value(nl_state_find(&state, "conv1_weights"), 17), -1);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights safetensors");
    TCase *tests = tcase_create("safetensors");
    tcase_add_checked_fixture(tests, NULL, scratch_remove);
    tcase_add_test(tests, tensors_and_metadata_are_read);
    tcase_add_test(tests, broken_headers_are_refused);
    tcase_add_test(tests, a_header_of_nothing_but_brackets_costs_little);
    tcase_add_test(tests, what_is_written_is_read_back);
    tcase_add_test(tests, a_failed_write_leaves_the_old_file);
    tcase_add_loop_test(tests, a_networks_parameters_are_saved_in_the_fields_layout, 0, 2);
    tcase_add_loop_test(tests, velocities_come_back_with_every_bit, 0, 2);
    tcase_add_loop_test(tests, what_is_not_finite_is_not_saved_over_what_is, 0, 3);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
