/* The pairwise op equals its decomposition into product or outer_sum, map or softmax, product. */
#include "tests/opcase.h"

#include "src/core/rng.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

enum { B = 6, P = 5, M = 7, D = 4, E = 3 }; /* B0 * B1, queries, keys, lengths of q and v */

struct setting {
    nl_score score;
    nl_affinity f;
    nl_norm norm;
};

static struct setting setting_of(int i)
{
    return (struct setting){(nl_score)(i / 6), (nl_affinity)(i / 2 % 3), (nl_norm)(i % 2)};
}

/* Operands; with NL_NORM_SUM and f other than exp they are positive, so that C is not near 0. */
struct operands {
    int d;
    double q[B * P * D], k[B * M * D], k_transposed[B * D * M], v[B * M * E];
};

static void draw(const struct setting *s, struct operands *x)
{
    struct nl_rng rng;
    const bool positive = s->f != NL_F_EXP && s->norm == NL_NORM_SUM;
    double *list[] = {x->q, x->k, x->v};
    x->d = s->score == NL_SCORE_SUM ? 1 : D;
    const int count[] = {B * P * x->d, B * M * x->d, B * M * E};
    nl_rng_seed(&rng, 1, "operands");
    for (int o = 0; o < 3; o++)
        for (int i = 0; i < count[o]; i++) {
            const double value = nl_rng_normal(&rng);
            list[o][i] = (float)(positive ? 0.1 + fabs(value) : value);
        }
    for (int i = 0; i < count[1]; i++)
        x->k_transposed[(i / (M * x->d) * x->d + i % x->d) * M + i / x->d % M] = x->k[i];
}

/* Runs the case and copies its output densely into `out`. */
static void run(struct nl_backend *be, nl_type type, const struct op_case *c, double *out)
{
    struct op_result result;
    ck_assert_msg(op_run(be, c, type, NULL, &result) == NL_OK, "%s", nl_error());
    for (int64_t i = 0; i < nl_tensor_count(&c->desc.out[0]); i++)
        out[i] = op_element(&result, 0, i);
    op_result_clear(&result);
}

static void fused(struct nl_backend *be, nl_type type, const struct setting *s, double scale,
                  const struct operands *x, double *y)
{
    const struct op_case c = {
        .name = "pairwise",
        .desc = {NL_OP_PAIRWISE,
                 {.pairwise = {.score = s->score, .f = s->f, .norm = s->norm, .scale = scale}},
                 {DENSE4(2, 3, P, x->d), DENSE4(2, 3, M, x->d), DENSE4(2, 3, M, E)},
                 {DENSE4(2, 3, P, E)}},
        .given = {x->q, x->k, x->v}};
    run(be, type, &c, y);
}

/* scale * (q . k) by a product with the keys transposed in memory, or scale * (q + k). */
static void scores(struct nl_backend *be, nl_type type, const struct setting *s, double scale,
                   const struct operands *x, double *out)
{
    const struct op_case product = {
        .name = "scores",
        .desc = {NL_OP_PRODUCT,
                 {.product = {scale}},
                 {DENSE4(2, 3, P, x->d),
                  {.rank = 4,
                   .dim = {2, 3, x->d, M},
                   .stride = {INT64_C(3) * M * x->d, INT64_C(1) * M * x->d, 1, x->d}}},
                 {DENSE4(2, 3, P, M)}},
        .given = {x->q, x->k_transposed}};
    const struct op_case sum = {.name = "sums",
                                .desc = {NL_OP_OUTER_SUM,
                                         {.product = {0}},
                                         {DENSE4(2, 3, P, 1), DENSE4(2, 3, M, 1)},
                                         {DENSE4(2, 3, P, M)}},
                                .given = {x->q, x->k}};
    const struct op_case scaled = {.name = "scaled",
                                   .desc = {NL_OP_MAP,
                                            {.map = {NL_F_IDENTITY, scale}},
                                            {DENSE4(2, 3, P, M)},
                                            {DENSE4(2, 3, P, M)}},
                                   .given = {out}};
    run(be, type, s->score == NL_SCORE_SUM ? &sum : &product, out);
    if (s->score == NL_SCORE_SUM) run(be, type, &scaled, out);
}

/* f, with the normaliser where a primitive has it: softmax is exp / sum. */
static void affinities(struct nl_backend *be, nl_type type, const struct setting *s, double *a)
{
    struct op_case c = {
        .name = "affinities",
        .desc = {NL_OP_MAP, {.map = {s->f, 1}}, {DENSE4(2, 3, P, M)}, {DENSE4(2, 3, P, M)}},
        .given = {a}};
    if (s->f == NL_F_EXP && s->norm == NL_NORM_SUM) c.desc.op = NL_OP_SOFTMAX;
    run(be, type, &c, a);
}

static void decomposed(struct nl_backend *be, nl_type type, const struct setting *s, double scale,
                       const struct operands *x, double *y)
{
    double a[B * P * M];
    const bool counted = s->norm == NL_NORM_COUNT;
    scores(be, type, s, scale, x, a);
    affinities(be, type, s, a);
    const struct op_case c = {.name = "values",
                              .desc = {NL_OP_PRODUCT,
                                       {.product = {counted ? 1.0 / M : 1}},
                                       {DENSE4(2, 3, P, M), DENSE4(2, 3, M, E)},
                                       {DENSE4(2, 3, P, E)}},
                              .given = {a, x->v}};
    run(be, type, &c, y);
    if (counted || s->f == NL_F_EXP) return;
    for (int row = 0; row < B * P; row++) { /* no primitive divides */
        double sum = 0;
        for (int j = 0; j < M; j++) sum += a[row * M + j];
        for (int e = 0; e < E; e++) y[row * E + e] /= sum;
    }
}

static void compare(const char *name, nl_type type, const struct setting *s)
{
    const double scale = 0.4, tolerance = type == NL_F64 ? 1e-13 : OP_TOLERANCE;
    double one[B * P * E] = {0}, two[B * P * E] = {0}, largest = 0, worst = 0;
    struct operands x;
    struct nl_backend be;
    ck_assert_msg(nl_backend_open(name, 2, &be) == NL_OK, "%s: %s", name, nl_error());
    draw(s, &x);
    fused(&be, type, s, scale, &x, one);
    decomposed(&be, type, s, scale, &x, two);
    for (int i = 0; i < B * P * E; i++) {
        largest = fmax(largest, fabs(two[i]));
        worst = fmax(worst, fabs(one[i] - two[i]));
    }
    ck_assert_double_gt(largest, 0.01);
    ck_assert_msg(worst <= tolerance * largest, "%s in %s: %g off", name, nl_type_name(type),
                  worst / largest);
    nl_backend_close(&be);
}

START_TEST(pairwise_equals_its_decomposition)
{
    const struct setting s = setting_of(_i);
    for (int i = 0; nl_backend_at(i); i++) compare(nl_backend_at(i)->name, NL_F32, &s);
    compare("ref", NL_F64, &s);
}
END_TEST

int main(void)
{
    op_load_plugins();
    Suite *suite = suite_create("pairwise");
    TCase *tc = tcase_create("2 scores, 3 functions, 2 normalisers");
    tcase_add_loop_test(tc, pairwise_equals_its_decomposition, 0, 12);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
