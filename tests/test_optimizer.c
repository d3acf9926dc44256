#include "src/core/memory.h"
#include "src/graph/optimizer.h"
#include "tests/network.h"

#include <check.h>
#include <stdlib.h>

static const char *const sets[] = {"MODEL.precision=f64", "MODEL.use_affine=True",
                                   "NONLOCAL.blocks={4: [1]}", "TRAIN.dropout_rate=0", NULL};

/* What one step of rate 1 leaves of a parameter whose gradient is zero; of a statistic, the share
 * of the old. */
static double left_of(const struct nl_param *param)
{
    static const double left[] = {[NL_ROLE_FILTER] = 0.5,
                                  [NL_ROLE_BIAS] = 0.5,
                                  [NL_ROLE_FC] = 0.5,
                                  [NL_ROLE_BN] = 0.75,
                                  [NL_ROLE_AFFINE] = 0.875};
    return param->role == NL_ROLE_STATISTIC ? param->momentum : left[param->role];
}

START_TEST(each_kind_of_parameter_has_a_decay_of_its_own)
{
    const struct nl_geometry geometry = {1, 8, 64, 64};
    const struct nl_training training = {.on = true, .share = 1};
    const struct nl_sgd sgd = {.rate = 1, .decay = 0.5, .decay_bn = 0.25, .decay_affine = 0.125};
    struct nl_optimizer *optimizer = NULL;
    struct nl_model_ends ends;
    struct nl_graph *g = NULL;
    struct network n;
    double norm, one = 1, *values = NULL;
    int seen[NL_ROLE_STATISTIC + 1] = {0};
    network_open(&n, "ref", 1, sets);
    struct nl_params *params = &n.model.params;
    ck_assert_int_eq(nl_params_train(params), NL_OK);
    ck_assert_int_eq(nl_model_train_graph(&n.model, &geometry, &training, &g, &ends), NL_OK);
    ck_assert_int_eq(nl_optimizer_new(g, &n.be, true, &optimizer), NL_OK);
    for (int64_t i = 0; i < (int64_t)params->bytes / 8; i++) ((double *)params->block)[i] = one;
    ck_assert_int_eq(nl_optimizer_step(optimizer, &sgd, &norm), NL_OK);
    ck_assert_double_eq(norm, 0);
    for (int i = 0; i < params->count; i++) {
        const int64_t count = nl_tensor_count(&params->list[i].tensor);
        ck_assert_int_eq(nl_calloc((size_t)count, sizeof *values, &values), NL_OK);
        ck_assert_int_eq(nl_params_get_f64(params, i, values), NL_OK);
        for (int64_t k = 0; k < count; k++)
            ck_assert_double_eq(values[k], left_of(&params->list[i]));
        seen[params->list[i].role]++;
        nl_free(values);
    }
    for (int role = 0; role <= NL_ROLE_STATISTIC; role++) ck_assert_int_gt(seen[role], 0);
    nl_optimizer_free(optimizer);
    nl_graph_free(g);
    network_close(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("optimizer");
    TCase *tc = tcase_create("optimizer");
    tcase_add_test(tc, each_kind_of_parameter_has_a_decay_of_its_own);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
