/* The ops that training adds: every implementation of every backend against ref in double on the
 * same numbers, and the same bits for any number of threads. */
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/tensor/backend.h"
#include "tests/beside.h"
#include "tests/train_op_cases.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The type of activations in a run, and whether its numbers are those of a run in BF16. */
struct mode {
    nl_type real;
    bool coarse;
};

static const struct mode f64 = {NL_F64, false}, f32 = {NL_F32, false}, bf16 = {NL_BF16, true},
                         coarse_f64 = {NL_F64, true};

/* One run: inputs and outputs in host memory, outputs beginning with numbers of their own. */
struct ran {
    struct nl_args args;
    void *workspace, *packed;
};

static void put(const nl_tensor *t, int64_t i, double value, struct nl_rng *rng)
{
    switch (t->type) {
    case NL_F64:
        ((double *)t->data)[i] = value;
        break;
    case NL_U8:
        ((uint8_t *)t->data)[i] = (uint8_t)(nl_rng_u32(rng) % 6);
        break;
    case NL_I64:
        ((int64_t *)t->data)[i] = nl_rng_range(rng, 0, 6);
        break;
    case NL_BF16:
        ((uint16_t *)t->data)[i] = nl_float_to_bf16((float)value);
        break;
    default:
        ((float *)t->data)[i] = (float)value;
    }
}

static double get(const nl_tensor *t, int64_t i)
{
    if (t->type == NL_F64) return ((const double *)t->data)[i];
    if (t->type == NL_BF16) return (double)nl_bf16_to_float(((const uint16_t *)t->data)[i]);
    return t->type == NL_U8 ? ((const uint8_t *)t->data)[i] : (double)((const float *)t->data)[i];
}

/* Numbers that F32 holds exactly, `coarse` ones BF16 too. A row sum is a plausible one: above any
 * score. */
static void fill(nl_tensor *t, const char *name, bool rows, bool coarse)
{
    struct nl_rng rng;
    size_t bytes;
    ck_assert_int_eq(nl_tensor_bytes(t, &bytes), NL_OK);
    ck_assert_int_eq(nl_alloc(bytes, &t->data), NL_OK);
    nl_rng_seed(&rng, 1, name);
    for (int64_t i = 0; i < nl_tensor_count(t); i++) {
        const double drawn = (double)(float)nl_rng_normal(&rng);
        const double value = coarse ? to_bf16(drawn) : drawn;
        put(t, i, rows ? fabs(value) + 3 : value, &rng);
    }
}

static nl_tensor view(nl_op op, const nl_tensor *t, bool out, int i, nl_type real)
{
    const bool plain = t->type == NL_F32;
    const nl_type type = plain ? type_beside(op, t, out, i, real) : t->type;
    return t->rank ? nl_tensor_dense(type, t->rank, t->dim) : *t;
}

static struct nl_op_desc describe(const struct train_op_case *c, nl_type real)
{
    struct nl_op_desc desc = {.op = c->op, .attr = c->attr};
    for (int i = 0; i < NL_MAX_IN; i++) desc.in[i] = view(c->op, &c->in[i], false, i, real);
    for (int i = 0; i < NL_MAX_OUT; i++) desc.out[i] = view(c->op, &c->out[i], true, i, real);
    return desc;
}

/* Whether the tensor has the numbers of one that is BF16 in a run in BF16. */
static bool is_coarse(const struct nl_op_desc *desc, bool out, int i, struct mode mode)
{
    const nl_tensor *t = out ? &desc->out[i] : &desc->in[i];
    const bool real = t->type == mode.real || t->type == nl_type_of_sums(mode.real);
    return mode.coarse && real && is_rounded(desc->op, t, out, i);
}

static void run_kernel(struct nl_backend *be, struct nl_kernel *kernel, struct mode mode,
                       struct ran *r)
{
    char name[16];
    memset(r, 0, sizeof *r);
    for (int i = 0; i < NL_MAX_IN; i++) {
        r->args.in[i] = kernel->desc.in[i];
        snprintf(name, sizeof name, "in%d", i);
        if (r->args.in[i].rank)
            fill(&r->args.in[i], name, kernel->desc.op == NL_OP_PAIRWISE_DX && i == 5,
                 is_coarse(&kernel->desc, false, i, mode));
    }
    for (int i = 0; i < NL_MAX_OUT; i++) {
        r->args.out[i] = kernel->desc.out[i];
        snprintf(name, sizeof name, "out%d", i);
        if (r->args.out[i].rank)
            fill(&r->args.out[i], name, false, is_coarse(&kernel->desc, true, i, mode));
    }
    ck_assert_int_eq(nl_alloc(kernel->need.workspace, &r->workspace), NL_OK);
    ck_assert_int_eq(nl_alloc(kernel->need.packed, &r->packed), NL_OK);
    r->args.workspace = r->workspace;
    r->args.packed = r->packed;
    if (kernel->need.packed)
        ck_assert_int_eq(nl_kernel_pack(be, kernel, &r->args, r->packed), NL_OK);
    ck_assert_msg(nl_kernel_run(be, kernel, &r->args) == NL_OK, "%s", nl_error());
}

static void clear(struct ran *r)
{
    for (int i = 0; i < NL_MAX_IN; i++) nl_free(r->args.in[i].data);
    for (int i = 0; i < NL_MAX_OUT; i++) nl_free(r->args.out[i].data);
    nl_free(r->workspace);
    nl_free(r->packed);
}

/* In BF16 one rounding of the result and one of filters or affinities, 2^-9 each. Gradients of
 * pairwise are sums of numbers of either sign, all of which were rounded. */
static double tolerance_of(nl_op op, nl_type type)
{
    if (type != NL_BF16) return 4e-6;
    return op == NL_OP_PAIRWISE_DX ? 0x1.8p-8 : 0x1p-8;
}

static void compare(const struct ran *got, const struct ran *want, nl_op op, const char *what)
{
    for (int o = 0; o < NL_MAX_OUT; o++) {
        const nl_tensor *a = &got->args.out[o], *b = &want->args.out[o];
        const bool made_of_half = a->type != NL_BF16 && got->args.out[0].type == NL_BF16;
        const double allowed = made_of_half ? 0x1p-8 : tolerance_of(op, a->type);
        double largest = 0, worst = 0;
        for (int64_t i = 0; a->rank && i < nl_tensor_count(a); i++) {
            largest = fmax(largest, fabs(get(b, i)));
            worst = fmax(worst, fabs(get(a, i) - get(b, i)));
            ck_assert_msg(!isnan(get(a, i)), "%s: NaN", what);
        }
        ck_assert_msg(worst <= allowed * largest, "%s: output %d is off by %.1e of %.1e", what, o,
                      worst, largest);
    }
}

/* Moments are those of y as it was stored. */
static void check_moments(const struct ran *r, const char *what)
{
    const nl_tensor *y = &r->args.out[0];
    const int64_t n = y->dim[4], rows = nl_tensor_count(y) / n;
    for (int64_t c = 0; c < n; c++) {
        double mean = 0, variance = 0;
        for (int64_t i = 0; i < rows; i++) mean += get(y, i * n + c) / (double)rows;
        for (int64_t i = 0; i < rows; i++)
            variance += (get(y, i * n + c) - mean) * (get(y, i * n + c) - mean) / (double)rows;
        ck_assert_msg(fabs(get(&r->args.out[1], c) - mean) <= 1e-6 * (fabs(mean) + sqrt(variance)),
                      "%s: mean of channel %d", what, (int)c);
        ck_assert_msg(fabs(get(&r->args.out[2], c) - variance) <= 1e-5 * variance,
                      "%s: variance of channel %d", what, (int)c);
    }
}

static void same_bits(const struct ran *a, const struct ran *b, const char *what)
{
    for (int o = 0; o < NL_MAX_OUT; o++) {
        size_t bytes;
        if (!a->args.out[o].rank) continue;
        ck_assert_int_eq(nl_tensor_bytes(&a->args.out[o], &bytes), NL_OK);
        ck_assert_msg(memcmp(a->args.out[o].data, b->args.out[o].data, bytes) == 0,
                      "%s: threads change output %d", what, o);
    }
}

/* False if the implementation asked for, NULL for the backend's choice, declines. */
static bool run_on(const char *backend, const char *impl, int threads,
                   const struct train_op_case *c, struct mode mode, struct ran *r, char *what,
                   size_t size)
{
    const struct nl_op_desc desc = describe(c, mode.real);
    struct nl_backend be;
    struct nl_kernel kernel;
    ck_assert_int_eq(nl_backend_open(backend, threads, &be), NL_OK);
    const nl_status st = nl_kernel_prepare(&be, &desc, impl, &kernel);
    ck_assert_msg(st == NL_OK || (impl && st == NL_ENOSUP), "%s", nl_error());
    if (st == NL_OK) {
        snprintf(what, size, "%s (%s/%s)", nl_op_name(c->op), kernel.owner->name,
                 kernel.impl->name);
        run_kernel(&be, &kernel, mode, r);
        nl_kernel_drop(&be, &kernel);
    }
    nl_backend_close(&be);
    return st == NL_OK;
}

static void agree(const char *backend, const char *impl, const struct train_op_case *c,
                  struct mode mode)
{
    struct ran got, want;
    char what[96], reference[96];
    if (!run_on(backend, impl, 2, c, mode, &got, what, sizeof what)) return;
    run_on("ref", NULL, 2, c, mode.coarse ? coarse_f64 : f64, &want, reference, sizeof reference);
    compare(&got, &want, c->op, what);
    if (c->op == NL_OP_CONV && c->attr.conv.sums) check_moments(&got, what);
    clear(&got);
    clear(&want);
}

static void same_with_threads(const char *backend, const char *impl, const struct train_op_case *c,
                              struct mode mode)
{
    struct ran one, more;
    char what[96];
    if (!run_on(backend, impl, 1, c, mode, &one, what, sizeof what)) return;
    for (int threads = 2; threads <= 4; threads += 2) {
        run_on(backend, impl, threads, c, mode, &more, what, sizeof what);
        same_bits(&one, &more, what);
        clear(&more);
    }
    clear(&one);
}

typedef void visit_fn(const char *backend, const char *impl, const struct train_op_case *c,
                      struct mode mode);

/* Calls `visit` for the backend's choice (NULL) and each of its own implementations of the op where
 * there are several. */
static void each_implementation(const struct nl_backend_ops *ops, const struct train_op_case *c,
                                struct mode mode, visit_fn *visit)
{
    visit(ops->name, NULL, c, mode);
    for (int i = 0; i < ops->n_impls; i++) {
        const struct nl_impl *const *impl = ops->impls[i].impl;
        for (int k = 0; ops->impls[i].op == c->op && impl[1] && impl[k]; k++)
            visit(ops->name, impl[k]->name, c, mode);
    }
}

START_TEST(every_implementation_agrees_with_ref_in_f64)
{
    for (int b = 0; nl_backends[b]; b++) {
        each_implementation(nl_backends[b], &train_op_cases[_i], f32, agree);
        if (has_bf16(train_op_cases[_i].op))
            each_implementation(nl_backends[b], &train_op_cases[_i], bf16, agree);
    }
}
END_TEST

START_TEST(threads_change_no_bits)
{
    for (int b = 0; nl_backends[b]; b++) {
        each_implementation(nl_backends[b], &train_op_cases[_i], f32, same_with_threads);
        if (has_bf16(train_op_cases[_i].op))
            each_implementation(nl_backends[b], &train_op_cases[_i], bf16, same_with_threads);
    }
}
END_TEST

/* Whether a kernel for pairs of BF16 takes the case of pairwise_dx: only where there is one, and not
 * an odd number of channels, few positions, or sums. */
START_TEST(gradients_of_pairwise_multiply_pairs_of_bf16)
{
    const struct train_op_case *c = &train_op_cases[_i];
    const bool known = c->op == NL_OP_PAIRWISE_DX && c->attr.pairwise.score == NL_SCORE_PRODUCT;
    const bool even = c->in[1].dim[3] % 2 == 0 && c->in[2].dim[3] % 2 == 0;
    const struct nl_op_desc desc = describe(c, NL_BF16);
    struct nl_backend be;
    struct nl_kernel kernel;
    if (!known) return;
    ck_assert_int_eq(nl_backend_open("cpu", 2, &be), NL_OK);
    ck_assert_msg(nl_kernel_prepare(&be, &desc, NULL, &kernel) == NL_OK, "%s", nl_error());
    const bool paired = strcmp(kernel.impl->name, "paired") == 0;
    if (be.ops->emulates(&be, NL_BF16))
        ck_assert(!paired);
    else if (c->attr.pairwise.f != NL_F_IDENTITY)
        ck_assert_int_eq(paired, even && c->in[0].dim[2] * c->in[1].dim[2] >= 64);
    nl_kernel_drop(&be, &kernel);
    nl_backend_close(&be);
}
END_TEST

/* Ops from MUL on are those of training; the others are tests/op_cases.c's. */
START_TEST(every_op_of_training_has_a_case)
{
    bool seen[NL_N_OPS] = {false};
    for (int i = 0; i < train_op_n_cases; i++) seen[train_op_cases[i].op] = true;
    for (int op = NL_OP_MUL; op < NL_N_OPS; op++)
        ck_assert_msg(seen[op], "no case of %s", nl_op_name((nl_op)op));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("train_ops");
    TCase *tc = tcase_create("every backend");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, every_op_of_training_has_a_case);
    tcase_add_loop_test(tc, every_implementation_agrees_with_ref_in_f64, 0, train_op_n_cases);
    tcase_add_loop_test(tc, gradients_of_pairwise_multiply_pairs_of_bf16, 0, train_op_n_cases);
    tcase_add_loop_test(tc, threads_change_no_bits, 0, train_op_n_cases);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
