/* What is special to the onednn backend: which convolutions it serves and why it declines others,
 * filters packed once for each version, NaN in its ReLU, threads. That it agrees with ref on every
 * op is tests/test_ops.c's. */
#include "src/core/memory.h"
#include "tests/opcase.h"

#include <check.h>
#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off: it breaks descriptions in braces oddly */
#define CONV(st, sh, sw, pt, ph, pw, act)                                                          \
    NL_OP_CONV,                                                                                    \
    {                                                                                              \
        .conv = {.stride = {st, sh, sw}, .pad = {pt, ph, pw}, .relu = act }                        \
    }
#define CONV_DX(sh, sw, ph, pw, t, h, w)                                                           \
    NL_OP_CONV_DX,                                                                                 \
    {                                                                                              \
        .conv = {.stride = {1, sh, sw}, .pad = {0, ph, pw}, .extent = {t, h, w} }                  \
    }

static const struct {
    struct op_case op;
    const char *reason; /* NULL: served */
} cases[] = {
    {{.name = "the first layer",
      .tolerance = 5e-6,
      .desc = {CONV(1, 2, 2, 0, 3, 3, true),
               {DENSE5(1, 2, 30, 31, 3), DENSE5(64, 1, 7, 7, 3), VECTOR(64)},
               {DENSE5(1, 2, 15, 16, 64)}}},
     NULL},
    {{.name = "the first layer of I3D",
      .tolerance = 5e-6,
      .desc = {CONV(1, 2, 2, 2, 3, 3, false),
               {DENSE5(1, 5, 16, 15, 3), DENSE5(32, 5, 7, 7, 3)},
               {DENSE5(1, 5, 8, 8, 32)}}},
     NULL},
    {{.name = "1x3x3",
      .tolerance = 5e-6,
      .desc = {CONV(1, 1, 1, 0, 1, 1, true),
               {DENSE5(2, 2, 28, 28, 64), DENSE5(64, 1, 3, 3, 64), VECTOR(64)},
               {DENSE5(2, 2, 28, 28, 64)}}},
     NULL},
    {{.name = "1x3x3 of few rows and odd channels, with stride",
      .tolerance = 5e-6,
      .desc = {CONV(1, 2, 2, 0, 1, 1, false),
               {DENSE5(1, 3, 7, 9, 100), DENSE5(130, 1, 3, 3, 100), VECTOR(130)},
               {DENSE5(1, 3, 4, 5, 130)}}},
     NULL},
    {{.name = "3x1x1",
      .tolerance = 5e-6,
      .desc = {CONV(1, 1, 1, 1, 0, 0, true),
               {DENSE5(2, 4, 7, 7, 96), DENSE5(40, 3, 1, 1, 96), VECTOR(40)},
               {DENSE5(2, 4, 7, 7, 40)}}},
     NULL},
    {{.name = "1x1x1 of what the caches hold",
      .tolerance = 5e-6,
      .desc = {CONV(1, 1, 1, 0, 0, 0, true),
               {DENSE5(1, 4, 14, 14, 256), DENSE5(64, 1, 1, 1, 256), VECTOR(64)},
               {DENSE5(1, 4, 14, 14, 64)}}},
     NULL},
    {{.name = "dx of 1x3x3",
      .tolerance = 5e-6,
      .desc = {CONV_DX(1, 1, 1, 1, 2, 14, 14),
               {DENSE5(2, 2, 14, 14, 64), DENSE5(64, 1, 3, 3, 128)},
               {DENSE5(2, 2, 14, 14, 128)}}},
     NULL},
    {{.name = "dx of 1x3x3 with stride",
      .tolerance = 5e-6,
      .desc = {CONV_DX(2, 2, 1, 1, 2, 13, 15),
               {DENSE5(2, 2, 7, 8, 64), DENSE5(64, 1, 3, 3, 40)},
               {DENSE5(2, 2, 13, 15, 40)}}},
     NULL},
    {{.name = "1x1x1 on more than that",
      .desc = {CONV(1, 1, 1, 0, 0, 0, true),
               {DENSE5(1, 8, 55, 55, 64), DENSE5(64, 1, 1, 1, 64), VECTOR(64)},
               {DENSE5(1, 8, 55, 55, 64)}}},
     "one tap on more than 6 MiB is faster on cpu"},
    {{.name = "1x1x1 with stride",
      .desc = {CONV(1, 2, 2, 0, 0, 0, false),
               {DENSE5(1, 1, 8, 8, 64), DENSE5(64, 1, 1, 1, 64)},
               {DENSE5(1, 1, 4, 4, 64)}}},
     "one tap with a stride is faster on cpu"},
    {{.name = "a slice of channels",
      .desc = {CONV(1, 1, 1, 0, 1, 1, false),
               {ROWS5(1, 1, 8, 8, 64, 70), DENSE5(64, 1, 3, 3, 64)},
               {DENSE5(1, 1, 8, 8, 64)}}},
     "a tensor is not dense"},
    {{.name = "a residual",
      .desc = {CONV(1, 1, 1, 0, 1, 1, true),
               {DENSE5(1, 1, 8, 8, 64), DENSE5(64, 1, 3, 3, 64), VECTOR(64),
                DENSE5(1, 1, 8, 8, 64)},
               {DENSE5(1, 1, 8, 8, 64)}}},
     "the library adds a residual only where it lies, in y"},
};
/* clang-format on */

static struct nl_backend opened(const char *name, int threads)
{
    struct nl_backend be;
    ck_assert_msg(nl_backend_open(name, threads, &be) == NL_OK, "%s: %s", name, nl_error());
    return be;
}

/* The library's implementation, the last of its list, if it takes the case, or NULL and its reason. */
static const struct nl_impl *own(const struct nl_backend *be, const struct nl_op_desc *desc,
                                 nl_reason *why)
{
    for (int i = 0; i < be->ops->n_impls; i++) {
        const struct nl_impl *const *impl = be->ops->impls[i].impl;
        if (be->ops->impls[i].op != desc->op) continue;
        while (impl[1]) impl++;
        return (*impl)->can(be, desc, why) ? *impl : NULL;
    }
    return NULL;
}

START_TEST(each_convolution_is_served_or_declined_with_its_reason)
{
    nl_reason why = {""};
    struct nl_backend be = opened("onednn", 2);
    const struct nl_impl *impl = own(&be, &cases[_i].op.desc, &why);
    if (cases[_i].reason) {
        ck_assert_ptr_null(impl);
        ck_assert_str_eq(why.text, cases[_i].reason);
    } else if (strncmp(why.text, "the library has only", 20) == 0) {
        printf("skip: %s: on this processor %s\n", cases[_i].op.name, why.text);
    } else {
        ck_assert_msg(impl, "%s: %s", cases[_i].op.name, why.text);
    }
    nl_backend_close(&be);
}
END_TEST

/* Whether served or declined: what comes out is right. */
START_TEST(each_convolution_agrees_with_ref)
{
    struct op_result got, want;
    struct nl_backend be = opened("onednn", 2), ref = opened("ref", 2);
    const double tolerance = cases[_i].op.tolerance > 0 ? cases[_i].op.tolerance : OP_TOLERANCE;
    ck_assert_int_eq(op_run(&be, &cases[_i].op, NL_F32, NULL, &got), NL_OK);
    ck_assert_int_eq(op_run(&ref, &cases[_i].op, NL_F64, NULL, &want), NL_OK);
    ck_assert_double_le(op_distance(&got, &want), tolerance);
    op_result_clear(&got);
    op_result_clear(&want);
    nl_backend_close(&be);
    nl_backend_close(&ref);
}
END_TEST

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    struct op_result one, more;
    struct nl_backend be = opened("onednn", 1);
    ck_assert_int_eq(op_run(&be, &cases[_i].op, NL_F32, NULL, &one), NL_OK);
    nl_backend_close(&be);
    for (int threads = 2; threads <= 9; threads++) {
        be = opened("onednn", threads);
        ck_assert_int_eq(op_run(&be, &cases[_i].op, NL_F32, NULL, &more), NL_OK);
        ck_assert_msg(
            memcmp(one.after[0], more.after[0], (size_t)one.span[0] * sizeof *one.after[0]) == 0,
            "%s: %d threads give other bits", cases[_i].op.name, threads);
        op_result_clear(&more);
        nl_backend_close(&be);
    }
    op_result_clear(&one);
}
END_TEST

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
    ck_assert_int_eq(op_run(&be, &op, NL_F32, NULL, &y), NL_OK);
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
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
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
    struct op_result y;
    struct nl_backend be = opened("onednn", 2);
    omp_set_num_threads(3);
    ck_assert_int_eq(op_run(&be, &cases[0].op, NL_F32, NULL, &y), NL_OK);
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

int main(void)
{
    Suite *suite = suite_create("onednn");
    TCase *tc = tcase_create("onednn");
    tcase_add_loop_test(tc, each_convolution_is_served_or_declined_with_its_reason, 0,
                        (int)NL_COUNT(cases));
    tcase_add_loop_test(tc, each_convolution_agrees_with_ref, 0, (int)NL_COUNT(cases));
    tcase_add_loop_test(tc, any_number_of_threads_gives_the_same_bits, 0, (int)NL_COUNT(cases));
    tcase_add_test(tc, relu_keeps_nan_and_next_to_nothing_of_negative_values);
    tcase_add_test(tc, filters_are_packed_anew_for_each_version);
    tcase_add_test(tc, the_callers_number_of_openmp_threads_is_left_alone);
    tcase_add_test(tc, the_best_backend_is_this_one);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
