#include "src/core/memory.h"
#include "src/weights/apply.h"
#include "src/weights/convert.h"
#include "src/weights/names.h"
#include "tests/weights_case.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Values written by the programs themselves; values.safetensors has what all of them hold. */
static const struct {
    const char *path;
    nl_origin origin;
    int solver;
} forms[] = {
    {"weights/paddle18.pdparams", NL_ORIGIN_PADDLE, 0},
    {"weights/paddle18", NL_ORIGIN_PADDLE, 0},
    {"weights/paddle2_protocol4.pdparams", NL_ORIGIN_PADDLE, 0},
    {"weights/paddle18_dir", NL_ORIGIN_PADDLE, 0},
    {"weights/caffe2_python2.pkl", NL_ORIGIN_CAFFE2, 3},
};

/* `turned`: `have` is the transpose of `want`. */
static void expect_equal(const struct nl_entry *have, const struct nl_entry *want, bool turned)
{
    ck_assert_uint_eq(nl_entry_count(have), nl_entry_count(want));
    const size_t columns = turned ? (size_t)want->dim[1] : 1,
                 rows = turned ? (size_t)want->dim[0] : 1;
    for (size_t i = 0; i < nl_entry_count(want); i++) {
        const size_t j = turned ? i % columns * rows + i / columns : i;
        ck_assert_double_eq(nl_entry_value(have, j), nl_entry_value(want, i));
    }
}

START_TEST(every_form_holds_the_recorded_values)
{
    struct nl_state truth = load_state(fixture("weights/values.safetensors"));
    struct nl_state state = load_state(fixture(forms[_i].path));
    ck_assert_int_eq(state.origin, forms[_i].origin);
    ck_assert_int_eq(state.solver, forms[_i].solver);
    ck_assert_int_eq(state.count, truth.count);
    for (int i = 0; i < truth.count; i++) {
        const struct nl_entry *want = &truth.list[i], *have = nl_state_find(&state, want->name);
        ck_assert_msg(have != NULL, "%s is missing", want->name);
        const bool turned = state.origin == NL_ORIGIN_CAFFE2 && strcmp(want->name, "pred_w") == 0;
        expect_equal(have, want, turned);
        if (!turned) ck_assert_mem_eq(have->dim, want->dim, (size_t)want->rank * sizeof *want->dim);
    }
    nl_state_clear(&state);
    nl_state_clear(&truth);
}
END_TEST

START_TEST(an_array_in_fortran_order_is_turned)
{
    struct nl_state truth = load_state(fixture("weights/values.safetensors"));
    struct nl_state state = load_state(fixture("weights/caffe2_python2_fortran.pkl"));
    ck_assert_int_eq(state.origin, NL_ORIGIN_CAFFE2);
    ck_assert_int_eq(state.count, 1);
    ck_assert_int_eq(state.list[0].dim[0], 5);
    expect_equal(&state.list[0], nl_state_find(&truth, "pred_w"), true);
    nl_state_clear(&state);
    nl_state_clear(&truth);
}
END_TEST

START_TEST(a_combined_file_gets_its_names_from_the_network)
{
    struct nl_params params;
    struct nl_state state, truth = load_state(fixture("weights/values.safetensors"));
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    const struct nl_state_hints hints = {&params};
    ck_assert_int_eq(nl_state_load(fixture("weights/paddle18_combined.pdparams"), &hints, &state),
                     NL_OK);
    ck_assert(!state.nameless);
    for (int i = 0; i < truth.count; i++)
        expect_equal(nl_state_find(&state, truth.list[i].name), &truth.list[i], false);
    nl_state_clear(&state);
    nl_state_clear(&truth);
    nl_params_clear(&params);
}
END_TEST

START_TEST(a_combined_file_of_another_network_names_the_first_difference)
{
    struct parameter other[SMALL_COUNT];
    struct nl_params params;
    struct nl_state state = load_state(fixture("weights/paddle18_combined.pdparams"));
    ck_assert(state.nameless);
    ck_assert_ptr_null(nl_state_find(&state, ""));
    memcpy(other, small_network, sizeof other);
    other[0].dim[4] = 5;
    make_params(&params, other, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(nl_state_adopt_names(&state, &params), NL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "tensor 5 of 7 cannot be conv1_weights"));
    nl_params_clear(&params);
    make_params(&params, small_network, SMALL_COUNT - 1, NL_F32);
    ck_assert_int_eq(nl_state_adopt_names(&state, &params), NL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "holds 7 tensors, the configured network has 6"));
    nl_params_clear(&params);
    nl_state_clear(&state);
}
END_TEST

START_TEST(files_that_are_no_weights_are_refused_with_a_line)
{
    static const char *const cases[][2] = {
        {"weights/hostile_reduce.pdparams", "refused: the file asks to run posix.system"},
        {"weights/hostile_truncated.pdparams", "truncated"},
        {"weights/slowfast.pyth", "PyTorch"},
        {"weights/torch_half.pth", "PyTorch"},
        {"weights/paddle18.pdmodel", "no weights: want safetensors"},
        {"weights/paddle18.pdopt", "holds no tensors"},
        {"weights/none", "No such file"},
    };
    for (size_t i = 0; i < NL_COUNT(cases); i++) expect_refused(fixture(cases[i][0]), cases[i][1]);
    ck_assert_int_ne(access("PWNED", F_OK), 0);
}
END_TEST

START_TEST(what_is_no_regular_file_is_refused_without_waiting)
{
    const char *fifo = scratch("fifo");
    ck_assert_int_eq(mkfifo(fifo, 0600), 0);
    expect_refused(fifo, "no regular file");
    const char *empty_folder = scratch("empty");
    ck_assert_int_eq(mkdir(empty_folder, 0700), 0);
    expect_refused(empty_folder, "holds no tensors");
    const char *loop = scratch("loop");
    ck_assert_int_eq(symlink("loop", loop), 0);
    expect_refused(loop, "symbolic links");
    expect_refused(scratch_file("nothing", "", 0), "is empty");
    expect_refused("/dev/zero", "no regular file");
    struct nl_state state;
    ck_assert_int_eq(nl_state_load("", NULL, &state), NL_EIO);
}
END_TEST

START_TEST(other_files_in_a_folder_of_tensors_are_listed)
{
    char command[9000];
    const char *folder = scratch("dir");
    snprintf(command, sizeof command, "cp -r '%s' '%s'", fixture("weights/paddle18_dir"), folder);
    ck_assert_int_eq(system(command), 0);
    scratch_file("dir/README", "not a tensor, only words", 24);
    struct nl_state state = load_state(folder);
    ck_assert_int_eq(state.count, 7);
    ck_assert_int_eq(state.ignored.count, 1);
    ck_assert_str_eq(state.ignored.list[0], "README");
    nl_state_clear(&state);
    /* A tensor cut short is not somebody else's file. */
    static const unsigned char cut[24] = {[16] = 4, [20] = 8, [21] = 5, [22] = 16, [23] = 4};
    scratch_file("dir/pred_b", cut, sizeof cut);
    expect_refused(folder, "pred_b: truncated");
}
END_TEST

static void expect_same_parameters(const struct nl_params *a, const struct nl_params *b)
{
    float one[1024], two[1024];
    for (int i = 0; i < a->count; i++) {
        ck_assert_int_eq(nl_params_get(a, i, one), NL_OK);
        ck_assert_int_eq(nl_params_get(b, i, two), NL_OK);
        const size_t count = (size_t)nl_tensor_count(&a->list[i].tensor);
        ck_assert_uint_le(count, NL_COUNT(one));
        ck_assert_mem_eq(one, two, count * sizeof *one);
    }
}

/* Whatever the origin: loading the converted file is loading the file. */
START_TEST(a_converted_file_gives_the_same_parameters)
{
    const struct nl_apply_options options = {.dropout_rate = 0.3};
    struct nl_params before, after;
    struct nl_load_report report;
    struct nl_convert_report converted;
    make_params(&before, small_network, SMALL_COUNT, NL_F32);
    make_params(&after, small_network, SMALL_COUNT, NL_F32);
    struct nl_state state = load_state(fixture(forms[_i].path));
    ck_assert_int_eq(nl_weights_apply(&state, &before, &options, &report), NL_OK);
    nl_load_report_clear(&report);
    ck_assert_int_eq(nl_convert(&state, options.dropout_rate, &converted), NL_OK);
    ck_assert(converted.ours);
    ck_assert_int_eq(converted.unknown.count, 0);
    nl_convert_report_clear(&converted);
    const char *path = scratch("converted");
    ck_assert_int_eq(nl_state_save(&state, path), NL_OK);
    nl_state_clear(&state);
    state = load_state(path);
    ck_assert_int_eq(state.origin, NL_ORIGIN_OURS);
    ck_assert_str_eq(nl_state_meta(&state, "converted_from"), nl_origin_name(forms[_i].origin));
    ck_assert_int_eq(nl_weights_apply(&state, &after, &options, &report), NL_OK);
    ck_assert_int_eq(report.rescaled, 0);
    nl_load_report_clear(&report);
    expect_same_parameters(&before, &after);
    nl_state_clear(&state);
    nl_params_clear(&before);
    nl_params_clear(&after);
}
END_TEST

START_TEST(caffe2_names_and_the_originals_translate_both_ways)
{
    static const struct {
        const char *original, *caffe2;
        bool numbered;
    } pairs[] = {
        {"conv1_weights", "conv1_w", false},
        {"bn_conv1_variance", "res_conv1_bn_riv", false},
        {"res2a_branch1_weights", "res2_0_branch1_w", false},
        {"bn3d_branch2c_mean", "res3_3_branch2c_bn_rm", false},
        {"res4b22_branch2a_weights", "res4_22_branch2a_w", true},
        {"bn4b1_branch2b_offset", "res4_1_branch2b_bn_b", true},
        {"nonlocal_conv4_13_bn_scale", "nonlocal_conv4_13_bn_s", false},
        {"nonlocal_conv3_1_theta_w", "nonlocal_conv3_1_theta_w", false},
        {"pred_b", "pred_b", false},
    };
    for (size_t i = 0; i < NL_COUNT(pairs); i++) {
        char name[NL_PART_NAME_MAX];
        struct nl_part part;
        ck_assert_msg(nl_part_parse(pairs[i].original, &part), "%s", pairs[i].original);
        ck_assert_str_eq(nl_part_name_caffe2(&part, name), pairs[i].caffe2);
        ck_assert_msg(nl_part_parse_caffe2(pairs[i].caffe2, &part), "%s", pairs[i].caffe2);
        part.numbered = pairs[i].numbered;
        ck_assert_str_eq(nl_part_name(&part, name), pairs[i].original);
    }
}
END_TEST

START_TEST(names_that_only_look_like_parts_are_none)
{
    static const char *const names[] = {"conv1_weights2",
                                        "res2_branch2a_weights",
                                        "res2a_branch2a_w",
                                        "bn2a_branch2a_weights",
                                        "res 2a_branch1_weights",
                                        "nonlocal_conv3_1_bn_s",
                                        "nonlocal_conv3_01_theta_w",
                                        "pred_",
                                        "pred_w2",
                                        "res4b01_branch2a_weights",
                                        "res4_1_branch2a_bn_variance",
                                        "nonlocal_conv3_1_sigma_w",
                                        ""};
    struct nl_part part;
    for (size_t i = 0; i < NL_COUNT(names); i++)
        ck_assert_msg(!nl_part_parse(names[i], &part), "%s", names[i]);
    ck_assert(!nl_part_parse_caffe2("conv1_weights", &part));
    ck_assert(!nl_part_parse_caffe2("res2_0_branch2a_bn_variance", &part));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights forms");
    TCase *tests = tcase_create("forms");
    const int n_forms = (int)NL_COUNT(forms);
    tcase_add_checked_fixture(tests, NULL, scratch_remove);
    tcase_add_loop_test(tests, every_form_holds_the_recorded_values, 0, n_forms);
    tcase_add_test(tests, an_array_in_fortran_order_is_turned);
    tcase_add_test(tests, a_combined_file_gets_its_names_from_the_network);
    tcase_add_test(tests, a_combined_file_of_another_network_names_the_first_difference);
    tcase_add_test(tests, files_that_are_no_weights_are_refused_with_a_line);
    tcase_add_test(tests, what_is_no_regular_file_is_refused_without_waiting);
    tcase_add_test(tests, other_files_in_a_folder_of_tensors_are_listed);
    tcase_add_loop_test(tests, a_converted_file_gives_the_same_parameters, 0, n_forms);
    tcase_add_test(tests, caffe2_names_and_the_originals_translate_both_ways);
    tcase_add_test(tests, names_that_only_look_like_parts_are_none);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
