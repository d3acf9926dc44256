/* The cpu backend against ref, on what is special to it: every path of its convolutions and of
 * its pairwise op, the bits of several thread counts, bounded scratch. */
#include "src/core/memory.h"
#include "src/tensor/backend.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* One op to run: inputs hold data, outputs get some. */
struct problem {
    struct nl_op_desc desc;
    struct nl_args args;
    bool alias; /* the output is in[3] itself */
};

/* Numbers in [-1, 1] without a pattern; `step` tells tensors apart. */
static float number(int64_t i, double step)
{
    const double x = sin((double)i * 12.9898 + step * 78.233) * 43758.5453;
    return (float)(2 * (x - floor(x)) - 1);
}

static nl_tensor numbers(int rank, const int64_t *dim, double step)
{
    nl_tensor t = nl_tensor_dense(NL_F32, rank, dim);
    float *value;
    ck_assert_int_eq(nl_alloc((size_t)nl_tensor_count(&t) * sizeof(float), &value), NL_OK);
    for (int64_t i = 0; i < nl_tensor_count(&t); i++) value[i] = number(i, step);
    t.data = value;
    return t;
}

static void forget(struct problem *p)
{
    for (int i = 0; i < NL_MAX_IN; i++) nl_free(p->args.in[i].data);
}

static void describe(struct problem *p)
{
    for (int i = 0; i < NL_MAX_IN; i++) {
        p->desc.in[i] = p->args.in[i];
        p->desc.in[i].data = NULL;
    }
}

/* Runs `p` on a backend into `y`, which has room for the output's span. */
static void run(const struct problem *p, const char *name, int threads, const char *force, float *y)
{
    struct nl_backend be;
    struct nl_kernel kernel;
    struct nl_args args = p->args;
    void *workspace = NULL, *packed = NULL;
    args.out[0] = p->desc.out[0];
    args.out[0].data = y;
    if (p->alias) {
        memcpy(y, args.in[3].data, (size_t)nl_tensor_count(&args.in[3]) * sizeof *y);
        args.in[3].data = y;
    }
    ck_assert_int_eq(nl_backend_open(name, threads, &be), NL_OK);
    ck_assert_msg(nl_kernel_prepare(&be, &p->desc, force, &kernel) == NL_OK, "%s", nl_error());
    ck_assert_str_eq(kernel.owner->name, name);
    ck_assert_int_eq(nl_alloc(kernel.need.workspace, &workspace), NL_OK);
    ck_assert_int_eq(nl_alloc(kernel.need.packed, &packed), NL_OK);
    memset(workspace, 0xff, kernel.need.workspace); /* NaN: nothing may be read unwritten */
    args.workspace = workspace;
    args.packed = packed;
    if (kernel.need.packed) {
        ck_assert_int_eq(nl_kernel_pack(&be, &kernel, &args, packed), NL_OK);
        args.in[1].data = NULL;
    }
    ck_assert_int_eq(nl_kernel_run(&be, &kernel, &args), NL_OK);
    nl_kernel_drop(&be, &kernel);
    nl_backend_close(&be);
    nl_free(workspace);
    nl_free(packed);
}

static float *room_for(const struct problem *p)
{
    const int64_t n = nl_tensor_span(&p->desc.out[0]);
    float *out;
    ck_assert_int_eq(nl_alloc((size_t)n * sizeof *out, &out), NL_OK);
    for (int64_t i = 0; i < n; i++) out[i] = 1e-3f; /* gaps between rows stay as they are */
    return out;
}

/* cpu gives `want` to `tolerance` of the largest value, and the same bits for any threads. */
static void compare(const struct problem *p, const char *force, double tolerance, const float *want)
{
    const int64_t n = nl_tensor_span(&p->desc.out[0]);
    float *got = room_for(p), *again = room_for(p);
    double top = 0;
    run(p, "cpu", 1, force, got);
    for (int64_t i = 0; i < n; i++) top = fmax(top, fabs((double)want[i]));
    for (int64_t i = 0; i < n; i++)
        ck_assert_msg(fabs((double)got[i] - (double)want[i]) <= tolerance * top,
                      "%s: element %lld: %.9g, ref says %.9g", force, (long long)i, (double)got[i],
                      (double)want[i]);
    for (int threads = 2; threads <= 4; threads += 2) {
        run(p, "cpu", threads, force, again);
        ck_assert_msg(memcmp(got, again, (size_t)n * sizeof *got) == 0, "%s: %d threads differ",
                      force, threads);
    }
    nl_free(got);
    nl_free(again);
}

/* The implementations of `op` in the cpu backend that serve `desc`, without repeating names. */
static int names_for(const struct nl_op_desc *desc, const char *names[8])
{
    struct nl_backend be;
    int n = 0;
    ck_assert_int_eq(nl_backend_open("cpu", 1, &be), NL_OK);
    for (int i = 0; i < be.ops->n_impls; i++) {
        if (be.ops->impls[i].op != desc->op) continue;
        for (const struct nl_impl *const *impl = be.ops->impls[i].impl; *impl && n < 8; impl++) {
            nl_reason why;
            bool known = !(*impl)->can(&be, desc, &why);
            for (int k = 0; k < n; k++) known = known || strcmp(names[k], (*impl)->name) == 0;
            if (!known) names[n++] = (*impl)->name;
        }
    }
    nl_backend_close(&be);
    return n;
}

static void compare_all(const struct problem *p, int at_least, double tolerance)
{
    const char *names[8];
    const int n = names_for(&p->desc, names);
    float *want = room_for(p);
    ck_assert_int_ge(n, at_least);
    run(p, "ref", 2, NULL, want);
    for (int i = 0; i < n; i++) compare(p, names[i], tolerance, want);
    nl_free(want);
}

static const struct {
    int64_t x[5], filters;
    int kernel[3], stride[3], pad[3];
    bool bias, residual, alias, relu;
} convs[] = {
    /* 1x1x1: rows of x as they are; one row; odd channels; deep enough for several chunks */
    {{1, 2, 9, 11, 64}, 64, {1, 1, 1}, {1, 1, 1}, {0}, true, false, false, true},
    {{1, 1, 1, 1, 600}, 400, {1, 1, 1}, {1, 1, 1}, {0}, true, false, false, false},
    {{2, 1, 5, 7, 13}, 17, {1, 1, 1}, {1, 1, 1}, {0}, false, true, true, true},
    {{1, 1, 5, 7, 2048}, 96, {1, 1, 1}, {1, 1, 1}, {0}, true, true, true, true},
    {{1, 2, 7, 9, 33}, 100, {1, 1, 1}, {1, 2, 2}, {0}, true, false, false, false},
    /* 3x3 with edges, strides, one channel, more filters than a tile */
    {{1, 2, 13, 9, 64}, 64, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, true, true, false, true},
    {{2, 1, 8, 8, 5}, 3, {1, 3, 3}, {1, 2, 2}, {0, 1, 1}, true, false, false, true},
    {{1, 1, 6, 5, 128}, 257, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, false, true, true, false},
    {{1, 3, 4, 4, 1}, 2, {3, 3, 3}, {1, 1, 1}, {1, 1, 1}, false, false, false, false},
    /* the first layer, in two dimensions and three; time only */
    {{1, 2, 30, 31, 3}, 64, {1, 7, 7}, {1, 2, 2}, {0, 3, 3}, true, false, false, true},
    {{1, 5, 16, 15, 3}, 32, {5, 7, 7}, {1, 2, 2}, {2, 3, 3}, false, false, false, false},
    {{2, 4, 5, 5, 96}, 40, {3, 1, 1}, {1, 1, 1}, {1, 0, 0}, true, false, false, true},
    {{1, 6, 3, 3, 20}, 48, {3, 1, 1}, {2, 1, 1}, {1, 0, 0}, true, false, false, true},
    /* outputs large enough to be written past the caches */
    {{1, 2, 40, 40, 8}, 64, {1, 1, 1}, {1, 1, 1}, {0}, true, true, true, true},
    {{1, 1, 61, 41, 3}, 70, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, true, false, false, true},
    /* 3x3 on enough rows for Winograd: blocks of one thread, shared ones, past the caches, edges of
     * every kind, no padding and more of it */
    {{1, 2, 27, 30, 32}, 48, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, true, true, true, true},
    {{2, 3, 15, 14, 96}, 96, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, true, true, false, false},
    {{1, 4, 29, 32, 16}, 32, {1, 3, 3}, {1, 1, 1}, {0, 1, 1}, true, false, false, true},
    {{1, 1, 61, 41, 16}, 80, {1, 3, 3}, {1, 1, 1}, {0, 0, 0}, false, false, false, false},
    {{1, 1, 38, 41, 16}, 16, {1, 3, 3}, {1, 1, 1}, {0, 2, 0}, false, true, false, false},
    /* a kernel larger than the input */
    {{1, 1, 2, 2, 8}, 8, {1, 5, 5}, {1, 1, 1}, {0, 2, 2}, true, false, false, false},
};

static struct problem conv_problem(int i)
{
    struct problem p = {.desc = {.op = NL_OP_CONV}, .alias = convs[i].alias};
    int64_t y[5] = {convs[i].x[0], 0, 0, 0, convs[i].filters};
    for (int k = 0; k < 3; k++) {
        p.desc.attr.conv.stride[k] = convs[i].stride[k];
        p.desc.attr.conv.pad[k] = convs[i].pad[k];
        y[k + 1] = (convs[i].x[k + 1] + 2 * (int64_t)convs[i].pad[k] - convs[i].kernel[k]) /
                       convs[i].stride[k] +
                   1;
    }
    p.desc.attr.conv.relu = convs[i].relu;
    const int *const k = convs[i].kernel;
    const int64_t w[5] = {convs[i].filters, k[0], k[1], k[2], convs[i].x[4]};
    p.args.in[0] = numbers(5, convs[i].x, 0.37);
    p.args.in[1] = numbers(5, w, 0.11);
    if (convs[i].bias) p.args.in[2] = numbers(1, w, 0.7);
    if (convs[i].residual) p.args.in[3] = numbers(5, y, 0.23);
    p.desc.out[0] = nl_tensor_dense(NL_F32, 5, y);
    describe(&p);
    return p;
}

/* Up to 2048 products are summed in float, one after the other. */
static const double sum_tolerance = 5e-6;

START_TEST(each_convolution_agrees_with_ref)
{
    struct problem p = conv_problem(_i);
    compare_all(&p, 1, sum_tolerance);
    forget(&p);
}
END_TEST

/* x, residual and y as slices of channels of wider tensors. */
START_TEST(convolutions_take_strided_views)
{
    struct problem p = conv_problem(_i);
    nl_tensor *const views[] = {&p.args.in[0], &p.args.in[3], &p.desc.out[0]};
    p.alias = false;
    for (int k = 0; k < 3; k++) {
        nl_tensor *t = views[k];
        if (t->rank == 0) continue;
        int64_t wide[5] = {t->dim[0], t->dim[1], t->dim[2] + k, t->dim[3], t->dim[4] + 5};
        nl_tensor all = k == 2 ? nl_tensor_dense(NL_F32, 5, wide) : numbers(5, wide, 0.31);
        nl_free(t->data);
        memcpy(t->stride, all.stride, sizeof t->stride);
        t->data = all.data;
    }
    describe(&p);
    compare_all(&p, 1, sum_tolerance);
    forget(&p);
}
END_TEST

static const struct {
    int64_t b0, b1, queries, keys, depth, width;
    double spread; /* the size of scores */
} pairs[] = {
    {1, 1, 100, 25, 32, 32, 1},  {2, 1, 65, 1100, 16, 24, 1},   {1, 3, 7, 5, 9, 11, 1},
    {2, 50, 4, 4, 64, 64, 1},    {1, 1, 1, 1, 1, 1, 1},         {1, 2, 97, 600, 8, 8, 40},
    {1, 1, 300, 100, 32, 32, 1}, {1, 1, 115, 1030, 20, 50, 1},  {1, 2, 33, 1100, 20, 33, 30},
    {3, 1, 17, 16, 5, 3, 1},     {1, 1, 150, 1100, 64, 64, 30}, {1, 2, 65, 2100, 96, 99, 1},
};

static struct problem pair_problem(int i, nl_score score)
{
    struct problem p = {.desc = {.op = NL_OP_PAIRWISE}};
    const int64_t b0 = pairs[i].b0, b1 = pairs[i].b1,
                  d = score == NL_SCORE_SUM ? 1 : pairs[i].depth;
    const int64_t q[4] = {b0, b1, pairs[i].queries, d}, k[4] = {b0, b1, pairs[i].keys, d};
    const int64_t v[4] = {b0, b1, pairs[i].keys, pairs[i].width};
    const int64_t y[4] = {b0, b1, pairs[i].queries, pairs[i].width};
    p.args.in[0] = numbers(4, q, 0.9);
    p.args.in[1] = numbers(4, k, 0.53);
    p.args.in[2] = numbers(4, v, 0.29);
    p.desc.out[0] = nl_tensor_dense(NL_F32, 4, y);
    p.desc.attr.pairwise.score = score;
    p.desc.attr.pairwise.scale = pairs[i].spread / sqrt((double)d);
    describe(&p);
    return p;
}

START_TEST(each_pairwise_variant_agrees_with_ref)
{
    static const struct {
        nl_score score;
        nl_affinity f;
        nl_norm norm;
        int impls;
    } variants[] = {
        {NL_SCORE_PRODUCT, NL_F_EXP, NL_NORM_SUM, 1},
        {NL_SCORE_PRODUCT, NL_F_IDENTITY, NL_NORM_COUNT, 2},
        {NL_SCORE_SUM, NL_F_RELU, NL_NORM_COUNT, 2},
        {NL_SCORE_SUM, NL_F_EXP, NL_NORM_SUM, 1},
        {NL_SCORE_PRODUCT, NL_F_RELU, NL_NORM_COUNT, 1},
        {NL_SCORE_PRODUCT, NL_F_EXP, NL_NORM_COUNT, 1},
        {NL_SCORE_SUM, NL_F_IDENTITY, NL_NORM_COUNT, 1},
    };
    for (int k = 0; k < (int)NL_COUNT(variants); k++) {
        struct problem p = pair_problem(_i, variants[k].score);
        p.desc.attr.pairwise.f = variants[k].f;
        p.desc.attr.pairwise.norm = variants[k].norm;
        /* exp magnifies the rounding of a large score */
        compare_all(&p, variants[k].impls, pairs[_i].spread > 1 ? 3e-5 : 5e-6);
        forget(&p);
    }
}
END_TEST

/* Groups of channels of one tensor serve as q, k and v, with positions as batches. */
START_TEST(pairwise_takes_strided_views)
{
    const int64_t dim[4] = {2, 4, 60, 96};
    struct problem p = {.desc = {.op = NL_OP_PAIRWISE}};
    const nl_tensor all = numbers(4, dim, 0.77);
    const int axes[4] = {0, 2, 1, 3};
    for (int i = 0; i < 3; i++) {
        p.args.in[i] = nl_tensor_permute(&all, axes);
        p.args.in[i].dim[3] = 32;
        p.args.in[i].data = (float *)all.data + 32 * (size_t)i;
    }
    const int64_t out[4] = {2, 4, 60, 32};
    nl_tensor y = nl_tensor_dense(NL_F32, 4, out);
    p.desc.out[0] = nl_tensor_permute(&y, axes);
    p.desc.attr.pairwise.scale = 0.2;
    describe(&p);
    compare_all(&p, 1, 5e-6);
    nl_free(all.data);
}
END_TEST

START_TEST(pairwise_scratch_does_not_grow_with_keys_times_queries)
{
    struct nl_backend be;
    ck_assert_int_eq(nl_backend_open("cpu", 2, &be), NL_OK);
    for (int64_t n = 16; n <= 262144; n *= 4) {
        const int64_t dim[4] = {1, 1, n, 64};
        struct nl_op_desc desc = {.op = NL_OP_PAIRWISE};
        struct nl_kernel kernel;
        for (int i = 0; i < 3; i++) desc.in[i] = nl_tensor_dense(NL_F32, 4, dim);
        desc.out[0] = desc.in[0];
        ck_assert_int_eq(nl_kernel_prepare(&be, &desc, "tiled", &kernel), NL_OK);
        ck_assert_uint_le(kernel.need.workspace, (2 << 20) + 16 * (size_t)n);
        nl_kernel_drop(&be, &kernel);
    }
    nl_backend_close(&be);
}
END_TEST

/* Eight parts of queries each sum their gradients of keys and values. */
START_TEST(scratch_of_pairwise_gradients_does_not_grow_with_keys_times_queries)
{
    struct nl_backend be;
    ck_assert_int_eq(nl_backend_open("cpu", 2, &be), NL_OK);
    for (int64_t n = 16; n <= 262144; n *= 4) {
        const int64_t dim[4] = {1, 1, n, 64}, rows[3] = {1, 1, n};
        struct nl_op_desc desc = {.op = NL_OP_PAIRWISE_DX};
        struct nl_kernel kernel;
        for (int i = 0; i < 5; i++) desc.in[i] = nl_tensor_dense(_i ? NL_BF16 : NL_F32, 4, dim);
        desc.in[5] = nl_tensor_dense(NL_F32, 3, rows);
        for (int i = 0; i < 3; i++) desc.out[i] = desc.in[i];
        ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
        ck_assert_uint_le(kernel.need.workspace, (2 << 20) + 8192 * (size_t)n);
        nl_kernel_drop(&be, &kernel);
    }
    nl_backend_close(&be);
}
END_TEST

/* A row whose first tile of keys is far below the second: what was summed has to shrink. */
START_TEST(pairwise_survives_scores_that_overflow_exp)
{
    struct problem p = pair_problem(1, NL_SCORE_SUM);
    float *key = p.args.in[1].data;
    for (int i = 0; i < 2200; i++) key[i] = 2.0f * (float)(i % 1100) - 1000;
    p.desc.attr.pairwise.scale = 1;
    compare_all(&p, 1, 5e-6);
    for (int i = 0; i < 600; i++) key[i] = -INFINITY;
    compare_all(&p, 1, 5e-6);
    forget(&p);
}
END_TEST

START_TEST(reasons_say_why_a_faster_one_declines)
{
    struct nl_backend be;
    struct nl_kernel kernel;
    struct problem p = pair_problem(0, NL_SCORE_PRODUCT);
    ck_assert_int_eq(nl_backend_open("cpu", 1, &be), NL_OK);
    p.desc.attr.pairwise.f = NL_F_IDENTITY;
    p.desc.attr.pairwise.norm = NL_NORM_COUNT;
    ck_assert_int_eq(nl_kernel_prepare(&be, &p.desc, NULL, &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "reassociated");
    nl_kernel_drop(&be, &kernel);
    p.desc.in[0] = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, 784, 512});
    p.desc.in[1] = p.desc.in[2] = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, 196, 512});
    p.desc.out[0] = p.desc.in[0];
    ck_assert_int_eq(nl_kernel_prepare(&be, &p.desc, NULL, &kernel), NL_OK);
    ck_assert_str_eq(kernel.impl->name, "tiled");
    ck_assert_str_eq(kernel.declined.text,
                     "reassociated: 256901120 multiply-adds against 157351936");
    p.desc.in[0].type = NL_F64;
    ck_assert_int_eq(nl_kernel_prepare(&be, &p.desc, NULL, &kernel), NL_OK);
    ck_assert_str_eq(kernel.owner->name, "ref");
    ck_assert_str_eq(kernel.declined.text, "reassociated: computes f32 and bf16, not f64");
    nl_kernel_drop(&be, &kernel);
    nl_backend_close(&be);
    forget(&p);
}
END_TEST

static const struct {
    nl_op op;
    int64_t x[5];
    int kernel[3], stride[3];
} pools[] = {
    {NL_OP_MAX_POOL, {1, 2, 15, 17, 64}, {1, 3, 3}, {1, 2, 2}},
    {NL_OP_MAX_POOL, {2, 6, 4, 5, 3}, {2, 1, 1}, {2, 1, 1}},
    {NL_OP_MAX_POOL, {1, 4, 6, 6, 19}, {1, 2, 2}, {1, 2, 2}},
    {NL_OP_AVG_POOL, {1, 4, 7, 7, 70}, {4, 7, 7}, {1, 1, 1}},
    {NL_OP_AVG_POOL, {2, 3, 5, 5, 8}, {1, 2, 3}, {1, 1, 2}},
    {NL_OP_MAX_POOL, {1, 3, 9, 9, 2}, {3, 7, 7}, {1, 1, 1}},
};

START_TEST(each_pooling_agrees_with_ref)
{
    struct problem p = {.desc = {.op = pools[_i].op}};
    int64_t y[5] = {pools[_i].x[0], 0, 0, 0, pools[_i].x[4]};
    for (int k = 0; k < 3; k++) {
        p.desc.attr.pool.kernel[k] = pools[_i].kernel[k];
        p.desc.attr.pool.stride[k] = pools[_i].stride[k];
        y[k + 1] = (pools[_i].x[k + 1] - pools[_i].kernel[k]) / pools[_i].stride[k] + 1;
    }
    p.args.in[0] = numbers(5, pools[_i].x, 0.83);
    p.desc.out[0] = nl_tensor_dense(NL_F32, 5, y);
    describe(&p);
    compare_all(&p, 1, 1e-6);
    forget(&p);
}
END_TEST

/* The ops on rows, dense and as slices of channels. */
START_TEST(each_row_op_agrees_with_ref)
{
    const int64_t dim[5] = {2, 3, 5, 4, 37}, channels = dim[4];
    static const nl_op ops[] = {NL_OP_AFFINE,  NL_OP_ADD,  NL_OP_RELU,
                                NL_OP_SOFTMAX, NL_OP_MEAN, NL_OP_MAP};
    for (int k = 0; k < (int)NL_COUNT(ops); k++) {
        struct problem p = {.desc = {.op = ops[k]}};
        p.args.in[0] = numbers(5, dim, 0.41);
        p.desc.out[0] = nl_tensor_dense(NL_F32, 5, dim);
        if (ops[k] == NL_OP_ADD) p.args.in[1] = numbers(5, dim, 0.67);
        if (ops[k] == NL_OP_AFFINE)
            for (int i = 1; i < 3; i++) p.args.in[i] = numbers(1, &channels, 0.2 * i);
        if (ops[k] == NL_OP_AFFINE) p.args.in[3] = numbers(5, dim, 0.67);
        if (ops[k] == NL_OP_MEAN)
            p.desc.out[0] = nl_tensor_dense(NL_F32, 2, (int64_t[]){dim[0], channels});
        if (ops[k] == NL_OP_MAP) p.desc.attr.map.scale = 0.7;
        if (ops[k] == NL_OP_ADD || ops[k] == NL_OP_AFFINE) p.desc.attr.pointwise.relu = true;
        if (_i && ops[k] != NL_OP_AFFINE) {
            p.args.in[0].dim[4] = 20;
            p.desc.out[0].dim[p.desc.out[0].rank - 1] = 20;
            if (p.args.in[1].rank) p.args.in[1].dim[4] = 20;
        }
        describe(&p);
        compare_all(&p, 1, 1e-6);
        forget(&p);
    }
}
END_TEST

START_TEST(products_agree_with_ref_for_any_order_of_axes)
{
    const int64_t a[4] = {2, 3, 150, 40}, b[4] = {2, 3, 40, 33}, c[4] = {2, 3, 150, 33};
    struct problem p = {.desc = {.op = NL_OP_PRODUCT}};
    const int swap[4] = {0, 1, 3, 2};
    const int64_t at[4] = {2, 3, 40, 150}, bt[4] = {2, 3, 33, 40};
    nl_tensor ta = numbers(4, _i & 1 ? at : a, 0.3), tb = numbers(4, _i & 2 ? bt : b, 0.7);
    p.args.in[0] = _i & 1 ? nl_tensor_permute(&ta, swap) : ta;
    p.args.in[1] = _i & 2 ? nl_tensor_permute(&tb, swap) : tb;
    p.desc.out[0] = nl_tensor_dense(NL_F32, 4, c);
    p.desc.attr.product.scale = 0.25;
    describe(&p);
    compare_all(&p, 1, 2e-6);
    forget(&p);
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("cpu");
    TCase *t = tcase_create("cpu");
    tcase_set_timeout(t, 300);
    tcase_add_loop_test(t, each_convolution_agrees_with_ref, 0, (int)NL_COUNT(convs));
    tcase_add_loop_test(t, convolutions_take_strided_views, 0, (int)NL_COUNT(convs));
    tcase_add_loop_test(t, each_pairwise_variant_agrees_with_ref, 0, (int)NL_COUNT(pairs));
    tcase_add_test(t, pairwise_takes_strided_views);
    tcase_add_test(t, pairwise_scratch_does_not_grow_with_keys_times_queries);
    tcase_add_loop_test(t, scratch_of_pairwise_gradients_does_not_grow_with_keys_times_queries, 0,
                        2);
    tcase_add_test(t, pairwise_survives_scores_that_overflow_exp);
    tcase_add_test(t, reasons_say_why_a_faster_one_declines);
    tcase_add_loop_test(t, each_pooling_agrees_with_ref, 0, (int)NL_COUNT(pools));
    tcase_add_loop_test(t, each_row_op_agrees_with_ref, 0, 2);
    tcase_add_loop_test(t, products_agree_with_ref_for_any_order_of_axes, 0, 4);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    SRunner *runner = srunner_create(suite());
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
