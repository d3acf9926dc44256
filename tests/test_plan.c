/* Plans: outputs that overwrite inputs, and parameters that are given back. */
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/graph/layers.h"
#include "src/graph/plan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 20, CHANNELS = 96, COUNT = SIDE * SIDE * CHANNELS };

struct net {
    struct nl_params params;
    struct nl_graph *g;
    struct nl_backend be;
    nl_value x, y;
};

static nl_value conv(struct net *n, const char *name, nl_value x, bool bias)
{
    nl_value y;
    char offset[32];
    snprintf(offset, sizeof offset, "%s_b", name);
    const struct nl_conv_layer layer = {.name = name,
                                        .weights = name,
                                        .bias = bias ? offset : NULL,
                                        .filters = CHANNELS,
                                        .kernel = {1, 1, 1},
                                        .stride = {1, 1, 1},
                                        .init = {NL_INIT_NORMAL, 0.1}};
    ck_assert_int_eq(nl_layer_conv(n->g, &layer, x, &y), NL_OK);
    return y;
}

static nl_value add(struct net *n, const char *name, nl_value a, nl_value b)
{
    nl_value y;
    ck_assert_int_eq(nl_graph_append(n->g, NL_OP_ADD, name, NULL, (nl_value[]){a, b}, 2, &y),
                     NL_OK);
    return y;
}

/* Two residual layers; the first's input is read by nothing else, the second's is if `again`. */
static void open_net(struct net *n, const char *backend, bool again)
{
    const int64_t clip[5] = {1, 1, SIDE, SIDE, CHANNELS};
    memset(n, 0, sizeof *n);
    ck_assert_int_eq(nl_backend_open(backend, 2, &n->be), NL_OK);
    ck_assert_int_eq(nl_graph_new(NL_F32, &n->params, &n->g), NL_OK);
    ck_assert_int_eq(nl_graph_input(n->g, 5, clip, &n->x), NL_OK);
    const nl_value a = conv(n, "a", n->x, true);
    const nl_value b = add(n, "b", conv(n, "c", conv(n, "d", a, false), false), a);
    n->y = add(n, "e", conv(n, "f", conv(n, "g", b, false), true), b);
    if (again) n->y = add(n, "h", conv(n, "i", n->y, false), b);
    ck_assert_int_eq(nl_params_alloc(&n->params, &n->be, NL_F32), NL_OK);
    ck_assert_int_eq(nl_params_init(&n->params, 1, true), NL_OK);
}

static void close_net(struct net *n)
{
    nl_graph_free(n->g);
    nl_params_clear(&n->params);
    nl_backend_close(&n->be);
}

static struct nl_plan *plan_of(struct net *n)
{
    struct nl_plan *plan = NULL;
    ck_assert_int_eq(nl_plan_new(n->g, &n->be, &n->y, 1, &plan), NL_OK);
    return plan;
}

static void run_of_parts(struct net *n, struct nl_plan *plan, int parts, float *y)
{
    static float x[COUNT];
    const int part = COUNT / parts;
    struct nl_rng rng;
    nl_rng_seed(&rng, 1, "x");
    for (int i = 0; i < COUNT; i++) x[i] = (float)nl_rng_normal(&rng);
    if (parts == 1) ck_assert_int_eq(nl_plan_write(plan, n->x, x), NL_OK);
    for (int64_t i = 0; parts > 1 && i < parts; i++)
        ck_assert_int_eq(nl_plan_write_part(plan, n->x, i * part, part, x + i * part), NL_OK);
    ck_assert_int_eq(nl_plan_run(plan, NULL), NL_OK);
    ck_assert_int_eq(nl_plan_read(plan, n->y, y), NL_OK);
}

static void run(struct net *n, struct nl_plan *plan, float *y)
{
    run_of_parts(n, plan, 1, y);
}

static void results(const char *backend, bool again, bool settled, float *y)
{
    struct net n;
    open_net(&n, backend, again);
    struct nl_plan *plan = plan_of(&n);
    if (settled) ck_assert_int_eq(nl_plan_settle(plan), NL_OK);
    for (int twice = 0; twice < 2; twice++) run(&n, plan, y);
    nl_plan_free(plan);
    close_net(&n);
}

START_TEST(an_output_overwrites_a_residual_that_nothing_reads_later)
{
    static float want[COUNT], got[COUNT];
    for (int again = 0; again < 2; again++) {
        results("ref", again, false, want);
        results("cpu", again, false, got);
        for (int i = 0; i < COUNT; i++) ck_assert_float_eq_tol(got[i], want[i], 2e-4F);
    }
}
END_TEST

START_TEST(an_input_written_in_parts_gives_the_same)
{
    static float whole[COUNT], parts[COUNT];
    struct net n;
    open_net(&n, "cpu", false);
    struct nl_plan *plan = plan_of(&n);
    run(&n, plan, whole);
    run_of_parts(&n, plan, 3, parts);
    ck_assert(memcmp(whole, parts, sizeof whole) == 0);
    nl_plan_free(plan);
    close_net(&n);
}
END_TEST

/* Beside the input: a residual, what a layer makes of it, and what the next makes of that. */
START_TEST(a_residual_layer_needs_two_activations)
{
    struct net n;
    struct nl_plan_cost cost;
    open_net(&n, "cpu", false);
    ck_assert_int_eq(nl_plan_measure(n.g, &n.be, &n.y, 1, &cost), NL_OK);
    ck_assert_uint_le(cost.arena, sizeof(float) * (1 + 2) * COUNT);
    close_net(&n);
    open_net(&n, "cpu", true);
    ck_assert_int_eq(nl_plan_measure(n.g, &n.be, &n.y, 1, &cost), NL_OK);
    ck_assert_uint_le(cost.arena, sizeof(float) * (1 + 3) * COUNT);
    close_net(&n);
}
END_TEST

START_TEST(a_settled_plan_gives_the_same_and_reads_no_filters)
{
    static float want[COUNT], got[COUNT];
    static const char *const backends[] = {"cpu", "ref"};
    results(backends[_i], true, false, want);
    results(backends[_i], true, true, got);
    ck_assert(memcmp(want, got, sizeof want) == 0);
}
END_TEST

START_TEST(filters_of_a_settled_plan_are_given_back_and_biases_kept)
{
    struct net n;
    open_net(&n, "cpu", false);
    struct nl_plan *plan = plan_of(&n);
    const float *filters = n.params.list[nl_params_find(&n.params, "g")].tensor.data;
    const float *bias = n.params.list[nl_params_find(&n.params, "f_b")].tensor.data;
    const float first = bias[0];
    int left = 0;
    ck_assert_float_ne(first, 0);
    ck_assert_int_eq(nl_plan_settle(plan), NL_OK);
    for (int i = 0; i < CHANNELS * CHANNELS; i++) left += filters[i] != 0;
    ck_assert_int_lt(left, CHANNELS * CHANNELS / 2); /* pages shared with others stay */
    ck_assert_float_eq(bias[0], first);
    nl_plan_free(plan);
    close_net(&n);
}
END_TEST

START_TEST(settling_once_more_changes_nothing)
{
    static float once[COUNT], twice[COUNT];
    struct net n;
    open_net(&n, "cpu", false);
    struct nl_plan *plan = plan_of(&n);
    ck_assert_int_eq(nl_plan_settle(plan), NL_OK);
    run(&n, plan, once);
    ck_assert_int_eq(nl_plan_settle(plan), NL_OK);
    run(&n, plan, twice);
    ck_assert(memcmp(once, twice, sizeof once) == 0);
    nl_plan_free(plan);
    close_net(&n);
}
END_TEST

START_TEST(parameters_that_change_after_settling_are_an_error)
{
    static float y[COUNT];
    struct net n;
    open_net(&n, "cpu", false);
    struct nl_plan *plan = plan_of(&n);
    ck_assert_int_eq(nl_plan_settle(plan), NL_OK);
    run(&n, plan, y);
    ck_assert_int_eq(nl_params_init(&n.params, 2, true), NL_OK);
    ck_assert_int_eq(nl_plan_run(plan, NULL), NL_EINVAL);
    ck_assert_str_eq(nl_error(), "parameters changed after the plan gave them back");
    nl_plan_free(plan);
    close_net(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plan");
    TCase *tc = tcase_create("plan");
    tcase_add_test(tc, an_output_overwrites_a_residual_that_nothing_reads_later);
    tcase_add_test(tc, an_input_written_in_parts_gives_the_same);
    tcase_add_test(tc, a_residual_layer_needs_two_activations);
    tcase_add_loop_test(tc, a_settled_plan_gives_the_same_and_reads_no_filters, 0, 2);
    tcase_add_test(tc, filters_of_a_settled_plan_are_given_back_and_biases_kept);
    tcase_add_test(tc, settling_once_more_changes_nothing);
    tcase_add_test(tc, parameters_that_change_after_settling_are_an_error);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
