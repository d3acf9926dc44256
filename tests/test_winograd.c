/* The transforms of Winograd's convolution, in every instruction set that the processor has. */
#include "backends/cpu/winograd.h"
#include "src/core/rng.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

enum { SIDE = NL_WINOGRAD_IN, OUT = NL_WINOGRAD_OUT, WIDE = 2 * NL_WINOGRAD_LANES, PLACES = 36 };

struct tile {
    float x[PLACES][WIDE], w[9][WIDE], bias[WIDE], residual[16][WIDE], y[16][WIDE];
};

static void fill(float *to, int count, const char *name)
{
    struct nl_rng rng;
    nl_rng_seed(&rng, 1, name);
    for (int i = 0; i < count; i++) to[i] = (float)nl_rng_normal(&rng);
}

static void make(struct tile *t)
{
    fill(t->x[0], PLACES * WIDE, "x");
    fill(t->w[0], 9 * WIDE, "w");
    fill(t->bias, WIDE, "bias");
    fill(t->residual[0], 16 * WIDE, "residual");
    fill(t->y[0], 16 * WIDE, "y");
}

/* Each channel on its own: what the filter gives at output `i`. */
static double direct(const struct tile *t, int i, int c)
{
    double sum = 0;
    for (int h = 0; h < 3; h++)
        for (int w = 0; w < 3; w++)
            sum += (double)t->x[(i / OUT + h) * SIDE + i % OUT + w][c] * (double)t->w[3 * h + w][c];
    return sum;
}

static void through(const struct nl_cpu_winograd *winograd, struct tile *t,
                    const struct nl_cpu_winograd_end *end)
{
    const void *rows[PLACES];
    const float *taps[9];
    static float x[PLACES * WIDE], u[PLACES * NL_WINOGRAD_LANES];
    for (int i = 0; i < PLACES; i++) rows[i] = t->x[i];
    winograd->input(rows, false, x, WIDE, WIDE);
    for (int c = 0; c < WIDE; c += NL_WINOGRAD_LANES) {
        for (int i = 0; i < 9; i++) taps[i] = t->w[i] + c;
        winograd->filter(taps, u);
        for (int p = 0; p < PLACES; p++)
            for (int k = 0; k < NL_WINOGRAD_LANES; k++)
                x[p * WIDE + c + k] *= u[p * NL_WINOGRAD_LANES + k];
    }
    winograd->output(x, WIDE, end, WIDE);
}

START_TEST(a_tile_is_what_the_filter_gives_directly)
{
    const struct nl_cpu_winograd *winograd = nl_cpu_winograd_at(_i);
    static struct tile t;
    struct nl_cpu_winograd_end end = {.bias = NULL};
    if (!winograd) return;
    make(&t);
    for (int i = 0; i < 16; i++) end.y[i] = t.y[i];
    through(winograd, &t, &end);
    for (int i = 0; i < 16; i++)
        for (int c = 0; c < WIDE; c++)
            ck_assert_double_eq_tol((double)t.y[i][c], direct(&t, i, c), 1e-5);
}
END_TEST

START_TEST(bias_residual_and_relu_come_last_and_edges_are_left_alone)
{
    const struct nl_cpu_winograd *winograd = nl_cpu_winograd_at(_i);
    static struct tile t, before;
    struct nl_cpu_winograd_end end = {.relu = true};
    if (!winograd) return;
    make(&t);
    before = t;
    t.x[7][3] = NAN;
    end.bias = t.bias;
    for (int i = 0; i < 12; i++) {
        end.y[i] = t.y[i];
        end.residual[i] = t.residual[i];
    }
    through(winograd, &t, &end);
    for (int i = 0; i < 16; i++)
        for (int c = 0; c < WIDE; c++) {
            const double sum = direct(&t, i, c) + (double)t.bias[c] + (double)t.residual[i][c];
            if (i >= 12)
                ck_assert_float_eq(t.y[i][c], before.y[i][c]);
            else if (isnan(sum))
                ck_assert(isnan(t.y[i][c])); /* ReLU hides none */
            else if (c != 3)                 /* elsewhere in the tile it may show, too */
                ck_assert_double_eq_tol((double)t.y[i][c], sum > 0 ? sum : 0, 1e-5);
        }
}
END_TEST

/* The gradient of a filter: sixteen gradients of outputs with the inputs under them, here in y. */
static double direct_tap(const struct tile *t, int tap, int c)
{
    double sum = 0;
    for (int i = 0; i < 16; i++)
        sum += (double)t->x[(i / OUT + tap / 3) * SIDE + i % OUT + tap % 3][c] * (double)t->y[i][c];
    return sum;
}

static void back(const struct nl_cpu_winograd *winograd, const struct tile *t, float *taps)
{
    const void *rows[PLACES];
    static float x[PLACES * WIDE], dy[PLACES * WIDE];
    for (int i = 0; i < PLACES; i++) rows[i] = t->x[i];
    winograd->input(rows, false, x, WIDE, WIDE);
    for (int i = 0; i < 16; i++) rows[i] = t->y[i];
    winograd->gradient(rows, false, dy, WIDE, WIDE);
    for (int i = 0; i < PLACES * WIDE; i++) x[i] *= dy[i];
    for (int c = 0; c < WIDE; c += NL_WINOGRAD_LANES)
        winograd->taps(x + c, WIDE, taps + (ptrdiff_t)c * 9);
}

START_TEST(a_gradient_of_a_filter_is_what_inputs_and_gradients_give_directly)
{
    const struct nl_cpu_winograd *winograd = nl_cpu_winograd_at(_i);
    static struct tile t;
    static float taps[WIDE * 9];
    const int lanes = NL_WINOGRAD_LANES;
    if (!winograd) return;
    make(&t);
    back(winograd, &t, taps);
    for (int tap = 0; tap < 9; tap++)
        for (int c = 0; c < WIDE; c++)
            ck_assert_double_eq_tol((double)taps[c / lanes * lanes * 9 + tap * lanes + c % lanes],
                                    direct_tap(&t, tap, c), 1e-5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("winograd");
    TCase *tc = tcase_create("transforms");
    tcase_add_loop_test(tc, a_tile_is_what_the_filter_gives_directly, 0, 3);
    tcase_add_loop_test(tc, bias_residual_and_relu_come_last_and_edges_are_left_alone, 0, 3);
    tcase_add_loop_test(tc, a_gradient_of_a_filter_is_what_inputs_and_gradients_give_directly, 0,
                        3);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
