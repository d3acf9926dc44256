/* What a block needs beside its input and output: on 512 x 16 x 28 x 28 without pooling, where a
 * matrix of its 12544 x 12544 pairs would take 600 MiB in F32. Bars of the cpu backend. */
#include "blocks/block.h"
#include "src/core/options.h"
#include "src/graph/plan.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

enum { CHANNELS = 512, FRAMES = 16, SIDE = 28, MIB = 1 << 20 };

struct block {
    struct nl_settings settings;
    struct nl_params params;
    struct nl_graph *g;
    nl_value x, z;
};

static struct block block;

static void give(const char *key, const char *value)
{
    const nl_status st = nl_settings_set(&block.settings, key, value, NL_BY_FLAG);
    ck_assert_msg(st == NL_OK, "%s", nl_error());
}

static void append(const char *pairwise, int64_t frames)
{
    const struct nl_block_site site = {"nonlocal", 3, 1, &block.settings.config.nonlocal.options};
    const int64_t dim[5] = {1, frames, SIDE, SIDE, CHANNELS};
    block = (struct block){.g = NULL};
    ck_assert_int_eq(nl_settings_init(&block.settings), NL_OK);
    give("NONLOCAL.pairwise", pairwise);
    give("NONLOCAL.pool", "none");
    ck_assert_int_eq(nl_settings_resolve(&block.settings), NL_OK);
    ck_assert_int_eq(nl_graph_new(NL_F32, &block.params, &block.g), NL_OK);
    ck_assert_int_eq(nl_graph_input(block.g, 5, dim, &block.x), NL_OK);
    ck_assert_msg(nl_block_append(block.g, &site, block.x, &block.z) == NL_OK, "%s", nl_error());
}

static void clear(void)
{
    nl_graph_free(block.g);
    nl_params_clear(&block.params);
}

/* Bytes beside input and output: activations, workspace and, in *constants, folded and packed
 * weights. */
static double beyond(int threads, double *constants)
{
    struct nl_backend be;
    struct nl_plan_cost cost;
    size_t x, z;
    ck_assert_int_eq(nl_backend_open("cpu", threads, &be), NL_OK);
    const nl_status st = nl_plan_measure(block.g, &be, &block.z, 1, &cost);
    ck_assert_msg(st == NL_OK, "%s", nl_error());
    nl_backend_close(&be);
    ck_assert_int_eq(nl_tensor_bytes(nl_graph_tensor(block.g, block.x), &x), NL_OK);
    ck_assert_int_eq(nl_tensor_bytes(nl_graph_tensor(block.g, block.z), &z), NL_OK);
    *constants = (double)cost.constants;
    return (double)(cost.arena + cost.workspace) - (double)(x + z);
}

static const int threads[] = {1, 2, 8};

START_TEST(concatenation_of_157_million_pairs_takes_64_mib_at_most)
{
    double constants;
    append("concatenation", FRAMES);
    const double bytes = beyond(threads[_i], &constants);
    printf("%d threads: %.1f MiB beyond input and output, %.1f of weights\n", threads[_i],
           bytes / MIB, constants / MIB);
    ck_assert_double_le((bytes + constants) / MIB, 64);
    clear();
}
END_TEST

static const char *const variants[] = {"embedded_gaussian", "gaussian", "dot_product",
                                       "concatenation"};

/* Four times the positions, sixteen times the pairs. */
START_TEST(memory_grows_with_positions_and_not_with_pairs)
{
    double constants;
    append(variants[_i], FRAMES);
    const double one = beyond(2, &constants);
    clear();
    append(variants[_i], (int64_t)4 * FRAMES);
    const double four = beyond(2, &constants);
    clear();
    ck_assert_double_le(four, 4.1 * one);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("block memory");
    TCase *tc = tcase_create("forward");
    tcase_add_loop_test(tc, concatenation_of_157_million_pairs_takes_64_mib_at_most, 0,
                        (int)NL_COUNT(threads));
    tcase_add_loop_test(tc, memory_grows_with_positions_and_not_with_pairs, 0,
                        (int)NL_COUNT(variants));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
