/* The recorded narrow networks, against numbers made in double precision. */
#include "tests/fixture.h"
#include "tests/network.h"

#include "src/core/memory.h"
#include "src/graph/gradient.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char **names; /* files of the fixtures folder */

/* The recorded settings, and the precision, as a NULL-terminated list. */
static const char *const *recorded_sets(const json_t *root, const char *precision)
{
    static const char *sets[32];
    size_t i = 0;
    for (; i < json_array_size(root) && i + 2 < NL_COUNT(sets); i++)
        sets[i] = json_string_value(json_array_get(root, i));
    sets[i++] = precision;
    sets[i] = NULL;
    return sets;
}

static void fill_network(struct network *n, const struct nl_state *state)
{
    for (int i = 0; i < n->model.params.count; i++) {
        char name[128];
        snprintf(name, sizeof name, "param.%s", n->model.params.list[i].name);
        double *values = fixture_values(state, name);
        ck_assert_int_eq(nl_params_set_f64(&n->model.params, i, values), NL_OK);
        nl_free(values);
    }
}

static int best_of(const double *scores)
{
    int best = 0;
    for (int c = 1; c < 5; c++)
        if (scores[c] > scores[best]) best = c;
    return best;
}

/* In BF16 near enough for the same class wherever the next is 0.05 away. */
static void check_scores(const struct network *n, const double *got, const double *want)
{
    const bool half = n->settings.config.model.precision == NL_PRECISION_BF16;
    const int best = best_of(want);
    double gap = 1;
    for (int c = 0; c < 5; c++) {
        ck_assert_double_eq_tol(got[c], want[c], half ? 2e-2 : 1e-5);
        if (c != best) gap = fmin(gap, want[best] - want[c]);
    }
    if (gap > 0.05) ck_assert_int_eq(best_of(got), best);
}

static void check_clip(struct network *n, const struct nl_state *state, const char *clip,
                       const char *want, int64_t batch, int64_t height, int64_t width)
{
    double *values = fixture_values(state, clip), *probability = fixture_values(state, want),
           got[64];
    const int64_t count = batch * 3 * 8 * height * width;
    float *clips = NULL;
    ck_assert_int_eq(nl_calloc((size_t)count, sizeof *clips, &clips), NL_OK);
    for (int64_t i = 0; i < count; i++) clips[i] = (float)values[i];
    network_plan(n, batch, 8, height, width);
    network_run(n, clips, got);
    for (int64_t i = 0; i < batch; i++) check_scores(n, got + 5 * i, probability + 5 * i);
    nl_free(clips);
    nl_free(values);
    nl_free(probability);
}

static void check_network(const char *file, const char *precision)
{
    struct nl_state state;
    ck_assert_msg(nl_state_load(fixture_path(file), NULL, &state) == NL_OK, "%s", nl_error());
    json_t *sets = json_loads(nl_state_meta(&state, "config"), 0, NULL);
    for (int b = 0; nl_backends[b]; b++) {
        struct network n;
        network_open(&n, nl_backends[b]->name, 2, recorded_sets(sets, precision));
        fill_network(&n, &state);
        check_clip(&n, &state, "clip", "probability", 2, 64, 64);
        check_clip(&n, &state, "wide_clip", "wide_probability", 1, 96, 80);
        network_close(&n);
    }
    json_decref(sets);
    nl_state_clear(&state);
}

START_TEST(networks_give_the_recorded_probabilities_on_every_backend)
{
    check_network(names[_i], "MODEL.precision=f32");
}
END_TEST

START_TEST(networks_come_near_the_recorded_probabilities_in_bf16)
{
    check_network(names[_i], "MODEL.precision=bf16");
}
END_TEST

/* A recorded network in training: loss, and the gradient of each parameter. */
struct taught {
    struct nl_state state;
    struct network n;
    struct nl_plan *plan;
    struct nl_model_ends ends;
    double loss;
};

/* Values into an input of the plan, in the network's type. */
static void put(const struct taught *t, nl_value v, const double *values, size_t count)
{
    float *narrow = NULL;
    ck_assert_int_eq(nl_calloc(count, sizeof *narrow, &narrow), NL_OK);
    for (size_t i = 0; i < count; i++) narrow[i] = (float)values[i];
    const bool wide = t->n.model.type == NL_F64;
    ck_assert_int_eq(nl_plan_write(t->plan, v, wide ? (const void *)values : narrow), NL_OK);
    nl_free(narrow);
}

/* Numbers are moved by up to 3 `nudge` of their size. */
static void put_clips(const struct taught *t, const double *clips, double nudge)
{
    enum { PIXELS = 8 * 64 * 64 };
    double *last = NULL;
    ck_assert_int_eq(nl_calloc((size_t)2 * PIXELS * 3, sizeof *last, &last), NL_OK);
    for (size_t b = 0; b < 2; b++)
        for (size_t p = 0; p < PIXELS; p++)
            for (size_t c = 0; c < 3; c++)
                last[(b * PIXELS + p) * 3 + c] =
                    clips[(b * 3 + c) * PIXELS + p] * (1 + nudge * ((double)((p + c) % 7) - 3));
    put(t, t->ends.clip, last, (size_t)2 * PIXELS * 3);
    nl_free(last);
}

/* Parameters times 1 + nudge, 1 + 2 nudge ... by turns, as the clip's numbers. */
static void nudge_params(struct nl_params *params, double nudge)
{
    for (int i = 0; i < params->count; i++) {
        const size_t n = (size_t)nl_tensor_count(&params->list[i].tensor);
        double *values = NULL;
        ck_assert_int_eq(nl_calloc(n, sizeof *values, &values), NL_OK);
        ck_assert_int_eq(nl_params_get_f64(params, i, values), NL_OK);
        for (size_t k = 0; k < n; k++) values[k] *= 1 + nudge * ((double)(k % 7) - 3);
        ck_assert_int_eq(nl_params_set_f64(params, i, values), NL_OK);
        nl_free(values);
    }
}

static void read_loss(struct taught *t)
{
    float narrow[2];
    double wide[2];
    const bool f64 = t->n.model.type == NL_F64;
    ck_assert_int_eq(nl_plan_read(t->plan, t->ends.loss, f64 ? (void *)wide : (void *)narrow),
                     NL_OK);
    t->loss = f64 ? (wide[0] + wide[1]) / 2 : ((double)narrow[0] + (double)narrow[1]) / 2;
}

static void teach(struct taught *t, const char *file, const char *backend, const char *precision,
                  double nudge)
{
    const struct nl_geometry geometry = {2, 8, 64, 64};
    const struct nl_training training = {.on = true, .share = 1};
    struct nl_graph *g = NULL;
    *t = (struct taught){.loss = 0};
    ck_assert_msg(nl_state_load(fixture_path(file), NULL, &t->state) == NL_OK, "%s", nl_error());
    json_t *root = json_loads(nl_state_meta(&t->state, "config"), 0, NULL);
    network_open(&t->n, backend, 2, recorded_sets(root, precision));
    json_decref(root);
    ck_assert_int_eq(nl_params_train(&t->n.model.params), NL_OK);
    fill_network(&t->n, &t->state);
    nudge_params(&t->n.model.params, nudge);
    ck_assert_msg(nl_model_train_graph(&t->n.model, &geometry, &training, &g, &t->ends) == NL_OK,
                  "%s", nl_error());
    ck_assert_msg(nl_plan_new(g, &t->n.be, &t->ends.loss, 1, &t->plan) == NL_OK, "%s", nl_error());
    nl_graph_free(g);
    double *clips = fixture_values(&t->state, "clip"), *label = fixture_values(&t->state, "label");
    put_clips(t, clips, nudge);
    ck_assert_int_eq(nl_plan_write(t->plan, t->ends.label,
                                   (const int64_t[]){(int64_t)label[0], (int64_t)label[1]}),
                     NL_OK);
    put(t, t->ends.share, (const double[]){0.5, 0.5}, 2);
    ck_assert_msg(nl_plan_run(t->plan, NULL) == NL_OK, "%s", nl_error());
    read_loss(t);
    nl_free(clips);
    nl_free(label);
}

static void taught_clear(struct taught *t)
{
    nl_plan_free(t->plan);
    network_close(&t->n);
    nl_state_clear(&t->state);
}

/* Error norm of each recorded gradient, relative to its own norm, or all to the largest one; how
 * many there are. */
static int gradient_errors(const struct taught *t, bool own, double errors[512])
{
    int count = 0;
    double largest = 0;
    for (int i = 0; i < t->n.model.params.count; i++) {
        const struct nl_param *param = &t->n.model.params.list[i];
        const size_t values = (size_t)nl_tensor_count(&param->tensor);
        char name[128];
        double *got = NULL;
        snprintf(name, sizeof name, "grad.%s", param->name);
        if (!nl_state_find(&t->state, name)) continue;
        double *want = fixture_values(&t->state, name);
        const double norm = fixture_norm(want, values);
        ck_assert_int_eq(nl_calloc(values, sizeof *got, &got), NL_OK);
        ck_assert_int_eq(nl_params_get_grad_f64(&t->n.model.params, i, got), NL_OK);
        errors[count++] = fixture_difference(got, want, values) / (own ? fmax(norm, 1e-6) : 1);
        largest = fmax(largest, norm);
        nl_free(got);
        nl_free(want);
    }
    for (int i = 0; !own && i < count; i++) errors[i] /= largest;
    return count;
}

static int ascending(const void *a, const void *b)
{
    const double one = *(const double *)a, two = *(const double *)b;
    return (one > two) - (one < two);
}

static double recorded_loss(const struct taught *t)
{
    double *values = fixture_values(&t->state, "loss");
    const double loss = values[0];
    nl_free(values);
    return loss;
}

START_TEST(networks_have_the_recorded_gradients_in_double_precision)
{
    struct taught t;
    double errors[512];
    teach(&t, names[_i], "ref", "MODEL.precision=f64", 0);
    ck_assert_double_eq_tol(t.loss, recorded_loss(&t), 1e-7);
    const int count = gradient_errors(&t, true, errors);
    ck_assert_int_gt(count, 100);
    for (int i = 0; i < count; i++) ck_assert_double_le(errors[i], 1e-6);
    taught_clear(&t);
}
END_TEST

/* Networks this narrow, with batch norm over two clips, are all but chaotic in BF16: what is held is
 * the loss and, against the largest gradient, half of the gradients. */
START_TEST(networks_come_near_the_recorded_gradients_in_bf16)
{
    for (int b = 0; nl_backends[b]; b++) {
        struct taught t;
        double errors[512];
        teach(&t, names[_i], nl_backends[b]->name, "MODEL.precision=bf16", 0);
        ck_assert_double_eq_tol(t.loss, recorded_loss(&t), 5e-2);
        const int count = gradient_errors(&t, false, errors);
        qsort(errors, (size_t)count, sizeof *errors, ascending);
        ck_assert_double_le(errors[count / 2], 2.5e-2);
        ck_assert(isfinite(errors[count - 1]));
        taught_clear(&t);
    }
}
END_TEST

/* Largest and middle error of all gradients on one backend, clip and parameters moved by `nudge`. */
static void largest_and_middle(const char *file, const char *backend, double nudge, double *largest,
                               double *middle)
{
    struct taught t;
    double errors[512];
    teach(&t, file, backend, "MODEL.precision=f32", nudge);
    ck_assert_double_le(fabs(t.loss / recorded_loss(&t) - 1), 1e-5);
    const int count = gradient_errors(&t, false, errors);
    qsort(errors, (size_t)count, sizeof *errors, ascending);
    *largest = errors[count - 1];
    *middle = errors[count / 2];
    taught_clear(&t);
}

/* Decisions of ReLU and pooling flip in F32 where a value is within rounding of a tie, which moves
 * single tensors, by 3e-2 of the largest gradient for some clips that differ by half a unit in the last
 * place. A kernel that is wrong is wrong for all of them: of some such clips, on either side, one is held
 * to 1e-3 in every tensor; of the Gaussian variant and the deep network half of the tensors to 1e-2. */
START_TEST(networks_have_the_recorded_gradients_on_every_backend)
{
    enum { CLIPS = 25 };
    const char *file = names[_i];
    const bool flips = strstr(file, "_gaussian.") && !strstr(file, "embedded");
    for (int b = 0; nl_backends[b]; b++) {
        double largest = 1, middle = 1, least = 1;
        for (int i = 0; i < CLIPS && least > 1e-3; i++) {
            const int steps = (i + 1) / 2 * (i % 2 ? -1 : 1);
            const double nudge = 3e-8 * steps;
            largest_and_middle(file, nl_backends[b]->name, nudge, &largest, &middle);
            if (flips || strstr(file, "arc3")) break;
            least = fmin(least, largest);
        }
        if (flips || strstr(file, "arc3"))
            ck_assert_double_le(middle, 1e-2);
        else
            ck_assert_double_le(least, 1e-3);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("recorded networks");
    TCase *tc = tcase_create("recorded");
    const int count = fixture_names("network_", 6, &names);
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, networks_give_the_recorded_probabilities_on_every_backend, 0, count);
    tcase_add_loop_test(tc, networks_come_near_the_recorded_probabilities_in_bf16, 0, count);
    tcase_add_loop_test(tc, networks_have_the_recorded_gradients_in_double_precision, 0, count);
    tcase_add_loop_test(tc, networks_come_near_the_recorded_gradients_in_bf16, 0, count);
    tcase_add_loop_test(tc, networks_have_the_recorded_gradients_on_every_backend, 0, count);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    fixture_names_free(names, count);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
