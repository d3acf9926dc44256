/* Cases small enough to compute by hand, so that ref itself is held to something. */
#include "tests/opcase.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define LN2 0.69314718055994530942
#define LIST(...)                                                                                  \
    (const double[])                                                                               \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }
#define NONE                                                                                       \
    {                                                                                              \
        .rank = 0                                                                                  \
    }

struct known {
    struct op_case op;
    const double *want[NL_MAX_OUT]; /* dense */
};

/* clang-format off */
static const struct known cases[] = {
    {{.name = "conv 1x1x3 slides along a row, zeros outside",
      .desc = {NL_OP_CONV, {.conv = {.stride = {1, 1, 1}, .pad = {0, 0, 1}, .relu = false}},
               {DENSE5(1, 1, 1, 3, 1), DENSE5(1, 1, 1, 3, 1)}, {DENSE5(1, 1, 1, 3, 1)}},
      .given = {LIST(1, 2, 3), LIST(1, 10, 100)}},
     {LIST(210, 321, 32)}},
    {{.name = "conv 3x1x1 slides along time with stride 2",
      .desc = {NL_OP_CONV, {.conv = {.stride = {2, 1, 1}, .pad = {1, 0, 0}, .relu = false}},
               {DENSE5(1, 4, 1, 1, 1), DENSE5(1, 3, 1, 1, 1)}, {DENSE5(1, 2, 1, 1, 1)}},
      .given = {LIST(1, 2, 3, 4), LIST(1, 10, 100)}},
     {LIST(210, 432)}},
    {{.name = "conv 1x3x3 on 2x2",
      .desc = {NL_OP_CONV, {.conv = {.stride = {1, 1, 1}, .pad = {0, 1, 1}, .relu = false}},
               {DENSE5(1, 1, 2, 2, 1), DENSE5(1, 1, 3, 3, 1)}, {DENSE5(1, 1, 2, 2, 1)}},
      .given = {LIST(1, 2, 3, 4), LIST(1, 2, 3, 4, 5, 6, 7, 8, 9)}},
     {LIST(5 + 12 + 24 + 36, 4 + 10 + 21 + 32, 2 + 6 + 15 + 24, 1 + 4 + 12 + 20)}},
    {{.name = "conv mixes channels, adds bias and residual, then ReLU",
      .desc = {NL_OP_CONV, {.conv = {.stride = {1, 1, 1}, .pad = {0, 0, 0}, .relu = true}},
               {DENSE5(1, 1, 1, 2, 2), DENSE5(2, 1, 1, 1, 2), VECTOR(2), DENSE5(1, 1, 1, 2, 2)},
               {DENSE5(1, 1, 1, 2, 2)}},
      .given = {LIST(1, 2, 3, 4), LIST(1, 1, 1, -1), LIST(10, 0), LIST(100, 0, 0, 4)}},
     {LIST(113, 0, 17, 3)}},
    {{.name = "max_pool takes the largest",
      .desc = {NL_OP_MAX_POOL, {.pool = {.kernel = {1, 2, 2}, .stride = {1, 2, 2}}},
               {DENSE5(1, 1, 2, 5, 1)}, {DENSE5(1, 1, 1, 2, 1)}},
      .given = {LIST(-1, -2, 5, 1, 9, -3, -4, 2, 3, 9)}},
     {LIST(-1, 5)}},
    {{.name = "max_pool keeps a NaN wherever it stands",
      .desc = {NL_OP_MAX_POOL, {.pool = {.kernel = {1, 1, 3}, .stride = {1, 1, 3}}},
               {DENSE5(1, 1, 1, 9, 1)}, {DENSE5(1, 1, 1, 3, 1)}},
      .given = {LIST(NAN, 1, 2, 1, NAN, 2, 1, 2, NAN)}},
     {LIST(NAN, NAN, NAN)}},
    {{.name = "avg_pool takes the mean",
      .desc = {NL_OP_AVG_POOL, {.pool = {.kernel = {2, 1, 2}, .stride = {1, 1, 1}}},
               {DENSE5(1, 2, 1, 3, 1)}, {DENSE5(1, 1, 1, 2, 1)}},
      .given = {LIST(1, 2, 3, 5, 6, 7)}},
     {LIST(3.5, 4.5)}},
    {{.name = "affine scales and shifts channels, NaN stays NaN in ReLU",
      .desc = {NL_OP_AFFINE, {.pointwise = {true}},
               {DENSE5(1, 1, 1, 2, 2), VECTOR(2), VECTOR(2), DENSE5(1, 1, 1, 2, 2)},
               {DENSE5(1, 1, 1, 2, 2)}},
      .given = {LIST(1, 2, 3, NAN), LIST(2, 3), LIST(1, -7), LIST(10, 0, -20, 0)}},
     {LIST(13, 0, 0, NAN)}},
    {{.name = "add with ReLU",
      .desc = {NL_OP_ADD, {.pointwise = {true}},
               {DENSE5(1, 1, 1, 1, 3), DENSE5(1, 1, 1, 1, 3)}, {DENSE5(1, 1, 1, 1, 3)}},
      .given = {LIST(1, 2, NAN), LIST(-3, 5, 1)}},
     {LIST(0, 7, NAN)}},
    {{.name = "relu keeps NaN",
      .desc = {NL_OP_RELU, {.pointwise = {false}},
               {DENSE5(1, 1, 1, 1, 4)}, {DENSE5(1, 1, 1, 1, 4)}},
      .given = {LIST(-1, 0, 2, NAN)}},
     {LIST(0, 0, 2, NAN)}},
    {{.name = "softmax of logarithms gives back shares, at any height",
      .desc = {NL_OP_SOFTMAX, {.pointwise = {false}}, {DENSE2(2, 3)}, {DENSE2(2, 3)}},
      .given = {LIST(0, LN2, 0, 500, 500 + LN2, 500)}},
     {LIST(0.25, 0.5, 0.25, 0.25, 0.5, 0.25)}},
    {{.name = "mean over positions",
      .desc = {NL_OP_MEAN, {.pointwise = {false}}, {DENSE5(2, 1, 1, 2, 2)}, {DENSE2(2, 2)}},
      .given = {LIST(1, 2, 3, 4, 5, 6, 7, 8)}},
     {LIST(2, 3, 6, 7)}},
    {{.name = "pairwise exp / sum of equal scores is the mean of values",
      .desc = {NL_OP_PAIRWISE, {.pairwise = {.score = NL_SCORE_PRODUCT, .f = NL_F_EXP, .norm = NL_NORM_SUM, .scale = 1}},
               {DENSE4(1, 1, 2, 2), DENSE4(1, 1, 3, 2), DENSE4(1, 1, 3, 1)}, {DENSE4(1, 1, 2, 1)}},
      .given = {LIST(40, 40, -40, -40), LIST(1, 1, 1, 1, 1, 1), LIST(1, 2, 6)}},
     {LIST(3, 3)}},
    {{.name = "pairwise exp / sum weighs values by exp of the scaled product",
      .desc = {NL_OP_PAIRWISE, {.pairwise = {.score = NL_SCORE_PRODUCT, .f = NL_F_EXP, .norm = NL_NORM_SUM, .scale = 0.5}},
               {DENSE4(1, 1, 1, 1), DENSE4(1, 1, 2, 1), DENSE4(1, 1, 2, 2)}, {DENSE4(1, 1, 1, 2)}},
      .given = {LIST(2), LIST(0, LN2), LIST(3, 0, 6, 9)}},
     {LIST(5, 6)}},
    {{.name = "pairwise identity / count",
      .desc = {NL_OP_PAIRWISE, {.pairwise = {.score = NL_SCORE_PRODUCT, .f = NL_F_IDENTITY, .norm = NL_NORM_COUNT, .scale = 1}},
               {DENSE4(1, 1, 2, 2), DENSE4(1, 1, 2, 2), DENSE4(1, 1, 2, 1)}, {DENSE4(1, 1, 2, 1)}},
      .given = {LIST(1, 2, 3, -4), LIST(1, 1, 0, 1), LIST(2, 10)}},
     {LIST((3 * 2 + 2 * 10) / 2.0, (-1 * 2 - 4 * 10) / 2.0)}},
    {{.name = "pairwise relu / count of sums",
      .desc = {NL_OP_PAIRWISE, {.pairwise = {.score = NL_SCORE_SUM, .f = NL_F_RELU, .norm = NL_NORM_COUNT, .scale = 1}},
               {DENSE4(1, 1, 3, 1), DENSE4(1, 1, 2, 1), DENSE4(1, 1, 2, 1)}, {DENSE4(1, 1, 3, 1)}},
      .given = {LIST(-1, 0, -9), LIST(3, -2), LIST(5, 100)}},
     {LIST(5, 7.5, 0)}},
    {{.name = "pairwise identity / sum",
      .desc = {NL_OP_PAIRWISE, {.pairwise = {.score = NL_SCORE_SUM, .f = NL_F_IDENTITY, .norm = NL_NORM_SUM, .scale = 2}},
               {DENSE4(1, 1, 1, 1), DENSE4(1, 1, 2, 1), DENSE4(1, 1, 2, 1)}, {DENSE4(1, 1, 1, 1)}},
      .given = {LIST(1), LIST(0, 2), LIST(4, 8)}},
     {LIST(7)}},
    {{.name = "product with a scale",
      .desc = {NL_OP_PRODUCT, {.product = {0.5}},
               {DENSE4(1, 1, 2, 2), DENSE4(1, 1, 2, 2)}, {DENSE4(1, 1, 2, 2)}},
      .given = {LIST(1, 2, 3, 4), LIST(5, 6, 7, 8)}},
     {LIST(9.5, 11, 21.5, 25)}},
    {{.name = "outer_sum of two columns",
      .desc = {NL_OP_OUTER_SUM, {.product = {0}},
               {DENSE4(1, 1, 2, 1), DENSE4(1, 1, 3, 1)}, {DENSE4(1, 1, 2, 3)}},
      .given = {LIST(1, 2), LIST(10, 20, 30)}},
     {LIST(11, 21, 31, 12, 22, 32)}},
    {{.name = "map applies f before the scale",
      .desc = {NL_OP_MAP, {.map = {NL_F_RELU, -2}}, {DENSE2(1, 3)}, {DENSE2(1, 3)}},
      .given = {LIST(-1, 3, NAN)}},
     {LIST(0, -6, NAN)}},
    {{.name = "bn_fold makes scale and offset of four vectors",
      .desc = {NL_OP_BN_FOLD, {.bn_fold = {1}},
               {VECTOR(2), VECTOR(2), VECTOR(2), VECTOR(2)}, {VECTOR(2), VECTOR(2)}},
      .given = {LIST(2, 6), LIST(1, 0), LIST(3, -1), LIST(3, 8)}},
     {LIST(1, 2), LIST(-2, 2)}},
    {{.name = "conv_fold multiplies filters and moves the offset into the bias",
      .desc = {NL_OP_CONV_FOLD, {.pointwise = {false}},
               {DENSE5(2, 1, 1, 1, 2), VECTOR(2), VECTOR(2), VECTOR(2)},
               {DENSE5(2, 1, 1, 1, 2), VECTOR(2)}},
      .given = {LIST(1, 2, 3, 4), LIST(10, 20), LIST(2, -1), LIST(1, 5)}},
     {LIST(2, 4, -3, -4), LIST(21, -15)}},
    {{.name = "conv_fold without a bias makes one",
      .desc = {NL_OP_CONV_FOLD, {.pointwise = {false}},
               {DENSE5(1, 1, 1, 1, 1), NONE, VECTOR(1), VECTOR(1)},
               {DENSE5(1, 1, 1, 1, 1), VECTOR(1)}},
      .given = {LIST(3), NULL, LIST(2), LIST(7)}},
     {LIST(6), LIST(7)}},
};
/* clang-format on */

/* The wanted values as the result of a run. */
static void expect(const struct known *known, const struct op_result *got, const char *backend)
{
    for (int o = 0; o < NL_MAX_OUT; o++)
        for (int64_t i = 0; known->want[o] && i < nl_tensor_count(&got->view[o]); i++) {
            const double value = op_element(got, o, i), want = known->want[o][i];
            const bool same = isnan(want) ? isnan(value) : fabs(value - want) <= 1e-6 * fabs(want);
            ck_assert_msg(same, "%s on %s: output %d, element %d is %.9g, want %.9g",
                          known->op.name, backend, o, (int)i, value, want);
        }
}

START_TEST(every_backend_gives_the_values_computed_by_hand)
{
    const struct known *known = &cases[_i];
    for (int i = 0; nl_backend_at(i); i++) {
        const char *name = nl_backend_at(i)->name;
        struct nl_backend be;
        struct op_result got;
        ck_assert_msg(nl_backend_open(name, 1, &be) == NL_OK, "%s: %s", name, nl_error());
        ck_assert_msg(op_run(&be, &known->op, NL_F32, NULL, &got) == NL_OK, "%s", nl_error());
        expect(known, &got, name);
        op_result_clear(&got);
        nl_backend_close(&be);
    }
}
END_TEST

int main(void)
{
    op_load_plugins();
    Suite *suite = suite_create("ops known");
    TCase *tc = tcase_create("values");
    tcase_add_loop_test(tc, every_backend_gives_the_values_computed_by_hand, 0, NL_COUNT(cases));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
