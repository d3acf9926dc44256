/* The recorded blocks, against numbers made in double precision. */
#include "tests/fixture.h"

#include "blocks/block.h"
#include "src/core/memory.h"
#include "src/core/options.h"
#include "src/graph/gradient.h"
#include "src/graph/layers.h"
#include "src/graph/plan.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char **names; /* files of the fixtures folder */

/* The fixture's PyTorch name of one of our parameters of a block called "b". */
static const char *torch_name(const char *ours, char out[64])
{
    static const char *const pairs[][2] = {
        {"b_bn_scale", "param.bn.weight"},
        {"b_bn_offset", "param.bn.bias"},
        {"b_bn_mean", "after.running_mean"},
        {"b_bn_variance", "after.running_var"},
        {"b_w_f", "param.w_f"},
    };
    for (size_t i = 0; i < NL_COUNT(pairs); i++)
        if (strcmp(ours, pairs[i][0]) == 0) {
            snprintf(out, 64, "%s", pairs[i][1]);
            return out;
        }
    const char *part = ours + 2, *end = strrchr(ours, '_');
    snprintf(out, 64, "param.%.*s.%s", (int)(end - part), part, end[1] == 'w' ? "weight" : "bias");
    return out;
}

static void set_option(struct nl_settings *settings, const char *key, const json_t *value)
{
    const bool yes = json_is_true(value);
    char number[32];
    if (strcmp(key, "scale") == 0)
        ck_assert_int_eq(
            nl_settings_set(settings, "NONLOCAL.scale", yes ? "inner" : "none", NL_BY_FLAG), NL_OK);
    else if (strcmp(key, "bias") == 0)
        ck_assert_int_eq(
            nl_settings_set(settings, "NONLOCAL.no_bias", yes ? "False" : "True", NL_BY_FLAG),
            NL_OK);
    else if (strcmp(key, "batch_norm") == 0)
        ck_assert_int_eq(
            nl_settings_set(settings, "NONLOCAL.use_bn", yes ? "True" : "False", NL_BY_FLAG),
            NL_OK);
    else if (strcmp(key, "group") == 0) {
        snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
        ck_assert_int_eq(nl_settings_set(settings, "NONLOCAL.group_size", number, NL_BY_FLAG),
                         NL_OK);
    } else {
        char full[64];
        snprintf(full, sizeof full, "NONLOCAL.%s", key);
        ck_assert_int_eq(nl_settings_set(settings, full, json_string_value(value), NL_BY_FLAG),
                         NL_OK);
    }
}

static void read_options(const struct nl_state *state, struct nl_settings *settings)
{
    const char *key;
    json_t *value, *root = json_loads(nl_state_meta(state, "options"), 0, NULL);
    ck_assert_ptr_nonnull(root);
    ck_assert_int_eq(nl_settings_init(settings), NL_OK);
    ck_assert_int_eq(nl_settings_set(settings, "NONLOCAL.inner", "3", NL_BY_FLAG), NL_OK);
    json_object_foreach(root, key, value) set_option(settings, key, value);
    json_decref(root);
    ck_assert_int_eq(nl_settings_resolve(settings), NL_OK);
}

static void fill(struct nl_params *params, const struct nl_state *state)
{
    char name[64];
    for (int i = 0; i < params->count; i++) {
        double *values = fixture_values(state, torch_name(params->list[i].name, name));
        ck_assert_int_eq(nl_params_set_f64(params, i, values), NL_OK);
        nl_free(values);
    }
}

enum { N = 2, C = 6, T = 4, H = 5, W = 7, S = T * H * W, COUNT = N * C * S };

/* (N,C,S) doubles into an input of the plan, in its type. */
static void put_block(struct nl_plan *plan, nl_type type, nl_value x, const double *in)
{
    static double wide[COUNT];
    static float narrow[COUNT];
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            for (int s = 0; s < S; s++) {
                wide[(n * S + s) * C + c] = in[(n * C + c) * S + s];
                narrow[(n * S + s) * C + c] = (float)in[(n * C + c) * S + s];
            }
    ck_assert_int_eq(nl_plan_write(plan, x, type == NL_F64 ? (void *)wide : (void *)narrow), NL_OK);
}

/* And back out. */
static void get_block(struct nl_plan *plan, nl_type type, nl_value z, double *out)
{
    static double wide[COUNT];
    static float narrow[COUNT];
    ck_assert_int_eq(nl_plan_read(plan, z, type == NL_F64 ? (void *)wide : (void *)narrow), NL_OK);
    for (int n = 0; n < N; n++)
        for (int c = 0; c < C; c++)
            for (int s = 0; s < S; s++) {
                const int at = (n * S + s) * C + c;
                out[(n * C + c) * S + s] = type == NL_F64 ? wide[at] : (double)narrow[at];
            }
}

/* The recorded block between casts to BF16 and back, where g->storage says so. */
static void append_block(struct nl_graph *g, const struct nl_settings *settings, nl_value x,
                         nl_value *z)
{
    const struct nl_block_site site = {"b", 0, 0, &settings->config.nonlocal.options};
    ck_assert_int_eq(nl_layer_cast(g, "half", g->storage, x, &x), NL_OK);
    ck_assert_msg(nl_block_append(g, &site, x, z) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_layer_cast(g, "whole", g->type, *z, z), NL_OK);
}

/* Largest error of the evaluation output over its largest value. */
static double block_error(const char *file, const char *backend, nl_type storage)
{
    const nl_type type = nl_type_of_sums(storage);
    static struct nl_settings settings;
    static double got[COUNT];
    struct nl_state state;
    struct nl_backend be;
    struct nl_params params = {.list = NULL};
    struct nl_graph *g = NULL;
    struct nl_plan *plan = NULL;
    nl_value x, z;
    double worst = 0, largest = 0;
    ck_assert_msg(nl_state_load(fixture_path(file), NULL, &state) == NL_OK, "%s", nl_error());
    read_options(&state, &settings);
    ck_assert_int_eq(nl_backend_open(backend, 2, &be), NL_OK);
    ck_assert_int_eq(nl_graph_new(type, &params, &g), NL_OK);
    g->storage = storage;
    ck_assert_int_eq(nl_graph_input(g, 5, (const int64_t[]){N, T, H, W, C}, &x), NL_OK);
    append_block(g, &settings, x, &z);
    ck_assert_int_eq(nl_params_alloc(&params, &be, type), NL_OK);
    fill(&params, &state);
    ck_assert_int_eq(nl_plan_new(g, &be, &z, 1, &plan), NL_OK);
    double *in = fixture_values(&state, "x"), *want = fixture_values(&state, "output_eval");
    put_block(plan, type, x, in);
    ck_assert_msg(nl_plan_run(plan, NULL) == NL_OK, "%s", nl_error());
    get_block(plan, type, z, got);
    for (int i = 0; i < COUNT; i++) {
        largest = fmax(largest, fabs(want[i]));
        worst = fmax(worst, fabs(got[i] - want[i]));
        if (isnan(got[i])) worst = INFINITY;
    }
    nl_free(in);
    nl_free(want);
    nl_plan_free(plan);
    nl_graph_free(g);
    nl_params_clear(&params);
    nl_backend_close(&be);
    nl_state_clear(&state);
    return worst / largest;
}

/* A block in training mode: output, running statistics and every gradient, errors against the
 * largest gradient norm of the case (of the output: its largest value). */
struct trained {
    struct nl_state state;
    struct nl_backend be;
    struct nl_params params;
    struct nl_graph *g;
    struct nl_plan *plan;
    nl_value x, dy, z, dx;
    nl_type type;
};

static void train_block(struct trained *t, const char *file, const char *backend, nl_type storage)
{
    static struct nl_settings settings;
    const nl_type type = nl_type_of_sums(storage);
    *t = (struct trained){.type = type};
    ck_assert_msg(nl_state_load(fixture_path(file), NULL, &t->state) == NL_OK, "%s", nl_error());
    read_options(&t->state, &settings);
    ck_assert_int_eq(nl_backend_open(backend, 2, &t->be), NL_OK);
    ck_assert_int_eq(nl_graph_new(type, &t->params, &t->g), NL_OK);
    t->g->storage = storage;
    t->g->training = (struct nl_training){.on = true, .share = 1};
    ck_assert_int_eq(nl_graph_input(t->g, 5, (const int64_t[]){N, T, H, W, C}, &t->x), NL_OK);
    ck_assert_int_eq(nl_graph_input(t->g, 5, (const int64_t[]){N, T, H, W, C}, &t->dy), NL_OK);
    append_block(t->g, &settings, t->x, &t->z);
    ck_assert_msg(nl_graph_differentiate(t->g, t->z, t->dy, &t->x, &t->dx, 1) == NL_OK, "%s",
                  nl_error());
    ck_assert_int_eq(nl_params_alloc(&t->params, &t->be, type), NL_OK);
    ck_assert_int_eq(nl_params_train(&t->params), NL_OK);
    fill(&t->params, &t->state);
    const nl_value keep[2] = {t->z, t->dx};
    ck_assert_msg(nl_plan_new(t->g, &t->be, keep, 2, &t->plan) == NL_OK, "%s", nl_error());
}

static void trained_clear(struct trained *t)
{
    nl_plan_free(t->plan);
    nl_graph_free(t->g);
    nl_params_clear(&t->params);
    nl_backend_close(&t->be);
    nl_state_clear(&t->state);
}

/* Error norm of parameter `i`'s gradient; of a statistic, of what the step would make of it. The
 * recorded gradient's norm into *norm. */
static double gradient_error(const struct trained *t, int i, double *norm)
{
    const struct nl_param *param = &t->params.list[i];
    const size_t count = (size_t)nl_tensor_count(&param->tensor);
    double got[256];
    char name[64], grad[80];
    torch_name(param->name, name);
    snprintf(grad, sizeof grad, "grad.%s", name + strlen("param."));
    const bool statistic = param->role == NL_ROLE_STATISTIC;
    double *want = fixture_values(&t->state, statistic ? name : grad);
    ck_assert_uint_le(count, NL_COUNT(got));
    ck_assert_int_eq(nl_params_get_grad_f64(&t->params, i, got), NL_OK);
    const double initial = strstr(param->name, "variance") ? 1 : 0;
    for (size_t k = 0; statistic && k < count; k++) got[k] = 0.9 * initial + 0.1 * got[k];
    *norm = statistic ? 0 : fixture_norm(want, count);
    const double error = fixture_difference(got, want, count);
    nl_free(want);
    return error;
}

static double training_error(const char *file, const char *backend, nl_type storage)
{
    const nl_type type = nl_type_of_sums(storage);
    static double got[COUNT];
    struct trained t;
    double worst = 0, largest = 0, norm;
    train_block(&t, file, backend, storage);
    double *x = fixture_values(&t.state, "x"), *dy = fixture_values(&t.state, "dy");
    double *z = fixture_values(&t.state, "output"), *dx = fixture_values(&t.state, "dx");
    put_block(t.plan, type, t.x, x);
    put_block(t.plan, type, t.dy, dy);
    ck_assert_msg(nl_plan_run(t.plan, NULL) == NL_OK, "%s", nl_error());
    get_block(t.plan, type, t.dx, got);
    worst = fixture_difference(got, dx, COUNT);
    largest = fixture_norm(dx, COUNT);
    for (int i = 0; i < t.params.count; i++) {
        worst = fmax(worst, gradient_error(&t, i, &norm));
        largest = fmax(largest, norm);
    }
    get_block(t.plan, type, t.z, got);
    worst = fmax(worst, fixture_difference(got, z, COUNT) / fixture_norm(z, COUNT) * largest);
    double *const made[] = {x, dy, z, dx};
    for (size_t i = 0; i < NL_COUNT(made); i++) nl_free(made[i]);
    trained_clear(&t);
    return worst / largest;
}

START_TEST(gradients_of_blocks_are_the_recorded_ones_in_double_precision)
{
    ck_assert_double_le(training_error(names[_i], "ref", NL_F64), 1e-10);
}
END_TEST

START_TEST(gradients_of_blocks_are_the_recorded_ones_on_every_backend)
{
    for (int b = 0; nl_backends[b]; b++)
        ck_assert_double_le(training_error(names[_i], nl_backends[b]->name, NL_F32), 1e-5);
}
END_TEST

/* A rounding is 2^-8 of a number at most. A block rounds four times on its way, its gradient some
 * sixteen times; the ReLU of the concatenation variant flips for scores near zero. */
START_TEST(blocks_and_their_gradients_come_near_in_bf16)
{
    const double allowed = strstr(names[_i], "concatenation") ? 0.2 : 0x1p-4;
    for (int b = 0; nl_backends[b]; b++) {
        ck_assert_double_le(block_error(names[_i], nl_backends[b]->name, NL_BF16), 0x1p-6);
        ck_assert_double_le(training_error(names[_i], nl_backends[b]->name, NL_BF16), allowed);
    }
}
END_TEST

START_TEST(blocks_are_the_recorded_ones_in_double_precision)
{
    ck_assert_double_le(block_error(names[_i], "ref", NL_F64), 1e-11);
}
END_TEST

START_TEST(blocks_are_the_recorded_ones_on_every_backend)
{
    for (int b = 0; nl_backends[b]; b++)
        ck_assert_double_le(block_error(names[_i], nl_backends[b]->name, NL_F32), 1e-5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recorded blocks");
    TCase *tc = tcase_create("recorded");
    const int count = fixture_names("block_", 29, &names);
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, gradients_of_blocks_are_the_recorded_ones_in_double_precision, 0,
                        count);
    tcase_add_loop_test(tc, gradients_of_blocks_are_the_recorded_ones_on_every_backend, 0, count);
    tcase_add_loop_test(tc, blocks_and_their_gradients_come_near_in_bf16, 0, count);
    tcase_add_loop_test(tc, blocks_are_the_recorded_ones_in_double_precision, 0, count);
    tcase_add_loop_test(tc, blocks_are_the_recorded_ones_on_every_backend, 0, count);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    fixture_names_free(names, count);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
