#include "src/core/memory.h"
#include "src/graph/arena.h"
#include "src/graph/layers.h"
#include "src/graph/rewrite.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct nl_params params;
static struct nl_graph *g;

static void setup(void)
{
    params = (struct nl_params){0};
    ck_assert_int_eq(nl_graph_new(NL_F32, &params, &g), NL_OK);
}

static void teardown(void)
{
    nl_graph_free(g);
    nl_params_clear(&params);
}

static nl_value clip(int64_t n, int64_t t, int64_t h, int64_t w, int64_t c)
{
    nl_value x;
    ck_assert_int_eq(nl_graph_input(g, 5, (const int64_t[]){n, t, h, w, c}, &x), NL_OK);
    return x;
}

static nl_status conv(const char *name, nl_value x, int64_t filters, int kernel, int stride,
                      nl_value *y)
{
    char weights[64];
    snprintf(weights, sizeof weights, "%s_weights", name);
    const struct nl_conv_layer layer = {.name = name,
                                        .weights = weights,
                                        .filters = filters,
                                        .kernel = {1, kernel, kernel},
                                        .stride = {1, stride, stride},
                                        .pad = {0, kernel / 2, kernel / 2}};
    return nl_layer_conv(g, &layer, x, y);
}

static void expect_shape(nl_value v, const char *want)
{
    char text[160];
    ck_assert_str_eq(nl_tensor_text(nl_graph_tensor(g, v), text, sizeof text), want);
}

START_TEST(shapes_follow_from_kernel_stride_and_padding)
{
    nl_value y;
    ck_assert_int_eq(conv("c", clip(2, 8, 224, 224, 3), 64, 7, 2, &y), NL_OK);
    expect_shape(y, "[2,8,112,112,64]");
    ck_assert_int_eq(nl_layer_pool(g, NL_OP_MAX_POOL, "p", (const int[]){1, 3, 3},
                                   (const int[]){1, 2, 2}, y, &y),
                     NL_OK);
    expect_shape(y, "[2,8,55,55,64]");
}
END_TEST

START_TEST(a_misfit_is_reported_with_the_name_of_the_node)
{
    nl_value y, z;
    const nl_value x = clip(1, 1, 2, 2, 3);
    ck_assert_int_eq(conv("good", x, 4, 1, 1, &y), NL_OK);
    ck_assert_int_eq(nl_layer_add(g, "sum", x, y, &z), NL_ESHAPE);
    ck_assert_str_eq(nl_error(), "sum (add): terms: shapes differ: [1,1,2,2,3] and [1,1,2,2,4]");
    ck_assert_int_eq(nl_layer_pool(g, NL_OP_AVG_POOL, "wide", (const int[]){1, 3, 3},
                                   (const int[]){1, 1, 1}, x, &y),
                     NL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "wide (avg_pool): a window of 1x3x3 does not fit"));
}
END_TEST

START_TEST(a_view_may_not_reach_beyond_its_memory)
{
    nl_value v;
    const nl_value x = clip(1, 1, 2, 3, 4);
    const nl_tensor row = nl_tensor_dense(NL_F32, 1, (const int64_t[]){8});
    ck_assert_int_eq(nl_graph_view(g, x, &row, 16, &v), NL_OK);
    ck_assert_int_eq(g->values[v].base, x);
    ck_assert_int_eq(nl_graph_view(g, v, &row, 1, &v), NL_ESHAPE);
}
END_TEST

START_TEST(a_parameter_of_two_shapes_is_refused)
{
    nl_value y;
    const nl_value x = clip(1, 1, 2, 3, 4);
    ck_assert_int_eq(conv("same", x, 5, 1, 1, &y), NL_OK);
    ck_assert_int_eq(conv("same", x, 6, 1, 1, &y), NL_ESHAPE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "same_weights"));
}
END_TEST

/* y = relu(bn(conv(x)) + bn(conv(x))), a residual block's end. */
static nl_value residual_end(nl_value x)
{
    nl_value a, b, y;
    ck_assert_int_eq(conv("a", x, 4, 3, 1, &a), NL_OK);
    ck_assert_int_eq(nl_layer_bn(g, &(struct nl_bn_layer){"bn_a", 1e-5, 0.9, 1}, a, &a), NL_OK);
    ck_assert_int_eq(conv("b", x, 4, 1, 1, &b), NL_OK);
    ck_assert_int_eq(nl_layer_bn(g, &(struct nl_bn_layer){"bn_b", 1e-5, 0.9, 1}, b, &b), NL_OK);
    ck_assert_int_eq(nl_layer_add(g, "sum", a, b, &y), NL_OK);
    ck_assert_int_eq(nl_layer_relu(g, "end", y, &y), NL_OK);
    return y;
}

static int count(nl_op op)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++) n += g->nodes[i].op == op;
    return n;
}

START_TEST(batch_norm_sum_and_relu_go_into_convolutions)
{
    const nl_value y = residual_end(clip(1, 2, 5, 5, 3));
    ck_assert_int_eq(nl_rewrite(g, &y, 1, NULL, NULL), NL_OK);
    ck_assert_int_eq(count(NL_OP_CONV), 2);
    ck_assert_int_eq(count(NL_OP_CONV_FOLD), 2);
    ck_assert_int_eq(count(NL_OP_BN_FOLD), 2);
    ck_assert_int_eq(g->n_nodes, 6);
    const struct nl_node *last = &g->nodes[g->n_nodes - 1];
    ck_assert_str_eq(last->name, "end");
    ck_assert_int_eq(last->op, NL_OP_CONV);
    ck_assert(last->attr.conv.relu);
    ck_assert_int_ne(last->in[3], NL_NONE);
    ck_assert_int_eq(last->out[0], y);
}
END_TEST

START_TEST(every_node_stands_behind_what_it_reads)
{
    const nl_value y = residual_end(clip(1, 2, 5, 5, 3));
    ck_assert_int_eq(nl_rewrite(g, &y, 1, NULL, NULL), NL_OK);
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE)
                ck_assert_int_lt(g->values[g->values[g->nodes[i].in[k]].base].node, i);
}
END_TEST

START_TEST(a_kept_value_is_not_folded_away)
{
    const nl_value y = residual_end(clip(1, 2, 5, 5, 3));
    const int conv_a = nl_graph_find(g, "a");
    const nl_value keep[2] = {y, g->nodes[conv_a].out[0]};
    ck_assert_int_eq(nl_rewrite(g, keep, 2, NULL, NULL), NL_OK);
    const int kept = nl_graph_find(g, "a");
    ck_assert_int_ne(kept, NL_NONE);
    ck_assert_int_eq(g->nodes[kept].out[0], keep[1]);
    ck_assert(!g->nodes[kept].attr.conv.relu);
    ck_assert_int_eq(count(NL_OP_AFFINE), 1);
}
END_TEST

START_TEST(what_no_kept_value_needs_is_dropped)
{
    residual_end(clip(1, 2, 5, 5, 3));
    const nl_value keep = g->nodes[nl_graph_find(g, "b")].out[0];
    ck_assert_int_eq(nl_rewrite(g, &keep, 1, NULL, NULL), NL_OK);
    ck_assert_int_eq(g->n_nodes, 1);
    ck_assert_str_eq(g->nodes[0].name, "b");
}
END_TEST

static bool overlap(const struct nl_span *a, const struct nl_span *b)
{
    return a->first <= b->last && b->first <= a->last && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

START_TEST(spans_alive_together_never_overlap)
{
    enum { N = 60 };
    struct nl_span spans[N];
    size_t total = 0, bound = 0;
    srand((unsigned)_i + 1);
    for (int i = 0; i < N; i++) {
        spans[i] = (struct nl_span){.bytes = 1 + (size_t)rand() % 5000, .first = rand() % 40};
        spans[i].last = spans[i].first + rand() % 6;
    }
    ck_assert_int_eq(nl_arena_place(spans, N, &total, &bound), NL_OK);
    for (int i = 0; i < N; i++) {
        ck_assert_uint_le(spans[i].offset + spans[i].bytes, total);
        ck_assert_uint_eq(spans[i].offset % NL_ALIGN, 0);
        for (int k = 0; k < i; k++) ck_assert(!overlap(&spans[i], &spans[k]));
    }
    ck_assert_uint_ge(total, bound);
    ck_assert_uint_le(total, 2 * bound);
}
END_TEST

START_TEST(a_failed_allocation_leaves_no_leak)
{
    for (long nth = 1; nth < 60; nth++) {
        struct nl_graph *copy = NULL;
        nl_memory_fail_nth(nth);
        const nl_status st = nl_graph_clone(g, &copy);
        nl_memory_fail_nth(0);
        ck_assert(st == NL_ENOMEM || st == NL_OK);
        nl_graph_free(copy);
        if (st == NL_OK) return;
    }
    ck_abort_msg("cloning allocates without end");
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("graph");
    TCase *tc = tcase_create("graph");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, shapes_follow_from_kernel_stride_and_padding);
    tcase_add_test(tc, a_misfit_is_reported_with_the_name_of_the_node);
    tcase_add_test(tc, a_view_may_not_reach_beyond_its_memory);
    tcase_add_test(tc, a_parameter_of_two_shapes_is_refused);
    tcase_add_test(tc, batch_norm_sum_and_relu_go_into_convolutions);
    tcase_add_test(tc, every_node_stands_behind_what_it_reads);
    tcase_add_test(tc, a_kept_value_is_not_folded_away);
    tcase_add_test(tc, what_no_kept_value_needs_is_dropped);
    tcase_add_loop_test(tc, spans_alive_together_never_overlap, 0, 8);
    tcase_add_test(tc, a_failed_allocation_leaves_no_leak);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
