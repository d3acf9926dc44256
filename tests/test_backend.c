#include "src/tensor/backend.h"

#include <check.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A backend of two implementations that serve vectors of at most 10 and 100 entries. */

static bool can_small(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    (void)be;
    if (desc->in[0].dim[0] > 10)
        return nl_decline(why, "%d is more than 10", (int)desc->in[0].dim[0]);
    return true;
}

static bool can_large(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    (void)be;
    if (desc->in[0].dim[0] > 100) return nl_decline(why, "more than 100");
    return true;
}

static int prepared, dropped;

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **state,
                         struct nl_need *need)
{
    (void)be;
    NL_REQUIRE(desc->in[0].dim[0] != 13, NL_ENOMEM, "13 brings bad luck");
    need->workspace = 8;
    *state = &prepared;
    prepared++;
    return NL_OK;
}

static void drop(struct nl_backend *be, void *state)
{
    (void)be;
    if (!state) return; /* after a preparation that failed before it made anything */
    ck_assert_ptr_eq(state, &prepared);
    dropped++;
}

static nl_status run(struct nl_backend *be, const void *state, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    (void)be;
    (void)state;
    (void)desc;
    (void)args;
    return nl_fail(NL_EDEV, "this one never runs");
}

static const struct nl_impl small = {.name = "small", .can = can_small, .run = run},
                            large = {.name = "large",
                                     .can = can_large,
                                     .prepare = prepare,
                                     .run = run,
                                     .drop = drop},
                            shy = {.name = "shy", .can = can_small, .run = run, .on_request = true};
static const struct nl_impl *const small_then_large[] = {&shy, &small, &large, NULL};
static const struct nl_impl_list impls[] = {{NL_OP_RELU, small_then_large}};

static nl_status refuse(struct nl_backend *be)
{
    (void)be;
    return nl_fail(NL_EDEV, "no such device");
}

static nl_status elsewhere_copy(struct nl_backend *be, void *dst, const void *src, size_t bytes,
                                nl_copy way)
{
    return nl_host_memory.copy(be, dst, src, bytes, way);
}

static const struct nl_memory elsewhere = {.name = "elsewhere", .copy = elsewhere_copy};
extern const struct nl_backend_ops nl_backend_ref;

static const struct nl_backend_ops
    lonely = {.name = "lonely", .memory = &nl_host_memory, .impls = impls, .n_impls = 1},
    falling = {.name = "falling",
               .memory = &nl_host_memory,
               .next = &nl_backend_ref,
               .impls = impls,
               .n_impls = 1},
    closed = {.name = "closed", .memory = &nl_host_memory, .open = refuse},
    far_away = {.name = "far", .memory = &elsewhere, .next = &nl_backend_ref},
    called_auto = {.name = "auto", .memory = &nl_host_memory};

static struct nl_backend opened(const struct nl_backend_ops *ops)
{
    struct nl_backend be;
    ck_assert_msg(nl_backend_register(ops) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_backend_open(ops->name, 1, &be), NL_OK);
    return be;
}

static struct nl_op_desc relu_of(int64_t n)
{
    const nl_tensor v = nl_tensor_dense(NL_F32, 1, &n);
    return (struct nl_op_desc){.op = NL_OP_RELU, .in = {v}, .out = {v}};
}

START_TEST(the_first_implementation_that_can_serves)
{
    struct nl_backend be = opened(&lonely);
    struct nl_kernel kernel;
    struct nl_op_desc desc = relu_of(5);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "small");
    ck_assert_str_eq(kernel.declined.text, "");
    nl_kernel_drop(&be, &kernel);

    desc = relu_of(50);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, "auto", &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "large");
    ck_assert_str_eq(kernel.declined.text, "small: 50 is more than 10");
    ck_assert_uint_eq(kernel.need.workspace, 8);
    nl_kernel_drop(&be, &kernel);
    ck_assert_int_eq(prepared, 1);
    ck_assert_int_eq(dropped, 1);
}
END_TEST

START_TEST(a_name_forces_an_implementation)
{
    struct nl_backend be = opened(&falling);
    struct nl_kernel kernel;
    const struct nl_op_desc desc = relu_of(5), huge = relu_of(500);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, "large", &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "large");
    nl_kernel_drop(&be, &kernel);
    ck_assert_int_eq(nl_kernel_prepare(&be, &huge, "large", &kernel), NL_ENOSUP);
    ck_assert_str_eq(nl_error(), "backend falling cannot serve relu with the implementation large; "
                                 "large: more than 100");
    ck_assert_int_eq(nl_kernel_prepare(&be, &huge, "larger", &kernel), NL_ENOSUP);
    ck_assert_str_eq(nl_error(),
                     "backend falling cannot serve relu with the implementation larger; "
                     "there is none of that name");
}
END_TEST

START_TEST(what_is_there_on_request_serves_only_by_name)
{
    struct nl_backend be = opened(&lonely);
    struct nl_kernel kernel;
    const struct nl_op_desc desc = relu_of(5), huge = relu_of(500);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, "shy", &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "shy");
    nl_kernel_drop(&be, &kernel);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "small");
    nl_kernel_drop(&be, &kernel);
    ck_assert_int_eq(nl_kernel_prepare(&be, &huge, NULL, &kernel), NL_ENOSUP);
    ck_assert_ptr_null(strstr(nl_error(), "shy"));
}
END_TEST

START_TEST(what_declines_falls_back_on_the_next_backend)
{
    struct nl_backend be = opened(&falling);
    struct nl_kernel kernel;
    const struct nl_op_desc desc = relu_of(500);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
    ck_assert_ptr_eq(kernel.owner, &nl_backend_ref);
    ck_assert_str_eq(kernel.declined.text, "large: more than 100");
    nl_kernel_drop(&be, &kernel);
}
END_TEST

START_TEST(what_can_serve_is_listed_in_the_order_of_asking)
{
    struct nl_backend be = opened(&falling);
    const struct nl_op_desc few = relu_of(10), many = relu_of(50);
    ck_assert_ptr_eq(nl_kernel_choice(&be, &few, 0), &shy); /* by name, it can */
    ck_assert_ptr_eq(nl_kernel_choice(&be, &few, 1), &small);
    ck_assert_ptr_eq(nl_kernel_choice(&be, &few, 2), &large);
    ck_assert_ptr_eq(nl_kernel_choice(&be, &many, 0), &large);
    const struct nl_impl *last = nl_kernel_choice(&be, &many, 1);
    ck_assert_str_eq(last->name, "plain");
    ck_assert_ptr_null(nl_kernel_choice(&be, &many, 2));
}
END_TEST

START_TEST(an_error_holds_the_reason_of_every_implementation)
{
    struct nl_backend be = opened(&lonely);
    struct nl_kernel kernel;
    struct nl_op_desc desc = relu_of(500);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_ENOSUP);
    ck_assert_str_eq(nl_error(), "backend lonely cannot serve relu; small: 500 is more than 10; "
                                 "large: more than 100");
    nl_kernel_drop(&be, &kernel); /* harmless */
    desc.op = NL_OP_ADD;
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_ENOSUP);
    ck_assert_str_eq(nl_error(), "backend lonely cannot serve add");
}
END_TEST

START_TEST(a_failed_preparation_leaves_nothing_to_drop)
{
    struct nl_backend be = opened(&lonely);
    struct nl_kernel kernel;
    const struct nl_op_desc desc = relu_of(13);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_ENOMEM);
    nl_kernel_drop(&be, &kernel);
    ck_assert_int_eq(dropped, 0);
}
END_TEST

START_TEST(an_error_of_a_run_comes_through)
{
    struct nl_backend be = opened(&lonely);
    struct nl_kernel kernel;
    const struct nl_op_desc desc = relu_of(3);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
    ck_assert_int_eq(nl_kernel_run(&be, &kernel, &(struct nl_args){.packed = NULL}), NL_EDEV);
    nl_kernel_drop(&be, &kernel);
}
END_TEST

START_TEST(an_unknown_backend_is_an_error_that_lists_the_known)
{
    struct nl_backend be;
    char want[256] = "no backend \"gpu\"; there are auto";
    for (int i = 0; nl_backend_at(i); i++) {
        const size_t used = strlen(want);
        snprintf(want + used, sizeof want - used, ", %s", nl_backend_at(i)->name);
    }
    ck_assert_int_eq(nl_backend_open("gpu", 0, &be), NL_EUSAGE);
    ck_assert_str_eq(nl_error(), want);
    ck_assert_ptr_nonnull(strstr(want, "ref"));
}
END_TEST

START_TEST(a_backend_that_this_build_lacks_is_an_error_with_the_remedy)
{
    struct nl_backend be;
    const nl_status st = nl_backend_open("onednn", 1, &be);
    if (st == NL_OK) {
        printf("skip: this build has the backend onednn\n");
        nl_backend_close(&be);
        return;
    }
    ck_assert_int_eq(st, NL_EUSAGE);
    ck_assert_str_eq(nl_error(), "this build has no backend onednn; install oneDNN (Debian: "
                                 "libdnnl-dev) and configure --with-onednn");
}
END_TEST

START_TEST(auto_opens_the_first_automatic_backend_and_ref_is_none)
{
    struct nl_backend be;
    ck_assert(!nl_backend_ref.automatic);
    ck_assert_int_eq(nl_backend_open("auto", 0, &be), NL_OK);
    ck_assert(be.ops->automatic);
    nl_backend_close(&be);
    ck_assert_ptr_null(be.ops);
}
END_TEST

START_TEST(threads_default_to_the_processors_available)
{
    struct nl_backend be;
    cpu_set_t all, one;
    ck_assert_int_eq(sched_getaffinity(0, sizeof all, &all), 0);
    ck_assert_int_eq(nl_backend_open("ref", 0, &be), NL_OK);
    ck_assert_int_eq(be.threads, CPU_COUNT(&all));
    nl_backend_close(&be);

    CPU_ZERO(&one);
    for (int i = 0; i < CPU_SETSIZE && CPU_COUNT(&one) == 0; i++)
        if (CPU_ISSET(i, &all)) CPU_SET(i, &one);
    ck_assert_int_eq(sched_setaffinity(0, sizeof one, &one), 0);
    ck_assert_int_eq(nl_backend_open("ref", 0, &be), NL_OK);
    ck_assert_int_eq(be.threads, 1);
    nl_backend_close(&be);

    ck_assert_int_eq(nl_backend_open("ref", 7, &be), NL_OK);
    ck_assert_int_eq(be.threads, 7);
    nl_backend_close(&be);
}
END_TEST

START_TEST(a_backend_that_does_not_open_says_why)
{
    struct nl_backend be;
    ck_assert_int_eq(nl_backend_register(&closed), NL_OK);
    ck_assert_int_eq(nl_backend_open("closed", 1, &be), NL_EDEV);
    ck_assert_str_eq(nl_error(), "no such device");
    nl_backend_close(&be); /* harmless */
}
END_TEST

START_TEST(names_are_taken_once_and_memories_do_not_mix)
{
    ck_assert_int_eq(nl_backend_register(&lonely), NL_OK);
    ck_assert_int_eq(nl_backend_register(&lonely), NL_EINVAL);
    ck_assert_str_eq(nl_error(), "there is already a backend lonely");
    ck_assert_int_eq(nl_backend_register(&nl_backend_ref), NL_EINVAL);
    ck_assert_int_eq(nl_backend_register(&called_auto), NL_EINVAL);
    ck_assert_int_eq(nl_backend_register(&far_away), NL_EINVAL);
    ck_assert_str_eq(nl_error(), "backend far falls back on ref, which has another memory");
}
END_TEST

START_TEST(registered_backends_come_after_the_built_in_ones)
{
    int built_in = 0;
    while (nl_backends[built_in]) built_in++;
    ck_assert_ptr_null(nl_backend_at(built_in));
    ck_assert_int_eq(nl_backend_register(&lonely), NL_OK);
    ck_assert_ptr_eq(nl_backend_at(built_in), &lonely);
    ck_assert_ptr_null(nl_backend_at(built_in + 1));
}
END_TEST

START_TEST(no_more_than_sixteen_backends_are_added)
{
    static struct nl_backend_ops many[17];
    static char names[17][16];
    for (int i = 0; i < 17; i++) {
        snprintf(names[i], sizeof names[i], "added%d", i);
        many[i] = (struct nl_backend_ops){.name = names[i], .memory = &nl_host_memory};
        ck_assert_int_eq(nl_backend_register(&many[i]), i < 16 ? NL_OK : NL_EINVAL);
    }
    ck_assert_str_eq(nl_error(), "more than 16 backends added");
}
END_TEST

/* More bytes than a thread copies at a time, and not a multiple of those. */
START_TEST(large_host_arrays_are_copied_whole)
{
    enum { BYTES = 3 * (1 << 18) + 5 };
    static const struct {
        const char *name;
        int threads;
    } backends[] = {{"ref", 1}, {"cpu", 3}};
    static unsigned char from[BYTES], to[BYTES + 1];
    struct nl_backend be;
    for (int i = 0; i < BYTES; i++) from[i] = (unsigned char)(1 + i % 251);
    ck_assert_int_eq(nl_backend_open(backends[_i].name, backends[_i].threads, &be), NL_OK);
    ck_assert_int_eq(be.ops->memory->copy(&be, to, from, BYTES, NL_WITHIN), NL_OK);
    ck_assert(memcmp(to, from, BYTES) == 0);
    ck_assert_int_eq(to[BYTES], 0);
    nl_backend_close(&be);
}
END_TEST

START_TEST(multiply_adds_are_counted_by_the_nominal_rule)
{
    const nl_tensor x = nl_tensor_dense(NL_F32, 5, (const int64_t[]){1, 8, 56, 56, 64}),
                    w = nl_tensor_dense(NL_F32, 5, (const int64_t[]){256, 3, 1, 1, 64}),
                    y = nl_tensor_dense(NL_F32, 5, (const int64_t[]){1, 8, 56, 56, 256});
    const struct nl_op_desc conv = {.op = NL_OP_CONV, .in = {x, w}, .out = {y}};
    ck_assert_int_eq(nl_op_multiply_adds(&conv), INT64_C(8) * 56 * 56 * 256 * 3 * 64);

    const nl_tensor q = nl_tensor_dense(NL_F32, 4, (const int64_t[]){2, 3, 5, 4}),
                    k = nl_tensor_dense(NL_F32, 4, (const int64_t[]){2, 3, 7, 4}),
                    v = nl_tensor_dense(NL_F32, 4, (const int64_t[]){2, 3, 7, 6});
    const struct nl_op_desc pairwise = {.op = NL_OP_PAIRWISE, .in = {q, k, v}, .out = {q}};
    ck_assert_int_eq(nl_op_multiply_adds(&pairwise), INT64_C(6) * 5 * 7 * (4 + 6));
    struct nl_op_desc back = {.op = NL_OP_PAIRWISE_DX, .in = {q, k, v}, .out = {q}};
    ck_assert_int_eq(nl_op_multiply_adds(&back), INT64_C(6) * 5 * 7 * (3 * 4 + 2 * 6));
    back.attr.pairwise.score = NL_SCORE_SUM;
    ck_assert_int_eq(nl_op_multiply_adds(&back), INT64_C(6) * 5 * 7 * 2 * 6);
    const struct nl_op_desc relu = relu_of(10);
    ck_assert_int_eq(nl_op_multiply_adds(&relu), 0);
}
END_TEST

START_TEST(pairwise_functions_have_names_and_values)
{
    ck_assert_str_eq(nl_affinity_name(NL_F_EXP), "exp");
    ck_assert_str_eq(nl_affinity_name(NL_F_IDENTITY), "identity");
    ck_assert_str_eq(nl_affinity_name(NL_F_RELU), "relu");
    ck_assert_double_eq(nl_affinity_value(NL_F_EXP, 0), 1);
    ck_assert_double_eq(nl_affinity_value(NL_F_IDENTITY, -3), -3);
    ck_assert_double_eq(nl_affinity_value(NL_F_RELU, -3), 0);
    ck_assert(isnan(nl_affinity_value(NL_F_RELU, NAN)));
    ck_assert_str_eq(nl_op_name(NL_OP_CONV_FOLD), "conv_fold");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("backend");
    TCase *tc = tcase_create("choice");
    tcase_add_test(tc, the_first_implementation_that_can_serves);
    tcase_add_test(tc, a_name_forces_an_implementation);
    tcase_add_test(tc, what_is_there_on_request_serves_only_by_name);
    tcase_add_test(tc, what_declines_falls_back_on_the_next_backend);
    tcase_add_test(tc, what_can_serve_is_listed_in_the_order_of_asking);
    tcase_add_test(tc, an_error_holds_the_reason_of_every_implementation);
    tcase_add_test(tc, a_failed_preparation_leaves_nothing_to_drop);
    tcase_add_test(tc, an_error_of_a_run_comes_through);
    tcase_add_test(tc, an_unknown_backend_is_an_error_that_lists_the_known);
    tcase_add_test(tc, a_backend_that_this_build_lacks_is_an_error_with_the_remedy);
    tcase_add_test(tc, auto_opens_the_first_automatic_backend_and_ref_is_none);
    tcase_add_test(tc, threads_default_to_the_processors_available);
    tcase_add_test(tc, a_backend_that_does_not_open_says_why);
    tcase_add_test(tc, names_are_taken_once_and_memories_do_not_mix);
    tcase_add_test(tc, registered_backends_come_after_the_built_in_ones);
    tcase_add_test(tc, no_more_than_sixteen_backends_are_added);
    tcase_add_loop_test(tc, large_host_arrays_are_copied_whole, 0, 2);
    tcase_add_test(tc, multiply_adds_are_counted_by_the_nominal_rule);
    tcase_add_test(tc, pairwise_functions_have_names_and_values);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
