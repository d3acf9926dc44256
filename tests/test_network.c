#include "tests/network.h"

#include "blocks/block.h"
#include "models/arc.h"
#include "src/app/netinfo.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CLIP = 3 * 8 * 64 * 64, CLASSES = 5 };

static float clip[CLIP];

static void setup(void)
{
    random_values(clip, CLIP, "clip");
}

/* Dot products are unbounded: small queries keep the numbers in range of a float. */
static void calm(struct nl_params *params)
{
    static float values[8192];
    for (int i = 0; i < params->count; i++) {
        const int64_t count = nl_tensor_count(&params->list[i].tensor);
        if (!strstr(params->list[i].name, "_theta_")) continue;
        ck_assert_int_le(count, (int64_t)NL_COUNT(values));
        ck_assert_int_eq(nl_params_get(params, i, values), NL_OK);
        for (int64_t k = 0; k < count; k++) values[k] *= 0.02f;
        ck_assert_int_eq(nl_params_set(params, i, values), NL_OK);
    }
}

static void run_once(const char *backend, int threads, bool non_trivial, const char *const *sets,
                     double *out)
{
    struct network n;
    network_open(&n, backend, threads, sets);
    ck_assert_int_eq(nl_params_init(&n.model.params, 7, non_trivial), NL_OK);
    calm(&n.model.params);
    network_plan(&n, 1, 8, 64, 64);
    network_run(&n, clip, out);
    network_close(&n);
}

static const char *const variants[] = {
    "NONLOCAL.pairwise=gaussian", "NONLOCAL.pairwise=embedded_gaussian",
    "NONLOCAL.pairwise=dot_product", "NONLOCAL.pairwise=concatenation"};
static const char *const switches[] = {
    "NONLOCAL.pool=before",     "NONLOCAL.pool=after",
    "NONLOCAL.pool=none",       "NONLOCAL.extent=space",
    "NONLOCAL.extent=time",     "NONLOCAL.group_size=2",
    "NONLOCAL.no_bias=True",    "NONLOCAL.use_bn=False",
    "NONLOCAL.use_affine=True", "NONLOCAL.use_zero_init_conv=True"};

/* Initial values except for the backbone's last gammas, which are zero by default. */
static const char *const alive = "MODEL.bn_init_gamma=0.5";

START_TEST(fresh_blocks_leave_the_output_bit_for_bit)
{
    const char *const without[] = {alive, "NONLOCAL.blocks={}", NULL};
    const char *const with[] = {alive, variants[_i % 4], switches[_i / 4],
                                "NONLOCAL.blocks={2: [0], 3: [1, 3], 4: [5], 5: [2]}", NULL};
    double want[CLASSES], got[CLASSES];
    for (int b = 0; nl_backends[b]; b++) {
        run_once(nl_backends[b]->name, 2, false, without, want);
        run_once(nl_backends[b]->name, 2, false, with, got);
        ck_assert_int_eq(memcmp(want, got, sizeof want), 0);
    }
}
END_TEST

START_TEST(trained_blocks_change_the_output)
{
    const char *const without[] = {"NONLOCAL.blocks={}", NULL};
    const char *const with[] = {variants[_i], NULL};
    double one[CLASSES], two[CLASSES];
    run_once("ref", 2, true, without, one);
    run_once("ref", 2, true, with, two);
    ck_assert(memcmp(one, two, sizeof one) != 0);
}
END_TEST

START_TEST(every_backend_agrees_with_ref_in_double_precision)
{
    const char *const sets[] = {variants[_i % 4], switches[_i / 4], NULL};
    const char *const wide[] = {variants[_i % 4], switches[_i / 4], "MODEL.precision=f64", NULL};
    double want[CLASSES], got[CLASSES];
    run_once("ref", 2, true, wide, want);
    for (int b = 0; nl_backends[b]; b++) {
        run_once(nl_backends[b]->name, 2, true, sets, got);
        for (int c = 0; c < CLASSES; c++) ck_assert_double_eq_tol(got[c], want[c], 1e-5);
    }
}
END_TEST

static int best_of(const double *p)
{
    int best = 0;
    for (int c = 1; c < CLASSES; c++)
        if (p[c] > p[best]) best = c;
    return best;
}

static double gap_of(const double *p)
{
    const int best = best_of(p);
    double next = 0;
    for (int c = 0; c < CLASSES; c++)
        if (c != best) next = fmax(next, p[c]);
    return p[best] - next;
}

START_TEST(every_backend_comes_near_in_bf16)
{
    const char *const sets[] = {variants[_i % 4], switches[_i / 4], "MODEL.precision=bf16", NULL};
    const char *const wide[] = {variants[_i % 4], switches[_i / 4], "MODEL.precision=f64", NULL};
    double want[CLASSES], got[CLASSES];
    run_once("ref", 2, true, wide, want);
    for (int b = 0; nl_backends[b]; b++) {
        run_once(nl_backends[b]->name, 2, true, sets, got);
        ck_assert_int_ne(memcmp(want, got, sizeof want), 0);
        for (int c = 0; c < CLASSES; c++) ck_assert_double_eq_tol(got[c], want[c], 2e-2);
        if (gap_of(want) > 0.05) ck_assert_int_eq(best_of(got), best_of(want));
    }
}
END_TEST

static void same_with_threads(const char *const *sets)
{
    double one[CLASSES], two[CLASSES], four[CLASSES];
    for (int b = 0; nl_backends[b]; b++) {
        run_once(nl_backends[b]->name, 1, true, sets, one);
        run_once(nl_backends[b]->name, 2, true, sets, two);
        run_once(nl_backends[b]->name, 4, true, sets, four);
        ck_assert_int_eq(memcmp(one, two, sizeof one), 0);
        ck_assert_int_eq(memcmp(one, four, sizeof one), 0);
    }
}

START_TEST(threads_do_not_change_a_bit)
{
    const char *const sets[] = {variants[_i % 4], switches[_i / 4], NULL};
    const char *const half[] = {variants[_i % 4], switches[_i / 4], "MODEL.precision=bf16", NULL};
    same_with_threads(sets);
    same_with_threads(half);
}
END_TEST

/* C2D has no kernel in time, and the relation of all positions does not know their order. */
START_TEST(c2d_scores_a_clip_and_its_reversal_alike)
{
    const char *const sets[] = {"NONLOCAL.pairwise=embedded_gaussian", NULL};
    static float forward[CLIP];
    double one[CLASSES], two[CLASSES];
    run_once("ref", 2, true, sets, one);
    memcpy(forward, clip, sizeof clip);
    const size_t plane = (size_t)64 * 64;
    for (size_t c = 0; c < 3; c++)
        for (size_t t = 0; t < 8; t++)
            memcpy(clip + (c * 8 + t) * plane, forward + (c * 8 + 7 - t) * plane,
                   plane * sizeof *clip);
    run_once("ref", 2, true, sets, two);
    for (int c = 0; c < CLASSES; c++) ck_assert_double_eq_tol(one[c], two[c], 1e-6);
}
END_TEST

START_TEST(new_values_reach_the_folded_weights)
{
    struct network n;
    double first[CLASSES], second[CLASSES], again[CLASSES];
    network_open(&n, nl_backends[_i]->name, 2, NULL);
    ck_assert_int_eq(nl_params_init(&n.model.params, 1, true), NL_OK);
    network_plan(&n, 1, 8, 64, 64);
    network_run(&n, clip, first);
    ck_assert_int_eq(nl_params_init(&n.model.params, 2, true), NL_OK);
    network_run(&n, clip, second);
    ck_assert(memcmp(first, second, sizeof first) != 0);
    ck_assert_int_eq(nl_params_init(&n.model.params, 1, true), NL_OK);
    network_run(&n, clip, again);
    ck_assert_int_eq(memcmp(first, again, sizeof first), 0);
    network_close(&n);
}
END_TEST

START_TEST(probabilities_sum_to_one_on_clips_of_any_size)
{
    static float wide[3 * 8 * 96 * 80];
    struct network n;
    double p[2 * CLASSES];
    random_values(wide, (int64_t)NL_COUNT(wide), "wide");
    network_open(&n, "ref", 2, NULL);
    ck_assert_int_eq(nl_params_init(&n.model.params, 1, true), NL_OK);
    network_plan(&n, 1, 8, 96, 80);
    network_run(&n, wide, p);
    double sum = 0;
    for (int c = 0; c < CLASSES; c++) sum += p[c];
    ck_assert_double_eq_tol(sum, 1, 1e-5);
    network_close(&n);
}
END_TEST

/* original_program.md 2.7 and the block totals of peers.md D3, at full width. */
static const struct {
    int arc;
    const char *set;
    int crop;
    int64_t trainable, all;
    double giga, block_giga;
} counted[] = {
    {1, "NONLOCAL.blocks={}", 224, 24327632, 24380752, 19.29, 0},
    {1, "NONLOCAL.pool=before", 224, 31686096, 31747408, 27.42, 8.13},
    {1, "NONLOCAL.pool=before", 256, 31686096, 31747408, 37.04, 11.81},
    {2, "NONLOCAL.blocks={}", 256, 28043472, 28096592, 36.76, 0},
    {2, "NONLOCAL.pool=before", 224, 35401936, 35463248, 36.24, 8.13},
    {3, "NONLOCAL.blocks={}", 224, 43319760, 43425104, 34.14, 0},
    {3, "NONLOCAL.pool=before", 256, 50678224, 50791760, 56.44, 11.81},
    {4, "NONLOCAL.pool=before", 224, 59112656, 59226192, 54.79, 8.13},
    {1, "NONLOCAL.pool=after", 256, 31686096, 31747408, 41.07, 15.84},
    {1, "NONLOCAL.pool=after", 224, 31686096, 31747408, 30.50, 11.21},
};

START_TEST(parameters_and_multiply_adds_are_the_published_ones)
{
    static struct nl_settings settings;
    struct nl_model model;
    struct nl_graph *g = NULL;
    struct nl_model_ends ends;
    const struct nl_geometry at = {1, 8, counted[_i].crop, counted[_i].crop};
    ck_assert_int_eq(nl_settings_init(&settings), NL_OK);
    settings.config.model.video_arc_choice = counted[_i].arc;
    char key[64];
    const char *equals = strchr(counted[_i].set, '=');
    snprintf(key, sizeof key, "%.*s", (int)(equals - counted[_i].set), counted[_i].set);
    ck_assert_int_eq(nl_settings_set(&settings, key, equals + 1, NL_BY_FLAG), NL_OK);
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    ck_assert_int_eq(nl_model_init(&model, &settings.config, &at), NL_OK);
    ck_assert_int_eq(nl_model_graph(&model, &at, &g, &ends), NL_OK);
    const struct nl_counts counts = nl_count(g);
    ck_assert_int_eq(counts.trainable, counted[_i].trainable);
    ck_assert_int_eq(counts.parameters, counted[_i].all);
    ck_assert_double_eq_tol((double)counts.multiply_adds * 1e-9, counted[_i].giga, 0.00501);
    ck_assert_double_eq_tol((double)counts.block_multiply_adds * 1e-9, counted[_i].block_giga,
                            0.00501);
    nl_graph_free(g);
    nl_model_clear(&model);
}
END_TEST

static const struct {
    const char *set, *message;
} impossible[] = {
    {"NONLOCAL.group_size=3",
     "nonlocal_conv3_1: NONLOCAL.group_size 3 does not divide the 4 frames"},
    {"NONLOCAL.pairwise=cosine",
     "no variant \"cosine\"; there are embedded_gaussian, gaussian, dot_product"},
    {"NONLOCAL.blocks={3: [4]}", "res3 of C2D-ResNet50 has blocks 0 to 3, not 4"},
    {"RESNETS.num_groups=2", "grouped convolutions are not built here"},
    {"TRAIN.crop_size=224", "the clip is too small for the head: res5 is 2x2, its window 7x7"},
};

START_TEST(an_impossible_network_is_refused_with_one_line)
{
    static struct nl_settings settings;
    const struct nl_geometry at = {1, 8, 64, 64};
    struct nl_model model;
    char key[64];
    const char *equals = strchr(impossible[_i].set, '=');
    ck_assert_int_eq(nl_settings_init(&settings), NL_OK);
    snprintf(key, sizeof key, "%.*s", (int)(equals - impossible[_i].set), impossible[_i].set);
    ck_assert_int_eq(nl_settings_set(&settings, "TRAIN.crop_size", "64", NL_BY_FILE), NL_OK);
    ck_assert_int_eq(nl_settings_set(&settings, key, equals + 1, NL_BY_FLAG), NL_OK);
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    ck_assert_int_eq(nl_model_init(&model, &settings.config, &at), NL_EUSAGE);
    ck_assert_msg(strstr(nl_error(), impossible[_i].message) != NULL, "%s", nl_error());
    ck_assert_ptr_null(strchr(nl_error(), '\n'));
}
END_TEST

static bool is_of(const char *const *prefixes, const char *name)
{
    for (; *prefixes; prefixes++)
        if (strncmp(name, *prefixes, strlen(*prefixes)) == 0) return true;
    return false;
}

/* Of each value of TRAIN.trainable: what has gradients, and the first node that the backward pass
 * comes to last; it goes no further down. */
static const struct {
    int trainable;
    const char *trained[5], *behind[8];
} frozen[] = {
    {NL_TRAINABLE_HEAD, {"pred"}, {"conv1", "res", "bn", "nonlocal", "pool"}},
    {NL_TRAINABLE_RES5,
     {"pred", "res5", "bn5"},
     {"conv1", "res2", "res3", "res4", "bn2", "bn3", "bn4"}},
    {NL_TRAINABLE_BLOCKS,
     {"pred", "nonlocal_"},
     {"conv1", "bn_conv1", "pool1", "res2", "bn2", "res3a", "bn3a"}},
};

START_TEST(no_gradient_is_computed_of_frozen_parts)
{
    const struct nl_geometry geometry = {1, 8, 64, 64};
    const struct nl_training training = {
        .on = true, .share = 1, .trains = nl_model_trains(frozen[_i].trainable)};
    struct nl_model_ends ends;
    struct nl_graph *g = NULL;
    struct network n;
    int gradients = 0, backward = 0;
    network_open(&n, "ref", 1, NULL);
    ck_assert_int_eq(nl_model_train_graph(&n.model, &geometry, &training, &g, &ends), NL_OK);
    for (int v = 0; v < g->n_values; v++) {
        if (g->values[v].kind != NL_VALUE_GRAD) continue;
        const char *name = g->params->list[g->values[v].param].name;
        ck_assert_msg(is_of(frozen[_i].trained, name), "%s has a gradient", name);
        gradients++;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        if (!g->nodes[i].backward) continue;
        ck_assert_msg(!is_of(frozen[_i].behind, g->nodes[i].name), "%s", g->nodes[i].name);
        backward++;
    }
    ck_assert_int_ge(gradients, 2);
    ck_assert_int_ge(backward, 2);
    nl_graph_free(g);
    network_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("network");
    TCase *tc = tcase_create("network");
    const int cases = 4 * (int)NL_COUNT(switches);
    tcase_add_checked_fixture(tc, setup, NULL);
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, fresh_blocks_leave_the_output_bit_for_bit, 0, cases);
    tcase_add_loop_test(tc, trained_blocks_change_the_output, 0, 4);
    tcase_add_loop_test(tc, every_backend_agrees_with_ref_in_double_precision, 0, cases);
    tcase_add_loop_test(tc, every_backend_comes_near_in_bf16, 0, cases);
    tcase_add_loop_test(tc, threads_do_not_change_a_bit, 0, cases);
    tcase_add_test(tc, c2d_scores_a_clip_and_its_reversal_alike);
    tcase_add_loop_test(tc, new_values_reach_the_folded_weights, 0, 2);
    tcase_add_test(tc, probabilities_sum_to_one_on_clips_of_any_size);
    tcase_add_loop_test(tc, parameters_and_multiply_adds_are_the_published_ones, 0,
                        (int)NL_COUNT(counted));
    tcase_add_loop_test(tc, an_impossible_network_is_refused_with_one_line, 0,
                        (int)NL_COUNT(impossible));
    tcase_add_loop_test(tc, no_gradient_is_computed_of_frozen_parts, 0, (int)NL_COUNT(frozen));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
