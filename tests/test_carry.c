/* W_z carried to the values of a pairwise op: where that is done, and that nothing shows in z. */
#include "blocks/block.h"
#include "src/core/memory.h"
#include "src/core/options.h"
#include "src/core/rng.h"
#include "src/graph/layers.h"
#include "src/graph/plan.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLIPS = 2,
    FRAMES = 2,
    SIDE = 6,
    CHANNELS = 64,
    COUNT = CLIPS * FRAMES * SIDE * SIDE * CHANNELS
};

/* A block's options, and whether W_z is carried there. */
static const struct {
    const char *key[4], *value[4];
    bool carried;
} cases[] = {
    {{"pairwise"}, {"embedded_gaussian"}, true},
    {{"pairwise"}, {"gaussian"}, true},
    {{"pairwise"}, {"dot_product"}, true},
    {{"pairwise"}, {"concatenation"}, true},
    {{"pairwise", "pool"}, {"embedded_gaussian", "after"}, true},
    {{"pairwise", "no_bias", "use_bn"}, {"embedded_gaussian", "1", "False"}, true},
    {{"pairwise", "no_bias"}, {"dot_product", "1"}, true},
    {{"pairwise", "extent"}, {"embedded_gaussian", "space"}, true},
    {{"pairwise", "group_size"}, {"embedded_gaussian", "1"}, true},
    {{"pairwise", "extent"}, {"embedded_gaussian", "time"}, false}, /* keys are not pooled */
    {{"pairwise", "pool"}, {"embedded_gaussian", "none"}, false},
    {{"pairwise", "inner"}, {"embedded_gaussian", "4"}, false}, /* few products to save */
};

struct block {
    struct nl_settings settings;
    struct nl_backend be;
    struct nl_params params;
    struct nl_graph *g;
    struct nl_plan *plan;
    nl_value x, z;
};

static struct block block;

static void give(const char *name, const char *value)
{
    char key[64];
    snprintf(key, sizeof key, "NONLOCAL.%s", name);
    const nl_status st = nl_settings_set(&block.settings, key, value, NL_BY_FLAG);
    ck_assert_msg(st == NL_OK, "%s", nl_error());
}

static void number(double value, nl_type type, void *data, int64_t i)
{
    if (type == NL_F64)
        ((double *)data)[i] = value;
    else
        ((float *)data)[i] = (float)value;
}

/* Parameters far from what they start as, the same on every backend. */
static void fill(void)
{
    for (int p = 0; p < block.params.count; p++) {
        const struct nl_param *param = &block.params.list[p];
        struct nl_rng rng;
        nl_rng_seed(&rng, 1, param->name);
        for (int64_t i = 0; i < nl_tensor_count(&param->tensor); i++)
            number(param->tensor.rank == 1 ? 0.5 + nl_rng_double(&rng) : 0.2 * nl_rng_normal(&rng),
                   param->tensor.type, param->tensor.data, i);
    }
    block.params.version++;
}

static void open_block(int number_of_case, const char *backend, nl_type type, nl_type storage)
{
    const struct nl_block_site site = {"nonlocal", 3, 1, &block.settings.config.nonlocal.options};
    const int64_t dim[5] = {CLIPS, FRAMES, SIDE, SIDE, CHANNELS};
    block = (struct block){.g = NULL};
    ck_assert_int_eq(nl_settings_init(&block.settings), NL_OK);
    for (int k = 0; k < 4 && cases[number_of_case].key[k]; k++)
        give(cases[number_of_case].key[k], cases[number_of_case].value[k]);
    ck_assert_int_eq(nl_settings_resolve(&block.settings), NL_OK);
    ck_assert_int_eq(nl_backend_open(backend, 2, &block.be), NL_OK);
    ck_assert_int_eq(nl_graph_new(type, &block.params, &block.g), NL_OK);
    ck_assert_int_eq(nl_graph_input(block.g, 5, dim, &block.x), NL_OK);
    nl_value x = block.x;
    ck_assert_int_eq(nl_layer_cast(block.g, "half", storage, x, &x), NL_OK);
    ck_assert_msg(nl_block_append(block.g, &site, x, &block.z) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_params_alloc(&block.params, &block.be, type), NL_OK);
    fill();
}

static void close_block(void)
{
    nl_plan_free(block.plan);
    nl_graph_free(block.g);
    nl_params_clear(&block.params);
    nl_backend_close(&block.be);
}

static nl_value related(void)
{
    return block.g->nodes[nl_graph_find(block.g, "nonlocal_pairwise")].out[0];
}

/* Channels of the values that the plan's only pairwise op takes. */
static int64_t width(void)
{
    const struct nl_graph *g = nl_plan_graph(block.plan);
    for (int i = 0; i < g->n_nodes; i++)
        if (g->nodes[i].op == NL_OP_PAIRWISE) return nl_graph_tensor(g, g->nodes[i].in[2])->dim[3];
    ck_abort_msg("no pairwise op");
    return 0;
}

/* z of a plan that keeps what the pairwise op makes, so that nothing is carried, or not. */
static void run(bool keep, double *z)
{
    const nl_value outputs[2] = {block.z, related()};
    const nl_type type = block.g->type;
    static double data[COUNT];
    struct nl_rng rng;
    nl_rng_seed(&rng, 2, "x");
    nl_plan_free(block.plan);
    ck_assert_int_eq(nl_plan_new(block.g, &block.be, outputs, keep ? 2 : 1, &block.plan), NL_OK);
    for (int i = 0; i < COUNT; i++) number(nl_rng_normal(&rng), type, data, i);
    ck_assert_int_eq(nl_plan_write(block.plan, block.x, data), NL_OK);
    ck_assert_msg(nl_plan_run(block.plan, NULL) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_plan_read(block.plan, block.z, data), NL_OK);
    for (int i = 0; i < COUNT; i++)
        z[i] = type == NL_F64 ? data[i] : (double)((const float *)(const void *)data)[i];
}

static double difference(const double *a, const double *b)
{
    double worst = 0, largest = 0;
    for (int i = 0; i < COUNT; i++) {
        worst = fmax(worst, isnan(a[i]) ? INFINITY : fabs(a[i] - b[i]));
        largest = fmax(largest, fabs(b[i]));
    }
    return worst / largest;
}

static void expect_same(int number_of_case, const char *backend, nl_type type, double bound)
{
    static double plain[COUNT], got[COUNT];
    open_block(number_of_case, "ref", NL_F64, NL_F64);
    run(true, plain);
    ck_assert_int_lt(width(), CHANNELS);
    close_block();
    open_block(number_of_case, backend, type, type);
    run(false, got);
    ck_assert_int_eq(width() == CHANNELS, cases[number_of_case].carried);
    ck_assert_double_le(difference(got, plain), bound);
    close_block();
}

START_TEST(z_is_the_same_in_f64)
{
    expect_same(_i, "ref", NL_F64, 1e-13);
}
END_TEST

START_TEST(z_is_the_same_on_cpu)
{
    expect_same(_i, "cpu", NL_F32, 1e-5);
}
END_TEST

START_TEST(the_note_of_a_block_follows_its_pairwise_op)
{
    static double z[COUNT];
    open_block(0, "cpu", NL_F32, NL_F32);
    run(false, z);
    const struct nl_graph *g = nl_plan_graph(block.plan);
    ck_assert_int_eq(g->n_notes, 1);
    ck_assert_int_eq(g->nodes[g->notes[0].node].op, NL_OP_PAIRWISE);
    close_block();
}
END_TEST

START_TEST(bf16_is_left_as_it_is)
{
    open_block(0, "cpu", NL_F32, NL_BF16);
    ck_assert_int_eq(nl_plan_new(block.g, &block.be, &block.z, 1, &block.plan), NL_OK);
    ck_assert_int_lt(width(), CHANNELS);
    close_block();
}
END_TEST

START_TEST(a_graph_that_trains_is_left_as_it_is)
{
    open_block(0, "cpu", NL_F32, NL_F32);
    block.g->training.on = true;
    ck_assert_int_eq(nl_plan_new(block.g, &block.be, &block.z, 1, &block.plan), NL_OK);
    ck_assert_int_lt(width(), CHANNELS);
    close_block();
}
END_TEST

/* What plug-ins may build: y is looked at through `view` before the last convolution. */
static void open_seen(const nl_tensor *view, int stride, int pad)
{
    enum { INNER = 32, POSITIONS = FRAMES * SIDE * SIDE, POOL = 2 };
    const union nl_attr attr = {.pairwise = {.score = NL_SCORE_PRODUCT, .scale = 0.2}};
    const nl_tensor q = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, POSITIONS, INNER}),
                    k = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, POSITIONS / 4, INNER});
    const struct nl_conv_layer theta = {.name = "theta",
                                        .weights = "theta_w",
                                        .filters = INNER,
                                        .kernel = {1, 1, 1},
                                        .stride = {1, 1, 1}},
                               out = {.name = "out",
                                      .weights = "out_w",
                                      .filters = CHANNELS,
                                      .kernel = {1, 1, 1},
                                      .stride = {stride, 1, 1},
                                      .pad = {pad, 0, 0}};
    nl_value in[3], keys, y;
    block = (struct block){.g = NULL};
    ck_assert_int_eq(nl_backend_open("cpu", 1, &block.be), NL_OK);
    ck_assert_int_eq(nl_graph_new(NL_F32, &block.params, &block.g), NL_OK);
    ck_assert_int_eq(nl_graph_input(block.g, 5, (int64_t[]){1, FRAMES, SIDE, SIDE, CHANNELS}, &y),
                     NL_OK);
    ck_assert_int_eq(nl_layer_conv(block.g, &theta, y, &y), NL_OK);
    ck_assert_int_eq(nl_layer_pool(block.g, NL_OP_MAX_POOL, "pool", (int[]){1, POOL, POOL},
                                   (int[]){1, POOL, POOL}, y, &keys),
                     NL_OK);
    ck_assert_int_eq(nl_graph_view(block.g, y, &q, 0, &in[0]), NL_OK);
    ck_assert_int_eq(nl_graph_view(block.g, keys, &k, 0, &in[1]), NL_OK);
    in[2] = in[1];
    ck_assert_int_eq(nl_graph_append(block.g, NL_OP_PAIRWISE, "pairwise", &attr, in, 3, &y), NL_OK);
    ck_assert_int_eq(nl_graph_view(block.g, y, view, 0, &y), NL_OK);
    ck_assert_int_eq(nl_layer_conv(block.g, &out, y, &block.z), NL_OK);
    ck_assert_int_eq(nl_params_alloc(&block.params, &block.be, NL_F32), NL_OK);
    ck_assert_int_eq(nl_plan_new(block.g, &block.be, &block.z, 1, &block.plan), NL_OK);
}

START_TEST(only_products_for_all_positions_in_order_are_carried)
{
    nl_tensor whole = nl_tensor_dense(NL_F32, 5, (int64_t[]){1, FRAMES, SIDE, SIDE, 32}),
              turned = nl_tensor_permute(&whole, (int[]){0, 1, 3, 2, 4}),
              three = nl_tensor_dense(NL_F32, 5, (int64_t[]){1, 3, 4, SIDE, 32});
    open_seen(&whole, 1, 0);
    ck_assert_int_eq(width(), CHANNELS);
    close_block();
    open_seen(&turned, 1, 0);
    ck_assert_int_lt(width(), CHANNELS);
    close_block();
    open_seen(&three, 2, 1); /* as many outputs as inputs, of other positions */
    ck_assert_int_lt(width(), CHANNELS);
    close_block();
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("carry");
    TCase *tc = tcase_create("W_z");
    tcase_add_loop_test(tc, z_is_the_same_in_f64, 0, (int)NL_COUNT(cases));
    tcase_add_loop_test(tc, z_is_the_same_on_cpu, 0, (int)NL_COUNT(cases));
    tcase_add_test(tc, the_note_of_a_block_follows_its_pairwise_op);
    tcase_add_test(tc, only_products_for_all_positions_in_order_are_carried);
    tcase_add_test(tc, bf16_is_left_as_it_is);
    tcase_add_test(tc, a_graph_that_trains_is_left_as_it_is);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
