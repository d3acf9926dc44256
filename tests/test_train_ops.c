/* The ops that training adds: every implementation of every backend against ref in double on the
 * same numbers, and the same bits for any number of threads. */
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/tensor/backend.h"
#include "tests/beside.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define T5(n, t, h, w, c) {.rank = 5, .dim = {n, t, h, w, c}}
#define T4(a, b, c, d)    {.rank = 4, .dim = {a, b, c, d}}
#define T3(a, b, c)       {.rank = 3, .dim = {a, b, c}}
#define T2(a, b)          {.rank = 2, .dim = {a, b}}
#define V(n)              {.rank = 1, .dim = {n}}
#define D(n)              {.type = NL_F64, .rank = 1, .dim = {n}}
#define PAIR(score_, f_, norm_, row_) \
    {.pairwise = {.score = score_, .f = f_, .norm = norm_, .scale = 0.5, .row = row_}}
/* clang-format on */

/* Queries [a,b,p,d], keys [a,b,m,d], values [a,b,m,e] and what the gradient needs beside them. */
#define PAIRS(a, b, p, m, d, e)                                                                    \
    {T4(a, b, p, d), T4(a, b, m, d), T4(a, b, m, e), T4(a, b, p, e), T4(a, b, p, e), T3(a, b, p)}, \
    {                                                                                              \
        T4(a, b, p, d), T4(a, b, m, d), T4(a, b, m, e)                                             \
    }
#define COUNTED(a, b, p, m, d, e)                                                                  \
    {T4(a, b, p, d), T4(a, b, m, d), T4(a, b, m, e), T4(a, b, p, e), T4(a, b, p, e)},              \
    {                                                                                              \
        T4(a, b, p, d), T4(a, b, m, d), T4(a, b, m, e)                                             \
    }

/* Dense descriptions; strides are filled in. Index inputs are U8, labels I64. */
struct op_case {
    nl_op op;
    union nl_attr attr;
    nl_tensor in[NL_MAX_IN], out[NL_MAX_OUT];
};

#define CONV(sh, sw, p, e0, e1, e2)                                                                \
    {                                                                                              \
        .conv = {.stride = {1, sh, sw}, .pad = {0, p, p}, .extent = {e0, e1, e2}, .bias = true }   \
    }
#define SOFTMAX PAIR(NL_SCORE_PRODUCT, NL_F_EXP, NL_NORM_SUM, true)
#define DOT     PAIR(NL_SCORE_PRODUCT, NL_F_IDENTITY, NL_NORM_COUNT, false)
#define EXPS    PAIR(NL_SCORE_PRODUCT, NL_F_EXP, NL_NORM_COUNT, false)
#define SHARES  PAIR(NL_SCORE_PRODUCT, NL_F_IDENTITY, NL_NORM_SUM, true)
#define RELU    PAIR(NL_SCORE_PRODUCT, NL_F_RELU, NL_NORM_SUM, true)
#define CONCAT  PAIR(NL_SCORE_SUM, NL_F_RELU, NL_NORM_COUNT, false)

#define SUMS(sh, sw, p)                                                                            \
    {                                                                                              \
        .conv = {.stride = {1, sh, sw}, .pad = {0, p, p}, .sums = true }                           \
    }

static const struct op_case cases[] = {
    /* convolutions with the moments of what they make: rows in tiles with a rest; filters split; the
     * first layer; Winograd in blocks of one thread and in shared ones, with edges */
    {NL_OP_CONV,
     SUMS(1, 1, 0),
     {T5(2, 3, 13, 11, 40), T5(70, 1, 1, 1, 40), V(70)},
     {T5(2, 3, 13, 11, 70), D(70), D(70)}},
    {NL_OP_CONV,
     SUMS(1, 1, 0),
     {T5(1, 1, 1, 1, 8), T5(5, 1, 1, 1, 8)},
     {T5(1, 1, 1, 1, 5), D(5), D(5)}},
    {NL_OP_CONV,
     SUMS(2, 2, 1),
     {T5(1, 2, 9, 9, 32), T5(200, 1, 3, 3, 32)},
     {T5(1, 2, 5, 5, 200), D(200), D(200)}},
    {NL_OP_CONV,
     SUMS(2, 2, 3),
     {T5(2, 2, 33, 41, 3), T5(64, 1, 7, 7, 3)},
     {T5(2, 2, 17, 21, 64), D(64), D(64)}},
    {NL_OP_CONV,
     SUMS(1, 1, 1),
     {T5(2, 2, 27, 30, 32), T5(48, 1, 3, 3, 32), V(48)},
     {T5(2, 2, 27, 30, 48), D(48), D(48)}},
    {NL_OP_CONV,
     SUMS(1, 1, 1),
     {T5(2, 3, 15, 14, 96), T5(112, 1, 3, 3, 96)},
     {T5(2, 3, 15, 14, 112), D(112), D(112)}},
    {NL_OP_MUL, {.sgd = {false}}, {T5(2, 1, 3, 2, 5), T5(2, 1, 3, 2, 5)}, {T5(2, 1, 3, 2, 5)}},
    {NL_OP_BN_SUMS, {.sgd = {false}}, {T5(2, 3, 9, 7, 37)}, {D(37), D(37)}},
    {NL_OP_BN_SUMS, {.sgd = {false}}, {T5(1, 1, 1, 1, 3)}, {D(3), D(3)}},
    {NL_OP_CROSS_ENTROPY,
     {.sgd = {false}},
     {T2(4, 7), {.type = NL_I64, .rank = 1, .dim = {4}}},
     {V(4)}},
    {NL_OP_CROSS_ENTROPY_DX,
     {.sgd = {false}},
     {T2(4, 7), {.type = NL_I64, .rank = 1, .dim = {4}}, V(4)},
     {T2(4, 7)}},
    {NL_OP_CONV_DX,
     CONV(1, 1, 1, 2, 9, 8),
     {T5(2, 2, 9, 8, 40), T5(40, 1, 3, 3, 35), {.rank = 0}, T5(2, 2, 9, 8, 35)},
     {T5(2, 2, 9, 8, 35)}},
    {NL_OP_CONV_DX,
     CONV(2, 2, 1, 2, 9, 8),
     {T5(2, 2, 5, 4, 6), T5(6, 1, 3, 3, 70)},
     {T5(2, 2, 9, 8, 70)}},
    {NL_OP_CONV_DX,
     CONV(1, 1, 1, 2, 27, 30),
     {T5(1, 2, 27, 30, 32), T5(32, 1, 3, 3, 48), {.rank = 0}, T5(1, 2, 27, 30, 48)},
     {T5(1, 2, 27, 30, 48)}},
    {NL_OP_CONV_DX,
     CONV(1, 1, 0, 4, 23, 24),
     {T5(1, 4, 21, 22, 96), T5(96, 1, 3, 3, 112)},
     {T5(1, 4, 23, 24, 112)}},
    {NL_OP_CONV_DX,
     CONV(2, 2, 0, 1, 9, 9),
     {T5(1, 1, 5, 5, 33), T5(33, 1, 1, 1, 6), {.rank = 0}, T5(1, 1, 9, 9, 6)},
     {T5(1, 1, 9, 9, 6)}},
    {NL_OP_CONV_DX,
     CONV(2, 2, 0, 1, 9, 9),
     {T5(1, 1, 4, 4, 3), T5(3, 1, 2, 2, 6)},
     {T5(1, 1, 9, 9, 6)}},
    {NL_OP_CONV_DX,
     CONV(3, 3, 0, 1, 4, 4),
     {T5(1, 1, 1, 1, 2), T5(2, 1, 3, 3, 3)},
     {T5(1, 1, 4, 4, 3)}},
    {NL_OP_CONV_DX,
     CONV(1, 1, 0, 1, 5, 5),
     {T5(2, 1, 5, 5, 1100), T5(1100, 1, 1, 1, 8)},
     {T5(2, 1, 5, 5, 8)}},
    {NL_OP_CONV_DW,
     CONV(1, 1, 1, 1, 3, 3),
     {T5(2, 2, 9, 8, 40), T5(2, 2, 9, 8, 35)},
     {T5(35, 1, 3, 3, 40), V(35)}},
    /* by Winograd: one square; several with rests; parts of several blocks */
    {NL_OP_CONV_DW,
     CONV(1, 1, 1, 1, 3, 3),
     {T5(2, 2, 9, 8, 32), T5(2, 2, 9, 8, 48)},
     {T5(48, 1, 3, 3, 32), V(48)}},
    {NL_OP_CONV_DW,
     {.conv = {.stride = {1, 1, 1}, .pad = {0, 2, 2}, .extent = {1, 3, 3}, .set = true}},
     {T5(1, 1, 21, 22, 80), T5(1, 1, 23, 24, 144)},
     {T5(144, 1, 3, 3, 80)}},
    {NL_OP_CONV_DW,
     CONV(1, 1, 0, 1, 3, 3),
     {T5(1, 3, 39, 38, 48), T5(1, 3, 37, 36, 64)},
     {T5(64, 1, 3, 3, 48), V(64)}},
    {NL_OP_CONV_DW,
     CONV(2, 2, 3, 1, 7, 7),
     {T5(2, 2, 33, 31, 3), T5(2, 2, 17, 16, 70)},
     {T5(70, 1, 7, 7, 3), V(70)}},
    /* by lines: frames beside the clip, an odd number of outputs; columns that no window reaches */
    {NL_OP_CONV_DW,
     {.conv = {.stride = {1, 2, 2}, .pad = {2, 3, 3}, .extent = {5, 7, 7}, .bias = true}},
     {T5(2, 5, 21, 25, 3), T5(2, 5, 11, 13, 8)},
     {T5(8, 5, 7, 7, 3), V(8)}},
    {NL_OP_CONV_DW,
     {.conv = {.stride = {2, 3, 2}, .extent = {1, 2, 3}, .set = true}},
     {T5(1, 3, 8, 12, 5), T5(1, 2, 3, 5, 33)},
     {T5(33, 1, 2, 3, 5)}},
    {NL_OP_CONV_DW,
     CONV(1, 1, 0, 1, 1, 1),
     {T5(2, 3, 13, 11, 40), T5(2, 3, 13, 11, 300)},
     {T5(300, 1, 1, 1, 40), V(300)}},
    {NL_OP_CONV_DW,
     CONV(1, 1, 0, 1, 1, 1),
     {T5(2, 3, 13, 11, 70), T5(2, 3, 13, 11, 40)},
     {T5(40, 1, 1, 1, 70), V(40)}},
    {NL_OP_CONV_DW,
     {.conv = {.stride = {1, 1, 1}, .extent = {1, 1, 1}, .bias = true, .set = true}},
     {T5(2, 3, 13, 11, 70), T5(2, 3, 13, 11, 40)},
     {T5(40, 1, 1, 1, 70), V(40)}},
    {NL_OP_CONV_DW,
     CONV(1, 1, 0, 1, 1, 1),
     {T5(1, 2, 5, 7, 270), T5(1, 2, 5, 7, 280)},
     {T5(280, 1, 1, 1, 270), V(280)}},
    {NL_OP_CONV_DW,
     CONV(2, 2, 0, 1, 1, 1),
     {T5(1, 2, 9, 9, 1100), T5(1, 2, 5, 5, 8)},
     {T5(8, 1, 1, 1, 1100), V(8)}},
    {NL_OP_MAX_POOL,
     {.pool = {.kernel = {1, 3, 3}, .stride = {1, 2, 2}, .index = true}},
     {T5(2, 2, 9, 8, 19)},
     {T5(2, 2, 4, 3, 19), {.type = NL_U8, .rank = 5, .dim = {2, 2, 4, 3, 19}}}},
    {NL_OP_MAX_POOL_DX,
     {.pool = {.kernel = {2, 3, 1}, .stride = {2, 2, 1}, .extent = {4, 8, 5}}},
     {T5(2, 2, 3, 5, 19), {.type = NL_U8, .rank = 5, .dim = {2, 2, 3, 5, 19}}},
     {T5(2, 4, 8, 5, 19)}},
    {NL_OP_AVG_POOL_DX,
     {.pool = {.kernel = {2, 3, 1}, .stride = {1, 2, 1}, .extent = {3, 8, 5}}},
     {T5(2, 2, 3, 5, 19)},
     {T5(2, 3, 8, 5, 19)}},
    {NL_OP_AFFINE,
     {.sgd = {false}},
     {T5(2, 1, 3, 4, 37), D(37), D(37), T5(2, 1, 3, 4, 37)},
     {T5(2, 1, 3, 4, 37)}},
    {NL_OP_AFFINE,
     {.pointwise = {.relu = true}},
     {T5(2, 1, 3, 4, 37), D(37), D(37)},
     {T5(2, 1, 3, 4, 37)}},
    {NL_OP_AFFINE, {.sgd = {false}}, {T5(2, 1, 3, 4, 37), D(37)}, {T5(2, 1, 3, 4, 37)}},
    {NL_OP_AFFINE, {.sgd = {false}}, {T5(2, 1, 3, 4, 37), V(37)}, {T5(2, 1, 3, 4, 37)}},
    {NL_OP_AFFINE_DAB, {.sgd = {false}}, {T5(2, 3, 9, 7, 37), T5(2, 3, 9, 7, 37)}, {D(37), D(37)}},
    {NL_OP_AFFINE_DAB,
     {.sgd = {false}},
     {T5(2, 3, 9, 7, 37), T5(2, 3, 9, 7, 37), D(37), D(37)},
     {D(37), D(37)}},
    {NL_OP_BN_DX,
     {.sgd = {false}},
     {T5(2, 3, 9, 7, 37), T5(2, 3, 9, 7, 37), D(37), D(37), D(37), D(37)},
     {T5(2, 3, 9, 7, 37)}},
    {NL_OP_BN_DX,
     {.sgd = {false}},
     {T5(2, 3, 9, 7, 37), T5(2, 3, 9, 7, 37), V(37), D(37), D(37)},
     {T5(2, 3, 9, 7, 37)}},
    {NL_OP_BN_SUMS_DX, {.bn_sums = {.count = 12}}, {D(9), D(9), D(9)}, {D(9), D(9)}},
    {NL_OP_BN_FOLD_DX,
     {.bn_fold = {.epsilon = 100}}, /* variances are any numbers here */
     {V(9), D(9), D(9), D(9), D(9)},
     {D(9), D(9), D(9), D(9)}},
    {NL_OP_RELU_DX,
     {.sgd = {false}},
     {T5(2, 1, 3, 4, 37), T5(2, 1, 3, 4, 37)},
     {T5(2, 1, 3, 4, 37)}},
    {NL_OP_SOFTMAX_DX, {.sgd = {false}}, {T2(5, 9), T2(5, 9)}, {T2(5, 9)}},
    {NL_OP_MEAN_DX, {.mean = {.extent = {2, 3, 4}}}, {T2(5, 9)}, {T5(5, 2, 3, 4, 9)}},
    {NL_OP_MAP_DX, {.map = {.f = NL_F_EXP, .scale = 0.5}}, {T2(5, 9), T2(5, 9)}, {T2(5, 9)}},
    {NL_OP_OUTER_SUM_DX, {.sgd = {false}}, {T4(2, 1, 5, 3)}, {T4(2, 1, 5, 1), T4(2, 1, 3, 1)}},
    {NL_OP_PAIRWISE,
     SOFTMAX,
     {T4(2, 1, 130, 9), T4(2, 1, 40, 9), T4(2, 1, 40, 6)},
     {T4(2, 1, 130, 6), T3(2, 1, 130)}},
    {NL_OP_PAIRWISE,
     SOFTMAX,
     {T4(1, 1, 150, 70), T4(1, 1, 600, 70), T4(1, 1, 600, 33)},
     {T4(1, 1, 150, 33), T3(1, 1, 150)}},
    {NL_OP_PAIRWISE,
     SOFTMAX,
     {T4(1, 1, 150, 70), T4(1, 1, 1101, 70), T4(1, 1, 1101, 65)},
     {T4(1, 1, 150, 65), T3(1, 1, 150)}},
    {NL_OP_PAIRWISE_DX,
     SOFTMAX,
     {T4(2, 1, 230, 9), T4(2, 1, 40, 9), T4(2, 1, 40, 6), T4(2, 1, 230, 6), T4(2, 1, 230, 6),
      T3(2, 1, 230)},
     {T4(2, 1, 230, 9), T4(2, 1, 40, 9), T4(2, 1, 40, 6)}},
    {NL_OP_PAIRWISE_DX,
     DOT,
     {T4(1, 2, 30, 9), T4(1, 2, 600, 9), T4(1, 2, 600, 6), T4(1, 2, 30, 6), T4(1, 2, 30, 6)},
     {T4(1, 2, 30, 9), T4(1, 2, 600, 9), T4(1, 2, 600, 6)}},
    {NL_OP_PAIRWISE_DX,
     CONCAT,
     {T4(3, 2, 230, 1), T4(3, 2, 40, 1), T4(3, 2, 40, 6), T4(3, 2, 230, 6), T4(3, 2, 230, 6)},
     {T4(3, 2, 230, 1), T4(3, 2, 40, 1), T4(3, 2, 40, 6)}},
    {NL_OP_PAIRWISE_DX,
     DOT,
     {T4(2, 1, 20, 40), T4(2, 1, 24, 40), T4(2, 1, 24, 40), T4(2, 1, 20, 40), T4(2, 1, 20, 40)},
     {T4(2, 1, 20, 40), T4(2, 1, 24, 40), T4(2, 1, 24, 40)}},
    {NL_OP_PAIRWISE_DX,
     CONCAT,
     {T4(2, 1, 600, 1), T4(2, 1, 300, 1), T4(2, 1, 300, 70), T4(2, 1, 600, 70), T4(2, 1, 600, 70)},
     {T4(2, 1, 600, 1), T4(2, 1, 300, 1), T4(2, 1, 300, 70)}},
    /* several parts, tiles of queries and of keys, the last of each odd */
    {NL_OP_PAIRWISE_DX, SOFTMAX, PAIRS(2, 1, 999, 131, 38, 70)},
    {NL_OP_PAIRWISE_DX, SHARES, PAIRS(1, 1, 299, 231, 64, 30)},
    {NL_OP_PAIRWISE_DX, RELU, PAIRS(3, 3, 33, 17, 32, 34)},
    {NL_OP_PAIRWISE_DX, EXPS, COUNTED(2, 1, 45, 31, 6, 32)},
    {NL_OP_PAIRWISE_DX, SOFTMAX, PAIRS(1, 1, 1, 64, 2, 2)},
    {NL_OP_PAIRWISE_DX, SOFTMAX, PAIRS(3, 1, 70, 1, 2, 4)},
    {NL_OP_PAIRWISE_DX, SOFTMAX, PAIRS(1, 1, 300, 140, 33, 40)},
    {NL_OP_PAIRWISE_DX, SOFTMAX, PAIRS(1, 1, 300, 140, 40, 33)},
    {NL_OP_ACCUMULATE, {.accumulate = {.scale = 0.5}}, {D(9)}, {V(9)}},
    {NL_OP_ACCUMULATE, {.accumulate = {.scale = 0.5}}, {V(40000)}, {V(40000)}},
    {NL_OP_SQUARE_SUM, {.sgd = {false}}, {V(40000)}, {V(1)}},
    {NL_OP_SGD, {.sgd = {.nesterov = true}}, {V(4)}, {V(20000), V(20000), V(20000)}},
    {NL_OP_SGD, {.sgd = {.nesterov = false}}, {V(4)}, {V(50), V(50), V(50)}},
    {NL_OP_AVERAGE, {.sgd = {false}}, {V(1)}, {V(50), V(50)}},
};

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

static struct nl_op_desc describe(const struct op_case *c, nl_type real)
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
static bool run_on(const char *backend, const char *impl, int threads, const struct op_case *c,
                   struct mode mode, struct ran *r, char *what, size_t size)
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

static void agree(const char *backend, const char *impl, const struct op_case *c, struct mode mode)
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

static void same_with_threads(const char *backend, const char *impl, const struct op_case *c,
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

typedef void visit_fn(const char *backend, const char *impl, const struct op_case *c,
                      struct mode mode);

/* Calls `visit` for the backend's choice (NULL) and each of its own implementations of the op where
 * there are several. */
static void each_implementation(const struct nl_backend_ops *ops, const struct op_case *c,
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
        each_implementation(nl_backends[b], &cases[_i], f32, agree);
        if (has_bf16(cases[_i].op)) each_implementation(nl_backends[b], &cases[_i], bf16, agree);
    }
}
END_TEST

START_TEST(threads_change_no_bits)
{
    for (int b = 0; nl_backends[b]; b++) {
        each_implementation(nl_backends[b], &cases[_i], f32, same_with_threads);
        if (has_bf16(cases[_i].op))
            each_implementation(nl_backends[b], &cases[_i], bf16, same_with_threads);
    }
}
END_TEST

/* Whether a kernel for pairs of BF16 takes the case of pairwise_dx: only where there is one, and not
 * an odd number of channels, few positions, or sums. */
START_TEST(gradients_of_pairwise_multiply_pairs_of_bf16)
{
    const struct op_case *c = &cases[_i];
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
    for (size_t i = 0; i < NL_COUNT(cases); i++) seen[cases[i].op] = true;
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
    tcase_add_loop_test(tc, every_implementation_agrees_with_ref_in_f64, 0, (int)NL_COUNT(cases));
    tcase_add_loop_test(tc, gradients_of_pairwise_multiply_pairs_of_bf16, 0, (int)NL_COUNT(cases));
    tcase_add_loop_test(tc, threads_change_no_bits, 0, (int)NL_COUNT(cases));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
