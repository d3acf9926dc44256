#include "src/core/memory.h"
#include "src/tensor/params.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static struct nl_params params;
static struct nl_backend be;

static void setup(void)
{
    params = (struct nl_params){.list = NULL};
    ck_assert_int_eq(nl_backend_open("ref", 1, &be), NL_OK);
}

static void teardown(void)
{
    nl_params_clear(&params);
    nl_backend_close(&be);
}

static int add(const char *name, int rank, const int64_t *dim, nl_param_role role,
               struct nl_init init)
{
    int index = -1;
    const nl_tensor t = nl_tensor_dense(NL_F32, rank, dim);
    ck_assert_int_eq(nl_params_add(&params, name, &t, role, init, &index), NL_OK);
    return index;
}

static int add_filter(const char *name, struct nl_init init)
{
    return add(name, 5, (const int64_t[]){4, 2, 3, 3, 5}, NL_ROLE_FILTER, init);
}

static int add_vector(const char *name, nl_param_role role, struct nl_init init)
{
    return add(name, 1, (const int64_t[]){500}, role, init);
}

/* Of two arrays of floating-point numbers. */
static bool same_bits(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) == 0;
}

static const struct nl_init zero = {NL_INIT_CONSTANT, 0}, normal = {NL_INIT_NORMAL, 0.01},
                            uniform = {NL_INIT_UNIFORM, 0.3};

enum { FILTER = 4 * 2 * 3 * 3 * 5 };

START_TEST(a_known_name_is_found_and_must_agree_in_shape)
{
    int index = -1;
    const int first = add_filter("res2a_branch2a_weights", normal);
    ck_assert_int_eq(add_filter("other", normal), first + 1);
    ck_assert_int_eq(add_filter("res2a_branch2a_weights", zero), first);
    ck_assert_int_eq(params.count, 2);
    ck_assert_int_eq(nl_params_find(&params, "other"), first + 1);
    ck_assert_int_eq(nl_params_find(&params, "unknown"), -1);
    const nl_tensor vector = nl_tensor_dense(NL_F32, 1, (const int64_t[]){4});
    ck_assert_int_eq(nl_params_add(&params, "other", &vector, NL_ROLE_BIAS, zero, &index),
                     NL_ESHAPE);
    ck_assert_str_eq(nl_error(), "parameter other: was [4,2,3,3,5], now [4]");
}
END_TEST

START_TEST(files_hold_channels_before_taps)
{
    int64_t dim[NL_MAX_RANK];
    const int filter = add_filter("w", normal), vector = add_vector("b", NL_ROLE_BIAS, zero);
    const int fc = add("pred_w", 5, (const int64_t[]){400, 1, 1, 1, 2048}, NL_ROLE_FC, normal);
    ck_assert_int_eq(nl_param_file_shape(&params.list[filter], dim), 5);
    const int64_t want[] = {4, 5, 2, 3, 3};
    for (int i = 0; i < 5; i++) ck_assert_int_eq(dim[i], want[i]);
    ck_assert_int_eq(nl_param_file_shape(&params.list[vector], dim), 1);
    ck_assert_int_eq(dim[0], 500);
    ck_assert_int_eq(nl_param_file_shape(&params.list[fc], dim), 2);
    ck_assert_int_eq(dim[0], 400);
    ck_assert_int_eq(dim[1], 2048);
}
END_TEST

/* _i: 0 F32, 1 F64. */
START_TEST(values_are_laid_out_with_channels_fastest_and_come_back)
{
    float values[FILTER], back[FILTER];
    const int filter = add_filter("w", normal);
    for (int i = 0; i < FILTER; i++) values[i] = (float)i;
    ck_assert_int_eq(nl_params_alloc(&params, &be, _i ? NL_F64 : NL_F32), NL_OK);
    const uint64_t version = params.version;
    ck_assert_int_eq(nl_params_set(&params, filter, values), NL_OK);
    ck_assert_uint_gt(params.version, version);
    ck_assert_int_eq(nl_params_get(&params, filter, back), NL_OK);
    ck_assert(same_bits(values, back, sizeof values));

    /* Filter 3, tap (1, 2, 0), channel 4: behind 3 * 90, (18 + 6) * 5 - 30 and 4 others here. */
    const int here = 3 * 90 + ((1 * 3 + 2) * 3 + 0) * 5 + 4;
    const int there = 3 * 90 + 4 * 18 + (1 * 3 + 2) * 3 + 0;
    const void *data = params.list[filter].tensor.data;
    ck_assert_double_eq(_i ? ((const double *)data)[here] : ((const float *)data)[here], there);
}
END_TEST

/* On three threads the last part is smaller than the others. */
START_TEST(large_parameters_are_the_same_on_any_threads)
{
    static const int64_t dims[][5] = {{45, 1, 3, 3, 512}, {100, 1, 1, 1, 2048}, {200000}};
    static float values[45 * 9 * 512], one[NL_COUNT(values)], many[NL_COUNT(values)];
    const int rank = _i < 2 ? 5 : 1;
    for (size_t i = 0; i < NL_COUNT(values); i++) values[i] = (float)i;
    for (int threads = 0; threads < 4; threads += 3) {
        nl_params_clear(&params);
        if (threads) nl_backend_close(&be);
        if (threads) ck_assert_int_eq(nl_backend_open("cpu", threads, &be), NL_OK);
        const int index = add("w", rank, dims[_i], NL_ROLE_FILTER, zero);
        const size_t bytes = (size_t)nl_tensor_count(&params.list[index].tensor) * sizeof *values;
        ck_assert_uint_le(bytes, sizeof values);
        ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_OK);
        ck_assert_int_eq(nl_params_set(&params, index, values), NL_OK);
        memcpy(threads ? many : one, params.list[index].tensor.data, bytes);
    }
    ck_assert(same_bits(one, many, sizeof one));
}
END_TEST

START_TEST(f64_parameters_keep_every_bit)
{
    double values[500], back[500];
    const int vector = add_vector("b", NL_ROLE_BIAS, zero), filter = add_filter("w", normal);
    for (int i = 0; i < 500; i++) values[i] = 1.0 / (i + 3);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F64), NL_OK);
    ck_assert_int_eq(nl_params_set_f64(&params, vector, values), NL_OK);
    ck_assert_int_eq(nl_params_get_f64(&params, vector, back), NL_OK);
    ck_assert(same_bits(values, back, sizeof values));
    ck_assert_int_eq(nl_params_set_f64(&params, filter, values), NL_OK);
    ck_assert_int_eq(nl_params_get_f64(&params, filter, back), NL_OK);
    ck_assert(same_bits(values, back, FILTER * sizeof *values));
}
END_TEST

START_TEST(memory_is_aligned_given_once_and_of_two_types)
{
    int index;
    const nl_tensor late = nl_tensor_dense(NL_F32, 1, (const int64_t[]){4});
    add_vector("b", NL_ROLE_BIAS, zero);
    add_filter("w", normal);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_BF16), NL_EINVAL);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_OK);
    for (int i = 0; i < params.count; i++)
        ck_assert_uint_eq((uintptr_t)params.list[i].tensor.data % NL_ALIGN, 0);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_EINVAL);
    ck_assert_int_eq(nl_params_add(&params, "late", &late, NL_ROLE_BIAS, zero, &index), NL_EINVAL);
}
END_TEST

/* Values of the parameter after nl_params_init, with `others` more parameters before it. */
static void initial(const char *name, int others, uint64_t seed, bool non_trivial, float *values)
{
    static const char *const names[] = {"nonlocal_conv3_1_theta_w", "nonlocal_conv3_1_out_w"};
    params = (struct nl_params){.list = NULL};
    for (int i = 0; i < others; i++) add_filter(names[i], normal);
    const int index = add_filter(name, normal);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_OK);
    ck_assert_int_eq(nl_params_init(&params, seed, non_trivial), NL_OK);
    ck_assert_int_eq(nl_params_get(&params, index, values), NL_OK);
    nl_params_clear(&params);
}

START_TEST(seed_and_name_decide_the_initial_values)
{
    float first[FILTER], again[FILTER], seeded[FILTER], named[FILTER];
    initial("conv1_weights", 0, 7, false, first);
    initial("conv1_weights", 2, 7, false, again);
    initial("conv1_weights", 0, 8, false, seeded);
    initial("conv2_weights", 0, 7, false, named);
    ck_assert(same_bits(first, again, sizeof first));
    ck_assert(!same_bits(first, seeded, sizeof first));
    ck_assert(!same_bits(first, named, sizeof first));
}
END_TEST

/* Mean, deviation and range of a parameter's values. */
struct summary {
    double mean, deviation, least, most;
};

static struct summary summarise(int index)
{
    const int64_t n = nl_tensor_count(&params.list[index].tensor);
    struct summary s = {.least = INFINITY, .most = -INFINITY};
    float *values = NULL;
    double squares = 0;
    ck_assert_int_eq(nl_calloc((size_t)n, sizeof *values, &values), NL_OK);
    ck_assert_int_eq(nl_params_get(&params, index, values), NL_OK);
    for (int64_t i = 0; i < n; i++) {
        s.mean += values[i] / (double)n;
        squares += (double)values[i] * values[i] / (double)n;
        s.least = fmin(s.least, values[i]);
        s.most = fmax(s.most, values[i]);
    }
    s.deviation = sqrt(squares - s.mean * s.mean);
    nl_free(values);
    return s;
}

START_TEST(initial_values_follow_their_rule)
{
    const int constant = add_vector("c", NL_ROLE_BN, (struct nl_init){NL_INIT_CONSTANT, 1.5}),
              normals = add_vector("n", NL_ROLE_BIAS, normal),
              uniforms = add_vector("u", NL_ROLE_BIAS, uniform);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_OK);
    ck_assert_int_eq(nl_params_init(&params, 1, false), NL_OK);
    struct summary s = summarise(constant);
    ck_assert_double_eq(s.least, 1.5);
    ck_assert_double_eq(s.most, 1.5);
    s = summarise(normals); /* 500 values: six standard errors of mean and deviation */
    ck_assert_double_eq_tol(s.mean, 0, 6 * 0.01 / sqrt(500));
    ck_assert_double_eq_tol(s.deviation, 0.01, 6 * 0.01 / sqrt(1000));
    s = summarise(uniforms);
    ck_assert_double_ge(s.least, -0.3);
    ck_assert_double_le(s.most, 0.3);
    ck_assert_double_eq_tol(s.deviation, 0.3 / sqrt(3), 0.03);
}
END_TEST

/* What non-trivial values look like: uniform in [low, high], or normal of a deviation. */
static const struct {
    const char *name;
    int rank;
    nl_param_role role;
    double low, high, deviation;
} non_trivial[] = {
    {"bn_conv1_variance", 1, NL_ROLE_STATISTIC, 0.5, 1.5, 0},
    {"bn2a_branch2a_scale", 1, NL_ROLE_BN, 0.5, 1, 0},
    {"bn2a_branch2c_scale", 1, NL_ROLE_BN, 0.25, 0.5, 0},
    {"nonlocal_conv3_1_bn_scale", 1, NL_ROLE_BN, 0.25, 0.5, 0},
    {"bn2a_branch2a_offset", 1, NL_ROLE_BN, 0, 0, 0.1},
    {"nonlocal_conv3_1_theta_b", 1, NL_ROLE_BIAS, 0, 0, 0.1},
    {"nonlocal_conv3_1_out_w", 5, NL_ROLE_FILTER, 0, 0, 0.105409255339}, /* sqrt(1 / 90) */
    {"res2a_branch2a_weights", 5, NL_ROLE_FILTER, 0, 0, 0.149071198500}, /* sqrt(2 / 90) */
    {"pred_w", 5, NL_ROLE_FC, 0, 0, 0.05},
};

START_TEST(non_trivial_values_let_every_part_show)
{
    static const int64_t vector[] = {500}, filter[] = {20, 2, 3, 3, 5};
    const int rank = non_trivial[_i].rank;
    const int index =
        add(non_trivial[_i].name, rank, rank == 1 ? vector : filter, non_trivial[_i].role, zero);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_OK);
    ck_assert_int_eq(nl_params_init(&params, 3, true), NL_OK);
    const struct summary s = summarise(index);
    if (non_trivial[_i].deviation > 0) {
        ck_assert_double_eq_tol(s.deviation / non_trivial[_i].deviation, 1, 0.2);
        return;
    }
    const double low = non_trivial[_i].low, high = non_trivial[_i].high;
    ck_assert_double_ge(s.least, low);
    ck_assert_double_le(s.most, high);
    ck_assert_double_eq_tol(s.mean, (low + high) / 2, 0.1 * (high - low));
}
END_TEST

START_TEST(a_failed_allocation_is_reported_and_leaves_nothing_behind)
{
    float values[FILTER] = {0};
    const int filter = add_filter("w", normal);
    nl_memory_fail_nth(1);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_ENOMEM);
    ck_assert_int_eq(nl_params_alloc(&params, &be, NL_F32), NL_OK);
    nl_memory_fail_nth(1);
    ck_assert_int_eq(nl_params_get(&params, filter, values), NL_ENOMEM);
    nl_memory_fail_nth(1);
    ck_assert_int_eq(nl_params_init(&params, 1, false), NL_ENOMEM);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("params");
    TCase *tc = tcase_create("list");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_known_name_is_found_and_must_agree_in_shape);
    tcase_add_test(tc, files_hold_channels_before_taps);
    tcase_add_loop_test(tc, values_are_laid_out_with_channels_fastest_and_come_back, 0, 2);
    tcase_add_loop_test(tc, large_parameters_are_the_same_on_any_threads, 0, 3);
    tcase_add_test(tc, f64_parameters_keep_every_bit);
    tcase_add_test(tc, memory_is_aligned_given_once_and_of_two_types);
    tcase_add_test(tc, seed_and_name_decide_the_initial_values);
    tcase_add_test(tc, initial_values_follow_their_rule);
    tcase_add_loop_test(tc, non_trivial_values_let_every_part_show, 0, NL_COUNT(non_trivial));
    tcase_add_test(tc, a_failed_allocation_is_reported_and_leaves_nothing_behind);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
