/* Gradients against central differences, in double precision on ref: every primitive alone, and
 * whole narrow networks along random directions. */
#include "tests/network.h"

#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/graph/gradient.h"
#include "src/graph/layers.h"

#include <check.h>
#include <math.h>
#include <string.h>

enum { INPUTS = 4, ROOM = 4096 };

/* A graph of one or a few nodes: inputs, output. */
struct piece {
    struct nl_graph *g;
    nl_value in[INPUTS], y;
    int n_in;
};

typedef void build_fn(struct piece *p);

static nl_value input(struct piece *p, int rank, const int64_t *dim)
{
    nl_value v;
    ck_assert_int_eq(nl_graph_input(p->g, rank, dim, &v), NL_OK);
    return p->in[p->n_in++] = v;
}

static nl_value append(struct piece *p, nl_op op, const union nl_attr *attr, const nl_value *in,
                       int n_in)
{
    nl_value out[NL_MAX_OUT];
    ck_assert_msg(nl_graph_append(p->g, op, nl_op_name(op), attr, in, n_in, out) == NL_OK, "%s",
                  nl_error());
    return out[0];
}

static const int64_t activation[5] = {2, 3, 5, 4, 3};

static void conv_with(struct piece *p, const int *kernel, const int *stride, const int *pad)
{
    struct nl_conv_layer layer = {.name = "conv",
                                  .weights = "w",
                                  .bias = "b",
                                  .filters = 4,
                                  .role = NL_ROLE_FILTER,
                                  .init = {NL_INIT_NORMAL, 1}};
    memcpy(layer.kernel, kernel, sizeof layer.kernel);
    memcpy(layer.stride, stride, sizeof layer.stride);
    memcpy(layer.pad, pad, sizeof layer.pad);
    const nl_value x = input(p, 5, activation);
    ck_assert_msg(nl_layer_conv(p->g, &layer, x, &p->y) == NL_OK, "%s", nl_error());
}

static void conv_point(struct piece *p)
{
    conv_with(p, (const int[]){1, 1, 1}, (const int[]){1, 1, 1}, (const int[]){0, 0, 0});
}

static void conv_padded(struct piece *p)
{
    conv_with(p, (const int[]){3, 3, 3}, (const int[]){1, 1, 1}, (const int[]){1, 1, 1});
}

static void conv_strided(struct piece *p)
{
    conv_with(p, (const int[]){1, 3, 3}, (const int[]){1, 2, 2}, (const int[]){0, 1, 1});
}

static void conv_skipping(struct piece *p)
{
    conv_with(p, (const int[]){1, 1, 1}, (const int[]){2, 2, 2}, (const int[]){0, 0, 0});
}

static void pool(struct piece *p, nl_op op, const int *kernel, const int *stride)
{
    union nl_attr attr = {.pool = {.index = false}};
    memcpy(attr.pool.kernel, kernel, sizeof attr.pool.kernel);
    memcpy(attr.pool.stride, stride, sizeof attr.pool.stride);
    const nl_value x = input(p, 5, activation);
    p->y = append(p, op, &attr, &x, 1);
}

static void max_pool(struct piece *p)
{
    pool(p, NL_OP_MAX_POOL, (const int[]){1, 3, 3}, (const int[]){1, 2, 1});
}

static void avg_pool(struct piece *p)
{
    pool(p, NL_OP_AVG_POOL, (const int[]){3, 2, 2}, (const int[]){1, 1, 1});
}

static void affine(struct piece *p)
{
    const nl_value in[3] = {input(p, 5, activation), input(p, 1, &activation[4]),
                            input(p, 1, &activation[4])};
    p->y = append(p, NL_OP_AFFINE, NULL, in, 3);
}

static void batch_norm(struct piece *p)
{
    const struct nl_bn_layer layer = {"bn", 1e-5, 0.9, 1};
    const nl_value x = input(p, 5, activation);
    ck_assert_int_eq(nl_layer_bn(p->g, &layer, x, &p->y), NL_OK);
}

static void two(struct piece *p, nl_op op)
{
    const nl_value in[2] = {input(p, 5, activation), input(p, 5, activation)};
    p->y = append(p, op, NULL, in, 2);
}

static void add(struct piece *p)
{
    two(p, NL_OP_ADD);
}

static void mul(struct piece *p)
{
    two(p, NL_OP_MUL);
}

static void one(struct piece *p, nl_op op, const union nl_attr *attr)
{
    const nl_value x = input(p, 5, activation);
    p->y = append(p, op, attr, &x, 1);
}

static void relu(struct piece *p)
{
    one(p, NL_OP_RELU, NULL);
}

static void softmax(struct piece *p)
{
    one(p, NL_OP_SOFTMAX, NULL);
}

static void mean(struct piece *p)
{
    one(p, NL_OP_MEAN, NULL);
}

static void map_exp(struct piece *p)
{
    one(p, NL_OP_MAP, &(union nl_attr){.map = {.f = NL_F_EXP, .scale = 0.5}});
}

static void map_relu(struct piece *p)
{
    one(p, NL_OP_MAP, &(union nl_attr){.map = {.f = NL_F_RELU, .scale = 2}});
}

static void product(struct piece *p)
{
    const union nl_attr attr = {.product = {.scale = 0.3}};
    const nl_value in[2] = {input(p, 4, (const int64_t[]){2, 3, 4, 5}),
                            input(p, 4, (const int64_t[]){2, 3, 5, 2})};
    p->y = append(p, NL_OP_PRODUCT, &attr, in, 2);
}

/* The second factor is a transposed view of what it is made from. */
static void product_of_view(struct piece *p)
{
    const union nl_attr attr = {.product = {.scale = 1}};
    const nl_value a = input(p, 4, (const int64_t[]){2, 1, 4, 5}),
                   b = input(p, 4, (const int64_t[]){2, 1, 3, 5});
    const nl_tensor t = *nl_graph_tensor(p->g, b);
    const nl_tensor turned = nl_tensor_permute(&t, (const int[]){0, 1, 3, 2});
    nl_value in[2] = {a, NL_NONE};
    ck_assert_int_eq(nl_graph_view(p->g, b, &turned, 0, &in[1]), NL_OK);
    p->y = append(p, NL_OP_PRODUCT, &attr, in, 2);
}

static void outer_sum(struct piece *p)
{
    const nl_value in[2] = {input(p, 4, (const int64_t[]){2, 1, 4, 1}),
                            input(p, 4, (const int64_t[]){2, 1, 3, 1})};
    p->y = append(p, NL_OP_OUTER_SUM, NULL, in, 2);
}

static void pairwise(struct piece *p, const union nl_attr *attr)
{
    const int64_t depth = attr->pairwise.score == NL_SCORE_SUM ? 1 : 3;
    const nl_value in[3] = {input(p, 4, (const int64_t[]){2, 2, 5, depth}),
                            input(p, 4, (const int64_t[]){2, 2, 4, depth}),
                            input(p, 4, (const int64_t[]){2, 2, 4, 2})};
    p->y = append(p, NL_OP_PAIRWISE, attr, in, 3);
}

#define PAIRWISE(name, score_, f_, norm_)                                                          \
    static void name(struct piece *p)                                                              \
    {                                                                                              \
        pairwise(p, &(union nl_attr){                                                              \
                        .pairwise = {.score = score_, .f = f_, .norm = norm_, .scale = 0.7}});     \
    }
PAIRWISE(pairwise_softmax, NL_SCORE_PRODUCT, NL_F_EXP, NL_NORM_SUM)
PAIRWISE(pairwise_dot, NL_SCORE_PRODUCT, NL_F_IDENTITY, NL_NORM_COUNT)
PAIRWISE(pairwise_relu, NL_SCORE_PRODUCT, NL_F_RELU, NL_NORM_COUNT)
PAIRWISE(pairwise_exp_count, NL_SCORE_PRODUCT, NL_F_EXP, NL_NORM_COUNT)
PAIRWISE(pairwise_concat, NL_SCORE_SUM, NL_F_RELU, NL_NORM_COUNT)
PAIRWISE(pairwise_sum_softmax, NL_SCORE_SUM, NL_F_EXP, NL_NORM_SUM)

static build_fn *const pieces[] = {conv_point,
                                   conv_padded,
                                   conv_strided,
                                   conv_skipping,
                                   max_pool,
                                   avg_pool,
                                   affine,
                                   batch_norm,
                                   add,
                                   mul,
                                   relu,
                                   softmax,
                                   mean,
                                   map_exp,
                                   map_relu,
                                   product,
                                   outer_sum,
                                   pairwise_dot,
                                   pairwise_softmax,
                                   pairwise_relu,
                                   pairwise_concat,
                                   product_of_view,
                                   pairwise_exp_count,
                                   pairwise_sum_softmax};

/* A piece made ready: plan, values of its inputs, and the gradient of each. */
struct ready {
    struct piece p;
    struct nl_params params;
    struct nl_backend be;
    struct nl_plan *plan;
    nl_value dy, dx[INPUTS];
    double values[INPUTS][ROOM], weight[ROOM], got[ROOM];
};

static int64_t count_of(const struct ready *r, nl_value v)
{
    return nl_tensor_count(nl_graph_tensor(r->p.g, v));
}

static void make_ready(struct ready *r, build_fn *build)
{
    nl_value keep[1 + INPUTS];
    memset(r, 0, sizeof *r);
    ck_assert_int_eq(nl_backend_open("ref", 1, &r->be), NL_OK);
    ck_assert_int_eq(nl_graph_new(NL_F64, &r->params, &r->p.g), NL_OK);
    r->p.g->training = (struct nl_training){.on = true, .share = 1};
    build(&r->p);
    const nl_tensor y = *nl_graph_tensor(r->p.g, r->p.y);
    ck_assert_int_eq(nl_graph_input(r->p.g, y.rank, y.dim, &r->dy), NL_OK);
    ck_assert_msg(nl_graph_differentiate(r->p.g, r->p.y, r->dy, r->p.in, r->dx, r->p.n_in) == NL_OK,
                  "%s", nl_error());
    ck_assert_int_eq(nl_params_alloc(&r->params, &r->be, NL_F64), NL_OK);
    ck_assert_int_eq(nl_params_train(&r->params), NL_OK);
    ck_assert_int_eq(nl_params_init(&r->params, 3, true), NL_OK);
    keep[0] = r->p.y;
    memcpy(keep + 1, r->dx, sizeof r->dx);
    ck_assert_msg(nl_plan_new(r->p.g, &r->be, keep, 1 + r->p.n_in, &r->plan) == NL_OK, "%s",
                  nl_error());
}

static void fill(double *values, int64_t count, const char *name)
{
    struct nl_rng rng;
    nl_rng_seed(&rng, 7, name);
    for (int64_t i = 0; i < count; i++) values[i] = nl_rng_normal(&rng);
}

/* sum(y * weight) of the inputs as they are. */
static double run(struct ready *r)
{
    double sum = 0;
    for (int i = 0; i < r->p.n_in; i++)
        ck_assert_int_eq(nl_plan_write(r->plan, r->p.in[i], r->values[i]), NL_OK);
    ck_assert_int_eq(nl_plan_write(r->plan, r->dy, r->weight), NL_OK);
    ck_assert_msg(nl_plan_run(r->plan, NULL) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_plan_read(r->plan, r->p.y, r->got), NL_OK);
    for (int64_t i = 0; i < count_of(r, r->p.y); i++) sum += r->got[i] * r->weight[i];
    return sum;
}

static const double step = 1e-5;

static void check_input(struct ready *r, int k)
{
    static double gradient[ROOM];
    run(r);
    ck_assert_int_eq(nl_plan_read(r->plan, r->dx[k], gradient), NL_OK);
    for (int64_t i = 0; i < count_of(r, r->p.in[k]); i++) {
        const double was = r->values[k][i];
        r->values[k][i] = was + step;
        const double above = run(r);
        r->values[k][i] = was - step;
        const double below = run(r);
        r->values[k][i] = was;
        ck_assert_double_eq_tol((above - below) / (2 * step), gradient[i], 1e-7);
    }
}

/* Gradients of parameters are added up over runs, so they are read as a difference. */
static void check_param(struct ready *r, int k)
{
    static double before[ROOM], after[ROOM], values[ROOM];
    const int64_t count = nl_tensor_count(&r->params.list[k].tensor);
    if (r->params.list[k].role == NL_ROLE_STATISTIC) return;
    ck_assert_int_eq(nl_params_get_grad_f64(&r->params, k, before), NL_OK);
    run(r);
    ck_assert_int_eq(nl_params_get_grad_f64(&r->params, k, after), NL_OK);
    ck_assert_int_eq(nl_params_get_f64(&r->params, k, values), NL_OK);
    for (int64_t i = 0; i < count; i++) {
        const double was = values[i];
        values[i] = was + step;
        ck_assert_int_eq(nl_params_set_f64(&r->params, k, values), NL_OK);
        const double above = run(r);
        values[i] = was - step;
        ck_assert_int_eq(nl_params_set_f64(&r->params, k, values), NL_OK);
        const double below = run(r);
        values[i] = was;
        ck_assert_double_eq_tol((above - below) / (2 * step), after[i] - before[i], 1e-7);
    }
    ck_assert_int_eq(nl_params_set_f64(&r->params, k, values), NL_OK);
}

START_TEST(every_primitive_has_the_gradient_of_its_differences)
{
    static struct ready r;
    make_ready(&r, pieces[_i]);
    fill(r.weight, count_of(&r, r.p.y), "weight");
    for (int k = 0; k < r.p.n_in; k++) {
        char name[16];
        snprintf(name, sizeof name, "input %d", k);
        fill(r.values[k], count_of(&r, r.p.in[k]), name);
    }
    for (int k = 0; k < r.p.n_in; k++) check_input(&r, k);
    for (int k = 0; k < r.params.count; k++) check_param(&r, k);
    nl_plan_free(r.plan);
    nl_graph_free(r.p.g);
    nl_params_clear(&r.params);
    nl_backend_close(&r.be);
}
END_TEST

/* Whole networks: the loss moves along a random direction as the gradient says. */
static const char *const nets[][4] = {
    {"MODEL.video_arc_choice=1", "NONLOCAL.pairwise=embedded_gaussian"},
    {"MODEL.video_arc_choice=1", "NONLOCAL.pairwise=gaussian", "NONLOCAL.pool=after"},
    {"MODEL.video_arc_choice=2", "NONLOCAL.pairwise=dot_product", "NONLOCAL.group_size=2"},
    {"MODEL.video_arc_choice=2", "NONLOCAL.pairwise=concatenation", "NONLOCAL.pool=none"},
    {"MODEL.use_affine=True", "NONLOCAL.use_affine=True"},
    {"TRAIN.bn=frozen", "NONLOCAL.use_bn=False"},
};

struct whole {
    struct network n;
    struct nl_plan *plan;
    struct nl_model_ends ends;
};

static double loss_of(const struct whole *w)
{
    double loss[2];
    ck_assert_msg(nl_plan_run(w->plan, NULL) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_plan_read(w->plan, w->ends.loss, loss), NL_OK);
    return (loss[0] + loss[1]) / 2;
}

static void open_whole(struct whole *w, const char *const *sets, bool recompute)
{
    enum { SIDE = 32, COUNT = 2 * 8 * SIDE * SIDE * 3 };
    static double clips[COUNT];
    const char *all[8] = {"MODEL.precision=f64", "TRAIN.crop_size=32", "MODEL.width=2",
                          "TRAIN.dropout_rate=0"};
    const struct nl_geometry geometry = {2, 8, SIDE, SIDE};
    struct nl_graph *g = NULL;
    for (int i = 0; i < 3 && sets[i]; i++) all[4 + i] = sets[i];
    network_open(&w->n, "ref", 2, all);
    const struct nl_training training = {.on = true,
                                         .recompute = recompute,
                                         .share = 1,
                                         .frozen_bn =
                                             w->n.settings.config.train.bn == NL_BN_FROZEN};
    ck_assert_int_eq(nl_params_train(&w->n.model.params), NL_OK);
    ck_assert_int_eq(nl_params_init(&w->n.model.params, 5, true), NL_OK);
    ck_assert_msg(nl_model_train_graph(&w->n.model, &geometry, &training, &g, &w->ends) == NL_OK,
                  "%s", nl_error());
    ck_assert_int_eq(nl_plan_new(g, &w->n.be, &w->ends.loss, 1, &w->plan), NL_OK);
    nl_graph_free(g);
    fill(clips, COUNT, "clips");
    ck_assert_int_eq(nl_plan_write(w->plan, w->ends.clip, clips), NL_OK);
    ck_assert_int_eq(nl_plan_write(w->plan, w->ends.label, (const int64_t[]){1, 3}), NL_OK);
    ck_assert_int_eq(nl_plan_write(w->plan, w->ends.share, (const double[]){0.5, 0.5}), NL_OK);
}

/* Moves every parameter by `far` along a direction of its own; the gradient along it. */
static double move(struct whole *w, double far)
{
    struct nl_params *params = &w->n.model.params;
    double slope = 0;
    for (int i = 0; i < params->count; i++) {
        const int64_t count = nl_tensor_count(&params->list[i].tensor);
        double *values = NULL, *grads = NULL;
        struct nl_rng rng;
        if (params->list[i].role == NL_ROLE_STATISTIC) continue;
        ck_assert_int_eq(nl_calloc((size_t)count, sizeof *values, &values), NL_OK);
        ck_assert_int_eq(nl_calloc((size_t)count, sizeof *grads, &grads), NL_OK);
        ck_assert_int_eq(nl_params_get_f64(params, i, values), NL_OK);
        ck_assert_int_eq(nl_params_get_grad_f64(params, i, grads), NL_OK);
        nl_rng_seed(&rng, 11, params->list[i].name);
        for (int64_t k = 0; k < count; k++) {
            const double along = nl_rng_normal(&rng);
            slope += along * grads[k];
            values[k] += far * along;
        }
        ck_assert_int_eq(nl_params_set_f64(params, i, values), NL_OK);
        nl_free(values);
        nl_free(grads);
    }
    return slope;
}

START_TEST(networks_have_the_gradient_of_their_differences)
{
    const double far = 1e-9;
    struct whole w;
    open_whole(&w, nets[_i], false);
    loss_of(&w);
    const double slope = move(&w, far);
    const double above = loss_of(&w);
    move(&w, -2 * far);
    const double below = loss_of(&w);
    ck_assert_double_le(fabs((above - below) / (2 * far) / slope - 1), 1e-4);
    nl_plan_free(w.plan);
    network_close(&w.n);
}
END_TEST

/* Gradients of all parameters, one behind the other. */
static int64_t gradients(const struct whole *w, double *out)
{
    const struct nl_params *params = &w->n.model.params;
    int64_t count = 0;
    for (int i = 0; i < params->count; i++) {
        ck_assert_int_eq(nl_params_get_grad_f64(params, i, out + count), NL_OK);
        count += nl_tensor_count(&params->list[i].tensor);
    }
    return count;
}

START_TEST(recomputation_changes_no_bits_and_saves_memory)
{
    enum { MANY = 200000 };
    static double kept[MANY], again[MANY];
    struct whole w;
    open_whole(&w, nets[_i], false);
    const size_t arena = nl_plan_cost(w.plan).arena;
    const double loss = loss_of(&w);
    const int64_t count = gradients(&w, kept);
    ck_assert_int_le(count, MANY);
    nl_plan_free(w.plan);
    network_close(&w.n);
    open_whole(&w, nets[_i], true);
    ck_assert(loss_of(&w) == loss);
    ck_assert_int_eq(gradients(&w, again), count);
    ck_assert_mem_eq(kept, again, (size_t)count * sizeof *kept);
    ck_assert_uint_lt(nl_plan_cost(w.plan).arena, arena);
    nl_plan_free(w.plan);
    network_close(&w.n);
}
END_TEST

/* Eight micro-batches, each clip with an eighth of its share, add up to the mean of the eight
 * gradients that each gives alone. */
START_TEST(micro_batches_give_the_mean_of_their_gradients)
{
    enum { MANY = 200000, PARTS = 8, COUNT = 2 * 8 * 32 * 32 * 3 };
    static double clips[COUNT], together[MANY], sum[MANY], before[MANY], after[MANY];
    struct whole w;
    int64_t count = 0;
    for (int turn = 0; turn < 2; turn++) {
        const double share = turn ? 0.5 : 0.5 / PARTS;
        open_whole(&w, nets[0], false);
        ck_assert_int_eq(nl_plan_write(w.plan, w.ends.share, (const double[]){share, share}),
                         NL_OK);
        memset(sum, 0, sizeof sum);
        for (int part = 0; part < PARTS; part++) {
            char name[16];
            snprintf(name, sizeof name, "part %d", part);
            fill(clips, COUNT, name);
            ck_assert_int_eq(nl_plan_write(w.plan, w.ends.clip, clips), NL_OK);
            count = gradients(&w, before);
            loss_of(&w);
            gradients(&w, after);
            for (int64_t i = 0; i < count; i++) sum[i] += (after[i] - before[i]) / PARTS;
        }
        if (turn == 0) gradients(&w, together);
        nl_plan_free(w.plan);
        /* Batch statistics are gathered as the plan's own share says, not as a clip's. */
        for (int i = 0, at = 0; turn && i < w.n.model.params.count; i++) {
            const struct nl_param *param = &w.n.model.params.list[i];
            const int values = (int)nl_tensor_count(&param->tensor);
            for (int k = at; param->role != NL_ROLE_STATISTIC && k < at + values; k++)
                ck_assert_double_eq_tol(together[k], sum[k], 1e-10);
            at += values;
        }
        network_close(&w.n);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("gradient");
    TCase *tc = tcase_create("gradient");
    tcase_set_timeout(tc, 300);
    tcase_add_loop_test(tc, every_primitive_has_the_gradient_of_its_differences, 0,
                        (int)NL_COUNT(pieces));
    tcase_add_loop_test(tc, networks_have_the_gradient_of_their_differences, 0,
                        (int)NL_COUNT(nets));
    tcase_add_test(tc, micro_batches_give_the_mean_of_their_gradients);
    tcase_add_loop_test(tc, recomputation_changes_no_bits_and_saves_memory, 0, (int)NL_COUNT(nets));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? 1 : 0;
}
