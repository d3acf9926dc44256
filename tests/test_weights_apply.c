#include "src/weights/apply.h"
#include "src/weights/convert.h"
#include "src/weights/fit.h"
#include "src/tensor/half.h"
#include "src/weights/state_build.h"
#include "tests/weights_case.h"

#include <check.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MANY = 4 * 3 * 49 };
static float values[MANY];

/* A state as a reader makes it. */
static void add(struct nl_state *state, const char *name, int rank, const int64_t *dim)
{
    struct nl_entry entry = {.type = NL_F32, .rank = rank, .data = values, .bytes = sizeof(float)};
    for (int i = 0; i < rank; i++) {
        entry.dim[i] = dim[i];
        entry.bytes *= (size_t)dim[i];
    }
    ck_assert_uint_le(entry.bytes, sizeof values);
    ck_assert_int_eq(nl_state_add(state, name, strlen(name), &entry), NL_OK);
}

#define DIM(...)                                                                                   \
    (const int64_t[])                                                                              \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

/* All of small_network but pred_w. */
static struct nl_state state_without_pred(nl_origin origin)
{
    struct nl_state state = {.origin = origin};
    for (int i = 0; i < MANY; i++) values[i] = (float)i / 8;
    add(&state, "conv1_weights", 4, DIM(4, 3, 7, 7));
    add(&state, "bn_conv1_scale", 1, DIM(4));
    add(&state, "bn_conv1_offset", 1, DIM(4));
    add(&state, "bn_conv1_mean", 1, DIM(4));
    add(&state, "bn_conv1_variance", 1, DIM(4));
    add(&state, "pred_b", 1, DIM(5));
    return state;
}

static nl_status apply(struct nl_state *state, struct nl_params *params, double dropout_rate,
                       bool allow_missing, struct nl_load_report *report)
{
    const struct nl_apply_options options = {dropout_rate, allow_missing, false};
    ck_assert_int_eq(nl_state_sort(state), NL_OK);
    return nl_weights_apply(state, params, &options, report);
}

/* pred_w (5,6) of a network, however the file holds it. */
static const struct {
    nl_origin origin;
    int rank;
    int64_t dim[5];
    bool turned, scaled;
    const char *words;
} classifiers[] = {
    {NL_ORIGIN_PADDLE, 2, {6, 5}, true, true, "(features, classes): transposed, times 0.75"},
    {NL_ORIGIN_PADDLE, 5, {5, 6, 1, 1, 1}, false, true, "(classes, features, 1, 1, 1): times 0.75"},
    {NL_ORIGIN_CAFFE2, 2, {5, 6}, false, false, "(classes, features)"},
    {NL_ORIGIN_CAFFE2, 5, {5, 6, 1, 1, 1}, false, false, "(classes, features)"},
    {NL_ORIGIN_PYTORCH, 2, {5, 6}, false, false, "(classes, features)"},
    {NL_ORIGIN_OURS, 2, {5, 6}, false, false, "(classes, features)"},
    {NL_ORIGIN_PLAIN, 2, {5, 6}, false, false, "(classes, features)"},
    {NL_ORIGIN_PLAIN, 2, {6, 5}, true, true, "(features, classes): transposed, times 0.75"},
    {NL_ORIGIN_PLAIN, 5, {5, 6, 1, 1, 1}, false, true, "(classes, features, 1, 1, 1): times 0.75"},
};

START_TEST(the_classifier_goes_by_origin_and_shape)
{
    struct nl_params params;
    struct nl_load_report report;
    float got[30];
    struct nl_state state = state_without_pred(classifiers[_i].origin);
    add(&state, "pred_w", classifiers[_i].rank, classifiers[_i].dim);
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(apply(&state, &params, 0.25, false, &report), NL_OK);
    ck_assert_ptr_nonnull(strstr(report.pred_w, classifiers[_i].words));
    ck_assert_int_eq(report.rescaled, classifiers[_i].scaled);
    ck_assert_int_eq(nl_params_get(&params, nl_params_find(&params, "pred_w"), got), NL_OK);
    for (int k = 0; k < 5; k++)
        for (int c = 0; c < 6; c++) {
            const float want = values[classifiers[_i].turned ? c * 5 + k : k * 6 + c];
            ck_assert_float_eq(got[k * 6 + c], classifiers[_i].scaled ? want * 0.75F : want);
        }
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

START_TEST(a_converted_classifier_is_what_would_be_loaded)
{
    struct nl_params direct, converted;
    struct nl_load_report report;
    struct nl_convert_report done;
    float one[30], two[30];
    struct nl_state state = state_without_pred(classifiers[_i].origin);
    add(&state, "pred_w", classifiers[_i].rank, classifiers[_i].dim);
    make_params(&direct, small_network, SMALL_COUNT, NL_F32);
    make_params(&converted, small_network, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(apply(&state, &direct, 0.3, false, &report), NL_OK);
    nl_load_report_clear(&report);
    ck_assert_int_eq(nl_convert(&state, 0.3, &done), NL_OK);
    ck_assert(done.ours);
    ck_assert_int_eq(state.origin, NL_ORIGIN_OURS);
    nl_convert_report_clear(&done);
    ck_assert_int_eq(apply(&state, &converted, 0.9, false, &report), NL_OK);
    nl_load_report_clear(&report);
    ck_assert_int_eq(nl_params_get(&direct, 5, one), NL_OK);
    ck_assert_int_eq(nl_params_get(&converted, 5, two), NL_OK);
    ck_assert_mem_eq(one, two, sizeof one);
    nl_state_clear(&state);
    nl_params_clear(&direct);
    nl_params_clear(&converted);
}
END_TEST

START_TEST(a_square_classifier_says_how_it_was_taken)
{
    struct parameter square[SMALL_COUNT];
    struct nl_params params;
    struct nl_load_report report;
    memcpy(square, small_network, sizeof square);
    square[5].dim[1] = 5;
    make_params(&params, square, SMALL_COUNT, NL_F32);
    struct nl_state state = state_without_pred(NL_ORIGIN_PLAIN);
    add(&state, "pred_w", 2, DIM(5, 5));
    ck_assert_int_eq(apply(&state, &params, 0.5, false, &report), NL_OK);
    ck_assert_str_eq(report.pred_w,
                     "read as (classes, features), which its square shape leaves open");
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

START_TEST(what_cannot_be_told_is_kept_and_not_called_ours)
{
    struct nl_convert_report report;
    struct nl_state state = {.origin = NL_ORIGIN_PLAIN};
    add(&state, "pred_w", 2, DIM(6, 5));
    add(&state, "backbone.extra", 1, DIM(3));
    ck_assert_int_eq(nl_state_sort(&state), NL_OK);
    ck_assert_int_eq(nl_convert(&state, 0.5, &report), NL_OK);
    ck_assert(!report.ours);
    ck_assert_int_eq(state.origin, NL_ORIGIN_PLAIN);
    ck_assert_ptr_null(nl_state_meta(&state, "format"));
    ck_assert_int_eq(nl_state_find(&state, "pred_w")->dim[0], 6);
    ck_assert_int_eq(report.unknown.count, 1);
    ck_assert_str_eq(report.unknown.list[0], "backbone.extra");
    nl_convert_report_clear(&report);
    nl_state_clear(&state);
}
END_TEST

START_TEST(the_report_counts_everything)
{
    char text[512];
    struct nl_params params;
    struct nl_load_report report;
    struct nl_state state = state_without_pred(NL_ORIGIN_PADDLE);
    add(&state, "fc_0.w_0", 1, DIM(2));
    add(&state, "conv1_weights_velocity_0", 1, DIM(2));
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(apply(&state, &params, 0.5, true, &report), NL_OK);
    ck_assert_str_eq(nl_load_report_text(&report, text, sizeof text),
                     "6 loaded, 1 reshaped, 0 rescaled, 1 missing (pred_w), 1 unused (fc_0.w_0), "
                     "1 of optimizer state skipped");
    ck_assert_str_eq(report.reshaped_names.list[0], "conv1_weights");
    float got[30];
    ck_assert(params.list[0].loaded);
    ck_assert(!params.list[5].loaded);
    ck_assert_int_eq(nl_params_get(&params, 5, got), NL_OK);
    ck_assert_float_eq(got[0], -1);
    /* The four-dimensional kernel arrived in the field's layout. */
    float conv1[MANY];
    ck_assert_int_eq(nl_params_get(&params, 0, conv1), NL_OK);
    ck_assert_mem_eq(conv1, values, sizeof values);
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

static void expect_failure(struct nl_state *state, nl_status code, const char *part)
{
    struct nl_params params;
    struct nl_load_report report;
    float got[4];
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(apply(state, &params, 0.5, false, &report), code);
    ck_assert_msg(strstr(nl_error(), part) != NULL, "want \"%s\" in \"%s\"", part, nl_error());
    /* Nothing is set where something fails. */
    ck_assert_int_eq(nl_params_get(&params, 1, got), NL_OK);
    ck_assert_float_eq(got[1], -1);
    nl_load_report_clear(&report);
    nl_params_clear(&params);
    nl_state_clear(state);
}

START_TEST(missing_parameters_are_an_error_that_names_the_flag)
{
    struct nl_state state = state_without_pred(NL_ORIGIN_PADDLE);
    expect_failure(&state, NL_ESHAPE,
                   "1 of the network's 7 parameters are missing: pred_w; --allow_missing");
}
END_TEST

START_TEST(another_shape_is_an_error_with_both)
{
    struct nl_state state = state_without_pred(NL_ORIGIN_PADDLE);
    add(&state, "pred_w", 2, DIM(5, 6));
    expect_failure(&state, NL_ESHAPE, "pred_w is [5,6], the network wants [6,5]");
    state = state_without_pred(NL_ORIGIN_CAFFE2);
    add(&state, "pred_w", 2, DIM(6, 5));
    expect_failure(&state, NL_ESHAPE, "pred_w is [6,5], the network wants [5,6]");
    state = state_without_pred(NL_ORIGIN_PLAIN);
    add(&state, "pred_w", 2, DIM(7, 4));
    expect_failure(&state, NL_ESHAPE, "pred_w is [7,4], the network wants [5,6]");
}
END_TEST

START_TEST(a_kernel_without_frames_is_refused_where_frames_are_wanted)
{
    struct parameter inflated[SMALL_COUNT];
    struct nl_params params;
    struct nl_load_report report;
    memcpy(inflated, small_network, sizeof inflated);
    inflated[0].dim[2] = 5;
    make_params(&params, inflated, SMALL_COUNT, NL_F32);
    struct nl_state state = state_without_pred(NL_ORIGIN_PADDLE);
    ck_assert_int_eq(apply(&state, &params, 0.5, true, &report), NL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "spreads 2-D kernels over frames"));
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

/* Pretraining: 2-D kernels are repeated over time and divided, another classifier stays out. */
START_TEST(pretraining_spreads_kernels_and_leaves_another_head)
{
    enum { FRAMES = 5, TAPS = 49 };
    static double got[4 * 3 * FRAMES * TAPS], pred[30];
    struct parameter inflated[SMALL_COUNT];
    struct nl_params params;
    struct nl_load_report report;
    char text[512];
    const struct nl_apply_options options = {.dropout_rate = 0.5, .pretrain = true};
    memcpy(inflated, small_network, sizeof inflated);
    inflated[0].dim[2] = FRAMES;
    make_params(&params, inflated, SMALL_COUNT, NL_F32);
    struct nl_state state = {.origin = NL_ORIGIN_CAFFE2};
    for (int i = 0; i < MANY; i++) values[i] = (float)i / 8;
    add(&state, "conv1_weights", 4, DIM(4, 3, 7, 7));
    add(&state, "pred_w", 2, DIM(10, 6));
    add(&state, "pred_b", 1, DIM(10));
    ck_assert_int_eq(nl_state_sort(&state), NL_OK);
    ck_assert_msg(nl_weights_apply(&state, &params, &options, &report) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(report.loaded, 1);
    ck_assert_int_eq(report.spread, 1);
    ck_assert(report.new_head);
    nl_load_report_text(&report, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "1 2-D kernels spread over frames; a new classifier"));
    ck_assert_int_eq(nl_params_get_f64(&params, 0, got), NL_OK);
    for (int kc = 0; kc < 4 * 3; kc++)
        for (int t = 0; t < FRAMES; t++)
            for (int s = 0; s < TAPS; s++)
                ck_assert_double_eq_tol(got[(kc * FRAMES + t) * TAPS + s],
                                        (double)values[kc * TAPS + s] / FRAMES, 1e-6);
    ck_assert_int_eq(nl_params_get_f64(&params, nl_params_find(&params, "pred_w"), pred), NL_OK);
    for (int i = 0; i < 30; i++) ck_assert(pred[i] == -1);
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

START_TEST(numbers_that_are_none_are_refused_with_their_place)
{
    struct nl_state state = state_without_pred(NL_ORIGIN_PADDLE);
    add(&state, "pred_w", 2, DIM(6, 5));
    values[500] = NAN;
    expect_failure(&state, NL_EIO, "conv1_weights holds NaN at element 500 of 588");
    state = state_without_pred(NL_ORIGIN_PADDLE);
    add(&state, "pred_w", 2, DIM(6, 5));
    values[29] = -INFINITY;
    struct nl_convert_report report;
    ck_assert_int_eq(nl_state_sort(&state), NL_OK);
    ck_assert_int_eq(nl_convert(&state, 0.5, &report), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "pred_w holds Inf at element 29 of 30"));
    nl_convert_report_clear(&report);
    expect_failure(&state, NL_EIO, "holds Inf at element 29");
}
END_TEST

START_TEST(one_number_that_is_none_is_found_wherever_it_is)
{
    static const float none[] = {NAN, -NAN, INFINITY, -INFINITY};
    const struct nl_state state = {.path = NULL};
    struct nl_entry entry = {
        .name = "x", .type = NL_F32, .data = values, .bytes = 150 * sizeof *values};
    for (int i = 0; i < 150; i++) values[i] = i % 2 ? FLT_MAX : -FLT_TRUE_MIN;
    ck_assert_int_eq(nl_fit_finite(&state, &entry), NL_OK);
    for (int i = 0; i < 150; i++) {
        const float was = values[i];
        values[i] = none[i % 4];
        ck_assert_int_eq(nl_fit_finite(&state, &entry), NL_EIO);
        values[i] = was;
    }
}
END_TEST

START_TEST(a_file_of_nothing_that_belongs_is_refused)
{
    struct nl_params params;
    struct nl_load_report report;
    struct nl_state state = {.origin = NL_ORIGIN_PLAIN};
    add(&state, "something", 1, DIM(4));
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(apply(&state, &params, 0.5, true, &report), NL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "none of its 1 tensors belongs to the network"));
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

/* Exact in every type. */
START_TEST(other_types_are_converted)
{
    static const double numbers[4] = {1.5, -0.25, 1024, 0};
    static const uint16_t bf16[4] = {0x3FC0, 0xBE80, 0x4480, 0},
                          f16[4] = {0x3E00, 0xB400, 0x6400, 0};
    static const int64_t i64[4] = {1, -2, 1024, 0};
    static const struct {
        nl_type type;
        const void *data;
    } types[] = {{NL_F64, numbers}, {NL_BF16, bf16}, {NL_F16, f16}, {NL_I64, i64}};
    for (size_t t = 0; t < NL_COUNT(types); t++)
        for (int wide = 0; wide < 2; wide++) {
            struct nl_params params;
            struct nl_load_report report;
            double got[4];
            struct nl_state state = {.origin = NL_ORIGIN_PLAIN};
            const struct nl_entry entry = {.type = types[t].type,
                                           .rank = 1,
                                           .dim = {4},
                                           .data = types[t].data,
                                           .bytes = 4 * nl_type_size(types[t].type)};
            ck_assert_int_eq(nl_state_add(&state, "bn_conv1_scale", 14, &entry), NL_OK);
            make_params(&params, small_network, SMALL_COUNT, wide ? NL_F64 : NL_F32);
            ck_assert_int_eq(apply(&state, &params, 0.5, true, &report), NL_OK);
            ck_assert_int_eq(nl_params_get_f64(&params, 1, got), NL_OK);
            for (int i = 0; i < 4; i++)
                ck_assert_double_eq(got[i], types[t].type == NL_I64 ? (double)i64[i] : numbers[i]);
            nl_load_report_clear(&report);
            nl_state_clear(&state);
            nl_params_clear(&params);
        }
}
END_TEST

START_TEST(halves_become_floats_exactly)
{
    ck_assert_float_eq(nl_f16_to_float(1), 0x1p-24F);          /* the smallest subnormal */
    ck_assert_float_eq(nl_f16_to_float(0x03FF), 0x1.FF8p-15F); /* the largest subnormal */
    ck_assert_float_eq(nl_f16_to_float(0x0400), 0x1p-14F);     /* the smallest normal */
    ck_assert_float_eq(nl_f16_to_float(0x7BFF), 65504);
    ck_assert_float_eq(nl_f16_to_float(0x8001), -0x1p-24F);
    ck_assert(isinf(nl_f16_to_float(0x7C00)) && isnan(nl_f16_to_float(0x7E00)));
    ck_assert_float_eq(nl_bf16_to_float(0x8001), -0x1p-133F);
    ck_assert(isinf(nl_bf16_to_float(0xFF80)) && isnan(nl_bf16_to_float(0x7FC0)));
}
END_TEST

START_TEST(data_of_any_alignment_is_taken)
{
    struct nl_params params;
    struct nl_load_report report;
    char bytes[5 + 4 * sizeof(float)];
    const float want[4] = {1, 2, 3, 4};
    memcpy(bytes + 5, want, sizeof want);
    struct nl_state state = {.origin = NL_ORIGIN_PLAIN};
    const struct nl_entry entry = {
        .type = NL_F32, .rank = 1, .dim = {4}, .data = bytes + 5, .bytes = sizeof want};
    ck_assert_int_eq(nl_state_add(&state, "bn_conv1_scale", 14, &entry), NL_OK);
    make_params(&params, small_network, SMALL_COUNT, NL_F32);
    ck_assert_int_eq(apply(&state, &params, 0.5, true, &report), NL_OK);
    float got[4];
    ck_assert_int_eq(nl_params_get(&params, 1, got), NL_OK);
    ck_assert_mem_eq(got, want, sizeof want);
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    nl_params_clear(&params);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights apply");
    TCase *tests = tcase_create("apply");
    const int n = (int)NL_COUNT(classifiers);
    tcase_add_loop_test(tests, the_classifier_goes_by_origin_and_shape, 0, n);
    tcase_add_loop_test(tests, a_converted_classifier_is_what_would_be_loaded, 0, n);
    tcase_add_test(tests, a_square_classifier_says_how_it_was_taken);
    tcase_add_test(tests, what_cannot_be_told_is_kept_and_not_called_ours);
    tcase_add_test(tests, the_report_counts_everything);
    tcase_add_test(tests, missing_parameters_are_an_error_that_names_the_flag);
    tcase_add_test(tests, another_shape_is_an_error_with_both);
    tcase_add_test(tests, a_kernel_without_frames_is_refused_where_frames_are_wanted);
    tcase_add_test(tests, pretraining_spreads_kernels_and_leaves_another_head);
    tcase_add_test(tests, numbers_that_are_none_are_refused_with_their_place);
    tcase_add_test(tests, one_number_that_is_none_is_found_wherever_it_is);
    tcase_add_test(tests, a_file_of_nothing_that_belongs_is_refused);
    tcase_add_test(tests, other_types_are_converted);
    tcase_add_test(tests, halves_become_floats_exactly);
    tcase_add_test(tests, data_of_any_alignment_is_taken);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
