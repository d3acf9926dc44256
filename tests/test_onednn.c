/* What is special to the onednn backend: filters packed once for each version, NaN in its ReLU, the
 * caller's threads, what it says of BF16. What it serves is tests/test_onednn_served.c's. */
#include "backends/onednn/shape.h"
#include "src/core/memory.h"
#include "tests/opcase.h"

#include <check.h>
#include <math.h>
#include <omp.h>
#include <stdlib.h>

#define CONV(st, sh, sw, pt, ph, pw, act)                                                          \
    NL_OP_CONV,                                                                                    \
    {                                                                                              \
        .conv = {.stride = {st, sh, sw}, .pad = {pt, ph, pw}, .relu = act }                        \
    }

static struct nl_backend opened(const char *name, int threads)
{
    struct nl_backend be;
    ck_assert_msg(nl_backend_open(name, threads, &be) == NL_OK, "%s: %s", name, nl_error());
    return be;
}

START_TEST(relu_keeps_nan_and_next_to_nothing_of_negative_values)
{
    /* clang-format off */
    const double x[] = {2, (double)NAN, -5e6, 0}, w[] = {3};
    const struct op_case op = {
        .name = "ReLU", .given = {x, w},
        .desc = {CONV(1, 1, 1, 0, 0, 0, true),
                 {DENSE5(1, 1, 2, 2, 1), DENSE5(1, 1, 1, 1, 1)}, {DENSE5(1, 1, 2, 2, 1)}}};
    /* clang-format on */
    struct op_result y;
    struct nl_backend be = opened("onednn", 1);
    ck_assert_int_eq(op_run(&be, &op, NL_F32, "onednn", &y), NL_OK);
    ck_assert_double_eq(op_element(&y, 0, 0), 6);
    ck_assert(isnan(op_element(&y, 0, 1)));
    ck_assert_double_le(fabs(op_element(&y, 0, 2)), 1e-20);
    ck_assert_double_eq(op_element(&y, 0, 3), 0);
    op_result_clear(&y);
    nl_backend_close(&be);
}
END_TEST

enum { FILTERS = 40, CHANNELS = 24, SIDE = 9 };

/* One convolution whose filters are all `value`: what its corner becomes for inputs of 1. */
static float corner(struct nl_backend *be, const struct nl_kernel *kernel, struct nl_args *args,
                    float value)
{
    float *w = args->in[1].data, *y = args->out[0].data;
    void *packed = NULL;
    for (int64_t i = 0; i < nl_tensor_count(&args->in[1]); i++) w[i] = value;
    ck_assert_int_eq(nl_alloc(kernel->need.packed, &packed), NL_OK);
    ck_assert_int_eq(nl_kernel_pack(be, kernel, args, packed), NL_OK);
    for (int64_t i = 0; i < nl_tensor_count(&args->in[1]); i++) w[i] = NAN; /* not read again */
    args->packed = packed;
    ck_assert_int_eq(nl_kernel_run(be, kernel, args), NL_OK);
    ck_assert_int_eq(nl_kernel_run(be, kernel, args), NL_OK);
    nl_free(packed);
    return y[0];
}

START_TEST(filters_are_packed_anew_for_each_version)
{
    const int64_t x[5] = {1, 1, SIDE, SIDE, CHANNELS}, w[5] = {FILTERS, 1, 3, 3, CHANNELS},
                  y[5] = {1, 1, SIDE, SIDE, FILTERS};
    struct nl_op_desc desc = {CONV(1, 1, 1, 0, 1, 1, false),
                              {nl_tensor_dense(NL_F32, 5, x), nl_tensor_dense(NL_F32, 5, w)},
                              {nl_tensor_dense(NL_F32, 5, y)},
                              .repeat = 1};
    struct nl_args args = {.in = {desc.in[0], desc.in[1]}, .out = {desc.out[0]}};
    struct nl_backend be = opened("onednn", 2);
    struct nl_kernel kernel;
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, "onednn", &kernel), NL_OK);
    nl_tensor *const all[] = {&args.in[0], &args.in[1], &args.out[0]};
    for (size_t i = 0; i < NL_COUNT(all); i++)
        ck_assert_int_eq(nl_alloc((size_t)nl_tensor_count(all[i]) * sizeof(float), &all[i]->data),
                         NL_OK);
    ck_assert_int_eq(nl_alloc(kernel.need.workspace, &args.workspace), NL_OK);
    for (int64_t i = 0; i < nl_tensor_count(&args.in[0]); i++) ((float *)args.in[0].data)[i] = 1;
    ck_assert_float_eq(corner(&be, &kernel, &args, 2), 2 * 4 * CHANNELS);
    ck_assert_float_eq(corner(&be, &kernel, &args, -3), -3 * 4 * CHANNELS);
    nl_kernel_drop(&be, &kernel);
    for (size_t i = 0; i < NL_COUNT(all); i++) nl_free(all[i]->data);
    nl_free(args.workspace);
    nl_backend_close(&be);
}
END_TEST

START_TEST(the_callers_number_of_openmp_threads_is_left_alone)
{
    /* clang-format off */
    static const struct op_case ops[] = {
        {.name = "1x3x3",
         .desc = {CONV(1, 1, 1, 0, 1, 1, false),
                  {DENSE5(1, 1, 8, 8, 32), DENSE5(32, 1, 3, 3, 32)}, {DENSE5(1, 1, 8, 8, 32)}}},
        {.name = "a product",
         .desc = {NL_OP_PRODUCT, {.product = {.scale = 1}},
                  {DENSE4(1, 1, 128, 64), DENSE4(1, 1, 64, 128)}, {DENSE4(1, 1, 128, 128)}}}};
    /* clang-format on */
    struct op_result y;
    struct nl_backend be = opened("onednn", 2);
    omp_set_num_threads(3);
    ck_assert_int_eq(op_run(&be, &ops[_i], NL_F32, "onednn", &y), NL_OK);
    ck_assert_int_eq(omp_get_max_threads(), 3);
    op_result_clear(&y);
    nl_backend_close(&be);
}
END_TEST

START_TEST(the_best_backend_is_this_one)
{
    struct nl_backend be = opened("auto", 1);
    ck_assert_str_eq(be.ops->name, "onednn");
    nl_backend_close(&be);
}
END_TEST

START_TEST(bf16_is_emulated_where_cpu_does_so)
{
    struct nl_backend be = opened("onednn", 1), cpu = opened("cpu", 1);
    const bool amx = nl_onednn_on_amx(&be, NL_BF16);
    ck_assert_ptr_eq(be.ops->emulates(&be, NL_BF16),
                     amx ? NULL : cpu.ops->emulates(&cpu, NL_BF16));
    ck_assert_ptr_null(be.ops->emulates(&be, NL_F32));
    nl_backend_close(&be);
    nl_backend_close(&cpu);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onednn");
    TCase *tc = tcase_create("onednn");
    tcase_add_test(tc, relu_keeps_nan_and_next_to_nothing_of_negative_values);
    tcase_add_test(tc, filters_are_packed_anew_for_each_version);
    tcase_add_loop_test(tc, the_callers_number_of_openmp_threads_is_left_alone, 0, 2);
    tcase_add_test(tc, bf16_is_emulated_where_cpu_does_so);
    tcase_add_test(tc, the_best_backend_is_this_one);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
