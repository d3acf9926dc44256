#include "tests/beside.h"
#include "tests/opcase.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nl_backend opened(const char *name, int threads)
{
    struct nl_backend be;
    ck_assert_msg(nl_backend_open(name, threads, &be) == NL_OK, "%s: %s", name, nl_error());
    return be;
}

/* Calls `visit` for the backend's choice (NULL) and each of its own implementations of the op. */
static void each_implementation(const struct nl_backend_ops *ops, const struct op_case *c,
                                void (*visit)(const char *, const char *, const struct op_case *))
{
    visit(ops->name, NULL, c);
    for (int i = 0; i < ops->n_impls; i++)
        for (int k = 0; ops->impls[i].op == c->desc.op && ops->impls[i].impl[k]; k++)
            visit(ops->name, ops->impls[i].impl[k]->name, c);
}

/* In F64 only the order of sums may differ. */
static double tolerance_of(const struct op_case *c, nl_type type)
{
    if (type == NL_F64) return 1e-12;
    if (type == NL_BF16) return OP_TOLERANCE_BF16;
    return c->tolerance > 0 ? c->tolerance : OP_TOLERANCE;
}

static void compare_with_ref(const char *name, const char *impl, const struct op_case *c,
                             nl_type type)
{
    struct nl_backend be = opened(name, 2), ref = opened("ref", 1);
    struct op_result got, want;
    struct op_case coarse = *c;
    const double tolerance = tolerance_of(c, type);
    coarse.coarse = type == NL_BF16;
    if (op_run(&be, &coarse, type, impl, &got) == NL_OK) {
        ck_assert_int_eq(op_run(&ref, &coarse, NL_F64, NULL, &want), NL_OK);
        const double distance = op_distance(&got, &want);
        ck_assert_msg(distance <= tolerance, "%s on %s (%s, %s): %g off, %g allowed", c->name, name,
                      impl ? impl : "its choice", nl_type_name(type), distance, tolerance);
        ck_assert_msg(op_gaps_untouched(&got), "%s on %s (%s): wrote beside the view", c->name,
                      name, impl ? impl : "its choice");
        op_result_clear(&got);
        op_result_clear(&want);
    } else {
        ck_assert_msg(impl || type == NL_F64, "%s has no %s: %s", name, c->name, nl_error());
    }
    nl_backend_close(&be);
    nl_backend_close(&ref);
}

static void agree(const char *name, const char *impl, const struct op_case *c)
{
    compare_with_ref(name, impl, c, NL_F32);
    compare_with_ref(name, impl, c, NL_F64);
    if (has_bf16(c->desc.op)) compare_with_ref(name, impl, c, NL_BF16);
}

START_TEST(every_implementation_agrees_with_ref_in_f64)
{
    for (int i = 0; nl_backend_at(i); i++)
        each_implementation(nl_backend_at(i), &op_cases[_i], agree);
}
END_TEST

static bool same_bits(const struct op_result *a, const struct op_result *b)
{
    for (int o = 0; o < NL_MAX_OUT; o++)
        if (a->view[o].rank &&
            memcmp(a->after[o], b->after[o], (size_t)a->span[o] * sizeof(double)) != 0)
            return false;
    return true;
}

static void same_in(const char *name, const char *impl, const struct op_case *c, nl_type type)
{
    struct op_result one, more;
    struct nl_backend be = opened(name, 1);
    const nl_status st = op_run(&be, c, type, impl, &one);
    nl_backend_close(&be);
    if (st != NL_OK) return; /* declined; the comparison with ref tells whether it may */
    for (int threads = 2; threads <= 4; threads *= 2) {
        be = opened(name, threads);
        ck_assert_int_eq(op_run(&be, c, type, impl, &more), NL_OK);
        ck_assert_msg(same_bits(&one, &more), "%s on %s (%s): %d threads give other bits", c->name,
                      name, impl ? impl : "its choice", threads);
        op_result_clear(&more);
        nl_backend_close(&be);
    }
    op_result_clear(&one);
}

static void same_with_threads(const char *name, const char *impl, const struct op_case *c)
{
    same_in(name, impl, c, NL_F32);
    if (has_bf16(c->desc.op)) same_in(name, impl, c, NL_BF16);
}

START_TEST(one_two_and_four_threads_give_the_same_bits)
{
    for (int i = 0; nl_backend_at(i); i++)
        each_implementation(nl_backend_at(i), &op_cases[_i], same_with_threads);
}
END_TEST

START_TEST(every_op_has_a_case)
{
    bool seen[NL_N_OPS] = {false};
    for (int i = 0; i < op_n_cases; i++) seen[op_cases[i].desc.op] = true;
    for (int op = 0; op < NL_OP_MUL; op++) /* later ones: tests/test_train_ops.c */
        ck_assert_msg(seen[op], "no case of %s", nl_op_name((nl_op)op));
}
END_TEST

/* True if some case is one for this implementation; else why it declined the last. */
static bool serves_some(const struct nl_backend *be, nl_op op, const struct nl_impl *impl,
                        nl_reason *why)
{
    for (int i = 0; i < op_n_cases; i++) {
        struct nl_op_desc desc = op_cases[i].desc; /* zero is NL_F32 */
        if (desc.op == op && impl->can(be, &desc, why)) return true;
    }
    return false;
}

/* Number of the list's implementations that serve some case; names the others. */
static int count_serving(const struct nl_backend *be, const struct nl_impl_list *list)
{
    int serving = 0;
    for (int k = 0; list->impl[k]; k++) {
        nl_reason why = {""};
        if (serves_some(be, list->op, list->impl[k], &why))
            serving++;
        else
            printf("skip: %s, %s of %s: %s\n", be->ops->name, list->impl[k]->name,
                   nl_op_name(list->op), why.text);
    }
    return serving;
}

/* What this processor cannot run is no failure, but must not pass in silence. */
START_TEST(an_implementation_that_serves_no_case_is_named)
{
    for (int i = 0; nl_backend_at(i); i++) {
        struct nl_backend be = opened(nl_backend_at(i)->name, 1);
        int serving = 0;
        for (int l = 0; l < be.ops->n_impls; l++) serving += count_serving(&be, &be.ops->impls[l]);
        ck_assert_int_gt(serving, 0);
        nl_backend_close(&be);
    }
}
END_TEST

int main(void)
{
    op_load_plugins();
    Suite *suite = suite_create("ops");
    TCase *tc = tcase_create("every backend");
    tcase_add_test(tc, every_op_has_a_case);
    tcase_add_test(tc, an_implementation_that_serves_no_case_is_named);
    tcase_add_loop_test(tc, every_implementation_agrees_with_ref_in_f64, 0, op_n_cases);
    tcase_add_loop_test(tc, one_two_and_four_threads_give_the_same_bits, 0, op_n_cases);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
