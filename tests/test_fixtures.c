/* The recorded cases: blocks and whole narrow networks, against numbers made in double
 * precision. */
#include "tests/network.h"

#include "blocks/block.h"
#include "src/core/memory.h"
#include "src/graph/gradient.h"
#include "src/graph/layers.h"
#include "src/weights/state.h"

#include <check.h>
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static char **names; /* files of the fixtures folder */
static int n_blocks, n_networks;

static char *path_of(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("NL_FIXTURES"), name);
    return path;
}

/* Values of an entry as doubles, for nl_free. */
static double *values_of(const struct nl_state *state, const char *name)
{
    const struct nl_entry *entry = nl_state_find(state, name);
    double *values = NULL;
    ck_assert_msg(entry != NULL, "no %s", name);
    const size_t count = entry->bytes / nl_type_size(entry->type);
    ck_assert_int_eq(nl_calloc(count, sizeof *values, &values), NL_OK);
    for (size_t i = 0; i < count; i++) values[i] = nl_entry_value(entry, i);
    return values;
}

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
        double *values = values_of(state, torch_name(params->list[i].name, name));
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
    ck_assert_msg(nl_state_load(path_of(file), NULL, &state) == NL_OK, "%s", nl_error());
    read_options(&state, &settings);
    ck_assert_int_eq(nl_backend_open(backend, 2, &be), NL_OK);
    ck_assert_int_eq(nl_graph_new(type, &params, &g), NL_OK);
    g->storage = storage;
    ck_assert_int_eq(nl_graph_input(g, 5, (const int64_t[]){N, T, H, W, C}, &x), NL_OK);
    append_block(g, &settings, x, &z);
    ck_assert_int_eq(nl_params_alloc(&params, &be, type), NL_OK);
    fill(&params, &state);
    ck_assert_int_eq(nl_plan_new(g, &be, &z, 1, &plan), NL_OK);
    double *in = values_of(&state, "x"), *want = values_of(&state, "output_eval");
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
    ck_assert_msg(nl_state_load(path_of(file), NULL, &t->state) == NL_OK, "%s", nl_error());
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

static double norm_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i] * values[i];
    return sqrt(sum);
}

static double difference(const double *got, const double *want, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(got[i])) return INFINITY;
        sum += (got[i] - want[i]) * (got[i] - want[i]);
    }
    return sqrt(sum);
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
    double *want = values_of(&t->state, statistic ? name : grad);
    ck_assert_uint_le(count, NL_COUNT(got));
    ck_assert_int_eq(nl_params_get_grad_f64(&t->params, i, got), NL_OK);
    const double initial = strstr(param->name, "variance") ? 1 : 0;
    for (size_t k = 0; statistic && k < count; k++) got[k] = 0.9 * initial + 0.1 * got[k];
    *norm = statistic ? 0 : norm_of(want, count);
    const double error = difference(got, want, count);
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
    double *x = values_of(&t.state, "x"), *dy = values_of(&t.state, "dy");
    double *z = values_of(&t.state, "output"), *dx = values_of(&t.state, "dx");
    put_block(t.plan, type, t.x, x);
    put_block(t.plan, type, t.dy, dy);
    ck_assert_msg(nl_plan_run(t.plan, NULL) == NL_OK, "%s", nl_error());
    get_block(t.plan, type, t.dx, got);
    worst = difference(got, dx, COUNT);
    largest = norm_of(dx, COUNT);
    for (int i = 0; i < t.params.count; i++) {
        worst = fmax(worst, gradient_error(&t, i, &norm));
        largest = fmax(largest, norm);
    }
    get_block(t.plan, type, t.z, got);
    worst = fmax(worst, difference(got, z, COUNT) / norm_of(z, COUNT) * largest);
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
        double *values = values_of(state, name);
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
    double *values = values_of(state, clip), *probability = values_of(state, want), got[64];
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
    ck_assert_msg(nl_state_load(path_of(file), NULL, &state) == NL_OK, "%s", nl_error());
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
    check_network(names[n_blocks + _i], "MODEL.precision=f32");
}
END_TEST

START_TEST(networks_come_near_the_recorded_probabilities_in_bf16)
{
    check_network(names[n_blocks + _i], "MODEL.precision=bf16");
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

static void put_clips(const struct taught *t, const double *clips)
{
    enum { PIXELS = 8 * 64 * 64 };
    double *last = NULL;
    ck_assert_int_eq(nl_calloc(2 * PIXELS * 3, sizeof *last, &last), NL_OK);
    for (size_t b = 0; b < 2; b++)
        for (size_t p = 0; p < PIXELS; p++)
            for (size_t c = 0; c < 3; c++)
                last[(b * PIXELS + p) * 3 + c] = clips[(b * 3 + c) * PIXELS + p];
    put(t, t->ends.clip, last, 2 * PIXELS * 3);
    nl_free(last);
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

static void teach(struct taught *t, const char *file, const char *backend, const char *precision)
{
    const struct nl_geometry geometry = {2, 8, 64, 64};
    const struct nl_training training = {.on = true, .share = 1};
    struct nl_graph *g = NULL;
    *t = (struct taught){.loss = 0};
    ck_assert_msg(nl_state_load(path_of(file), NULL, &t->state) == NL_OK, "%s", nl_error());
    json_t *root = json_loads(nl_state_meta(&t->state, "config"), 0, NULL);
    network_open(&t->n, backend, 2, recorded_sets(root, precision));
    json_decref(root);
    ck_assert_int_eq(nl_params_train(&t->n.model.params), NL_OK);
    fill_network(&t->n, &t->state);
    ck_assert_msg(nl_model_train_graph(&t->n.model, &geometry, &training, &g, &t->ends) == NL_OK,
                  "%s", nl_error());
    ck_assert_msg(nl_plan_new(g, &t->n.be, &t->ends.loss, 1, &t->plan) == NL_OK, "%s", nl_error());
    nl_graph_free(g);
    double *clips = values_of(&t->state, "clip"), *label = values_of(&t->state, "label");
    put_clips(t, clips);
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
        double *want = values_of(&t->state, name);
        const double norm = norm_of(want, values);
        ck_assert_int_eq(nl_calloc(values, sizeof *got, &got), NL_OK);
        ck_assert_int_eq(nl_params_get_grad_f64(&t->n.model.params, i, got), NL_OK);
        errors[count++] = difference(got, want, values) / (own ? fmax(norm, 1e-6) : 1);
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
    double *values = values_of(&t->state, "loss");
    const double loss = values[0];
    nl_free(values);
    return loss;
}

START_TEST(networks_have_the_recorded_gradients_in_double_precision)
{
    struct taught t;
    double errors[512];
    teach(&t, names[n_blocks + _i], "ref", "MODEL.precision=f64");
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
        teach(&t, names[n_blocks + _i], nl_backends[b]->name, "MODEL.precision=bf16");
        ck_assert_double_eq_tol(t.loss, recorded_loss(&t), 5e-2);
        const int count = gradient_errors(&t, false, errors);
        qsort(errors, (size_t)count, sizeof *errors, ascending);
        ck_assert_double_le(errors[count / 2], 2.5e-2);
        ck_assert(isfinite(errors[count - 1]));
        taught_clear(&t);
    }
}
END_TEST

/* Decisions of ReLU and pooling flip in F32 where a value is within rounding of a tie, which moves
 * single tensors: all are held to 1e-3 of the largest gradient, but for 2e-3 in the concatenation
 * network, where one ReLU of conv1 is within 1.4e-6 of 0; of the Gaussian variant and the deep network
 * half are held to 1e-2. */
START_TEST(networks_have_the_recorded_gradients_on_every_backend)
{
    const char *file = names[n_blocks + _i];
    const bool flips = strstr(file, "_gaussian.") && !strstr(file, "embedded");
    for (int b = 0; nl_backends[b]; b++) {
        struct taught t;
        double errors[512];
        teach(&t, file, nl_backends[b]->name, "MODEL.precision=f32");
        ck_assert_double_le(fabs(t.loss / recorded_loss(&t) - 1), 1e-5);
        const int count = gradient_errors(&t, false, errors);
        qsort(errors, (size_t)count, sizeof *errors, ascending);
        if (flips || strstr(file, "arc3"))
            ck_assert_double_le(errors[count / 2], 1e-2);
        else
            ck_assert_double_le(errors[count - 1], strstr(file, "concatenation") ? 2e-3 : 1e-3);
        taught_clear(&t);
    }
}
END_TEST

static int is_block(const struct dirent *entry)
{
    return strncmp(entry->d_name, "block_", 6) == 0;
}

static int is_network(const struct dirent *entry)
{
    return strncmp(entry->d_name, "network_", 8) == 0;
}

/* Before any test runs, where Check's assertions do not work. */
static void need(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "test_fixtures: %s\n", what);
    exit(EXIT_FAILURE);
}

static void take_names(struct dirent **entries, int count, char **out)
{
    for (int i = 0; i < count; i++) {
        need(nl_copy_text(entries[i]->d_name, &out[i]) == NL_OK, nl_error());
        free(entries[i]);
    }
    free(entries);
}

/* Block files first, then networks. */
static void find_files(void)
{
    struct dirent **blocks, **networks;
    const char *folder = getenv("NL_FIXTURES");
    need(folder != NULL, "NL_FIXTURES is not set");
    n_blocks = scandir(folder, &blocks, is_block, alphasort);
    n_networks = scandir(folder, &networks, is_network, alphasort);
    need(n_blocks >= 29 && n_networks >= 6, "wanted 29 blocks and 6 networks in NL_FIXTURES");
    need(nl_calloc((size_t)n_blocks + (size_t)n_networks, sizeof *names, &names) == NL_OK,
         nl_error());
    take_names(blocks, n_blocks, names);
    take_names(networks, n_networks, names + n_blocks);
}

int main(void)
{
    Suite *suite = suite_create("fixtures");
    TCase *tc = tcase_create("fixtures");
    find_files();
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, blocks_are_the_recorded_ones_in_double_precision, 0, n_blocks);
    tcase_add_loop_test(tc, blocks_are_the_recorded_ones_on_every_backend, 0, n_blocks);
    tcase_add_loop_test(tc, gradients_of_blocks_are_the_recorded_ones_in_double_precision, 0,
                        n_blocks);
    tcase_add_loop_test(tc, gradients_of_blocks_are_the_recorded_ones_on_every_backend, 0,
                        n_blocks);
    tcase_add_loop_test(tc, blocks_and_their_gradients_come_near_in_bf16, 0, n_blocks);
    tcase_add_loop_test(tc, networks_give_the_recorded_probabilities_on_every_backend, 0,
                        n_networks);
    tcase_add_loop_test(tc, networks_come_near_the_recorded_probabilities_in_bf16, 0, n_networks);
    tcase_add_loop_test(tc, networks_have_the_recorded_gradients_in_double_precision, 0,
                        n_networks);
    tcase_add_loop_test(tc, networks_come_near_the_recorded_gradients_in_bf16, 0, n_networks);
    tcase_add_loop_test(tc, networks_have_the_recorded_gradients_on_every_backend, 0, n_networks);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    for (int i = 0; i < n_blocks + n_networks; i++) nl_free(names[i]);
    nl_free(names);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
