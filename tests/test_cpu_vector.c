/* The row loops of the cpu backend, for each instruction set, and its exponential. */
#include "backends/cpu/exp.h"
#include "backends/cpu/vector.h"
#include "src/tensor/half.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

START_TEST(exp_is_within_two_units_in_the_last_place)
{
    double worst = 0;
    for (int i = 0; i < 128000; i++) {
        const float x = -87.0f + 0.00137f * (float)i;
        const double want = exp((double)x);
        const double unit = ldexp(1, ilogb(want) - 23);
        worst = fmax(worst, fabs((double)nl_cpu_exp(x) - want) / unit);
    }
    ck_assert_double_le(worst, 2);
    ck_assert_double_eq((double)nl_cpu_exp(0), 1);
    ck_assert_double_eq((double)nl_cpu_exp(-INFINITY), 0);
    ck_assert_double_eq((double)nl_cpu_exp(-200), 0);
    ck_assert(isinf(nl_cpu_exp(89)) && isinf(nl_cpu_exp(INFINITY)));
    ck_assert(isnan(nl_cpu_exp(NAN)));
    ck_assert_double_gt((double)nl_cpu_exp(-87), 0);
    for (int i = 8701; i < 11100; i++)
        ck_assert_double_eq((double)nl_cpu_exp(-0.01f * (float)i), 0);
}
END_TEST

START_TEST(each_instruction_set_turns_squares)
{
    enum { SIDE = NL_CPU_TURN, STEP = SIDE + 3, KEPT = 7 };
    const struct nl_cpu_vector *v = nl_cpu_vector_at(_i);
    uint32_t x[SIDE * STEP], y[SIDE * STEP];
    if (!v) {
        printf("skip: this processor has %d sets of vector loops only\n", _i);
        return;
    }
    for (uint32_t i = 0; i < SIDE * STEP; i++) x[i] = i * i;
    for (int i = 0; i < SIDE * STEP; i++) y[i] = KEPT;
    v->turn(y, STEP, x, STEP * sizeof *x);
    for (int c = 0; c < SIDE; c++)
        for (int r = 0; r < STEP; r++)
            ck_assert_uint_eq(y[c * STEP + r], r < SIDE ? x[r * STEP + c] : KEPT);
}
END_TEST

START_TEST(each_instruction_set_computes_rows)
{
    const struct nl_cpu_vector *v = nl_cpu_vector_at(_i);
    enum { N = 77 };
    float a[N], b[N], y[N];
    if (!v) {
        printf("skip: this processor has %d sets of vector loops only\n", _i);
        return;
    }
    for (int i = 0; i < N; i++) {
        a[i] = sinf((float)i);
        b[i] = cosf((float)i);
    }
    const struct nl_cpu_after after = {.scale = a, .bias = b, .residual = b, .relu = true};
    const float *const rows[] = {a, b, a, b, a, b};
    v->combine(y, b, &after, N);
    double dot = 0, sum = 0, top = -1;
    for (int i = 0; i < N; i++) {
        ck_assert_double_eq_tol((double)y[i],
                                fmax((double)b[i] * (double)a[i] + 2 * (double)b[i], 0), 1e-6);
        dot += (double)a[i] * (double)b[i];
        sum += exp((double)a[i] - 0.5);
        top = fmax(top, (double)a[i]);
    }
    ck_assert_double_eq_tol((double)v->dot(a, b, N), dot, 1e-5);
    ck_assert_double_eq((double)v->largest(a, N), top);
    ck_assert_double_eq_tol((double)v->affinity(y, a, NL_F_EXP, 0.5f, N), sum, 1e-4);
    v->largest_of(y, rows, 6, N);
    for (int i = 0; i < N; i++) ck_assert_double_eq((double)y[i], fmax((double)a[i], (double)b[i]));
    v->mean_of(y, rows, 6, 1.0f / 6, N);
    for (int i = 0; i < N; i++)
        ck_assert_double_eq_tol((double)y[i], ((double)a[i] + (double)b[i]) / 2, 1e-6);
    a[3] = NAN;
    v->largest_of(y, rows, 6, N);
    ck_assert(isnan(y[3]) && !isnan(y[4]));
    v->combine(y, a, &(struct nl_cpu_after){.relu = true}, N);
    ck_assert(isnan(y[3]) && !isnan(y[4]));
}
END_TEST

/* Numbers, what they round to and why. */
static const struct {
    float from, to;
} rounded[] = {
    {1, 1},
    {0x1.01p0F, 0x1p0F},             /* half way: to even, down */
    {0x1.03p0F, 0x1.04p0F},          /* half way: to even, up */
    {0x1.010002p0F, 0x1.02p0F},      /* just above half way */
    {-0x1.feffp0F, -0x1.fep0F},      /* just below half way */
    {0x1.fffffep127F, INFINITY},     /* too large */
    {0x1.234567p-130F, 0x1.2p-130F}, /* below the smallest normal number */
    {-INFINITY, -INFINITY},
    {-0.0F, -0.0F},
};

START_TEST(each_instruction_set_converts_bf16)
{
    enum { N = 45 };
    const struct nl_cpu_vector *v = nl_cpu_vector_at(_i);
    uint16_t half[N], pairs[2 * N];
    float from[N], back[N];
    if (!v) {
        printf("skip: this processor has %d sets of vector loops only\n", _i);
        return;
    }
    for (size_t i = 0; i < N; i++) from[i] = rounded[i % NL_COUNT(rounded)].from;
    from[N - 1] = NAN;
    v->narrow(half, from, N);
    v->widen(back, half, N);
    for (size_t i = 0; i + 1 < N; i++) {
        const float want = rounded[i % NL_COUNT(rounded)].to;
        ck_assert_int_eq(memcmp(&back[i], &want, sizeof want), 0);
    }
    ck_assert(isnan(back[N - 1]));
    const uint16_t *const rows[] = {half, half + 1, half + 2, half + 3, half + 1};
    v->largest_of_half(pairs, rows, 5, N - 3);
    for (size_t i = 0; i + 3 < N; i++) {
        const float want = fmaxf(fmaxf(back[i], back[i + 1]), fmaxf(back[i + 2], back[i + 3]));
        const float got = nl_bf16_to_float(pairs[i]);
        ck_assert(i + 3 == N - 1 ? isnan(got) : got == want);
    }
    v->pair(pairs, half, half + 1, N - 1);
    for (size_t i = 0; i + 1 < N; i++) {
        ck_assert_uint_eq(pairs[2 * i], half[i]);
        ck_assert_uint_eq(pairs[2 * i + 1], half[i + 1]);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cpu vector");
    TCase *t = tcase_create("cpu vector");
    tcase_add_test(t, exp_is_within_two_units_in_the_last_place);
    tcase_add_loop_test(t, each_instruction_set_computes_rows, 0, 3);
    tcase_add_loop_test(t, each_instruction_set_converts_bf16, 0, 3);
    tcase_add_loop_test(t, each_instruction_set_turns_squares, 0, 3);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
