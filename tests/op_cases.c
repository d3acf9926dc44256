#include "tests/opcase.h"

/* Faster algorithms for 3x3 filters (Winograd) trade a digit for fewer products. */
#define WINOGRAD 1e-5

#define NONE                                                                                       \
    {                                                                                              \
        .rank = 0                                                                                  \
    }

/* clang-format off: it breaks descriptions in braces oddly */
#define STRIDE(t, h, w)                                                                            \
    {                                                                                              \
        t, h, w                                                                                    \
    }
#define PADDED(t, h, w)                                                                            \
    {                                                                                              \
        t, h, w                                                                                    \
    }
#define PLAIN     false
#define WITH_RELU true

#define CONV(steps, around, act)                                                                   \
    NL_OP_CONV,                                                                                    \
    {                                                                                              \
        .conv = {.stride = steps, .pad = around, .relu = act }                                     \
    }
#define POOL(op, kt, kh, kw, st, sh, sw)                                                           \
    NL_OP_##op,                                                                                    \
    {                                                                                              \
        .pool = {.kernel = {kt, kh, kw}, .stride = {st, sh, sw} }                                  \
    }
#define POINTWISE(op, relu)                                                                        \
    NL_OP_##op,                                                                                    \
    {                                                                                              \
        .pointwise = { relu }                                                                      \
    }
#define PAIRWISE(kind, affinity, sum, factor)                                                      \
    NL_OP_PAIRWISE,                                                                                \
    {                                                                                              \
        .pairwise = {                                                                              \
            .score = NL_SCORE_##kind,                                                              \
            .f = NL_F_##affinity,                                                                  \
            .norm = NL_NORM_##sum,                                                                 \
            .scale = factor                                                                        \
        }                                                                                          \
    }

/* Every pairwise function on three sets of views. Sums that divide stay far from zero. */
#define PAIRWISE_CASES(score, f, norm, fill_with, d, text)                                         \
    {.name = "pairwise " text ", dense",                                                           \
     .fill = fill_with,                                                                            \
     .desc = {PAIRWISE(score, f, norm, 0.5),                                                       \
              {DENSE4(2, 3, 5, d), DENSE4(2, 3, 7, d), DENSE4(2, 3, 7, 6)},                        \
              {DENSE4(2, 3, 5, 6)}}},                                                              \
        {.name = "pairwise " text ", slices of wider rows",                                        \
         .fill = fill_with,                                                                        \
         .desc = {PAIRWISE(score, f, norm, 0.25),                                                  \
                  {ROWS4(1, 1, 301, d, 40), ROWS4(1, 1, 147, d, 33), ROWS4(1, 1, 147, 24, 33),     \
                   VECTOR(24), ROWS4(1, 1, 301, 24, 31)},                                          \
                  {ROWS4(1, 1, 301, 24, 29)}}},                                                    \
    {                                                                                              \
        .name = "pairwise " text ", frames attend within columns", .fill = fill_with, .desc = {    \
            PAIRWISE(score, f, norm, 0.3),                                                         \
            {{.rank = 4,                                                                           \
              .dim = {2, 6, 4, d},                                                                 \
              .stride = {INT64_C(24) * (d), d, INT64_C(6) * (d), 1}},                              \
             {.rank = 4,                                                                           \
              .dim = {2, 6, 4, d},                                                                 \
              .stride = {INT64_C(24) * (d), d, INT64_C(6) * (d), 1}},                              \
             {.rank = 4, .dim = {2, 6, 4, 5}, .stride = {120, 5, 30, 1}},                          \
             {.rank = 0},                                                                          \
             {.rank = 4, .dim = {2, 6, 4, 5}, .stride = {120, 5, 30, 1}}},                         \
            {{.rank = 4, .dim = {2, 6, 4, 5}, .stride = {120, 5, 30, 1}}}                          \
        }                                                                                          \
    }
/* clang-format on */

const struct op_case op_cases[] = {
    {.name = "conv 1x1x1 with bias",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 0, 0), PLAIN),
              {DENSE5(2, 3, 5, 7, 9), DENSE5(11, 1, 1, 1, 9), VECTOR(11)},
              {DENSE5(2, 3, 5, 7, 11)}}},
    {.name = "conv 1x1x1 of many rows with bias, residual and ReLU",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 0, 0), WITH_RELU),
              {DENSE5(1, 4, 14, 15, 24), DENSE5(40, 1, 1, 1, 24), VECTOR(40),
               DENSE5(1, 4, 14, 15, 40)},
              {DENSE5(1, 4, 14, 15, 40)}}},
    {.name = "conv 1x1x1 of many channels",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 0, 0), PLAIN),
              {DENSE5(1, 1, 14, 14, 128), DENSE5(256, 1, 1, 1, 128), VECTOR(256)},
              {DENSE5(1, 1, 14, 14, 256)}}},
    {.name = "conv 1x1x1 with stride",
     .desc = {CONV(STRIDE(1, 2, 2), PADDED(0, 0, 0), PLAIN),
              {DENSE5(1, 2, 7, 8, 6), DENSE5(10, 1, 1, 1, 6), VECTOR(10)},
              {DENSE5(1, 2, 4, 4, 10)}}},
    {.name = "conv 1x1x1 of one channel, padded",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), PLAIN),
              {DENSE5(1, 1, 3, 3, 1), DENSE5(1, 1, 1, 1, 1), VECTOR(1)},
              {DENSE5(1, 1, 5, 5, 1)}}},
    {.name = "conv 1x1x3 of windows beside x, a stride apart",
     .desc = {CONV(STRIDE(1, 1, 100), PADDED(0, 0, 5), PLAIN),
              {DENSE5(2, 1, 3, 1, 10), DENSE5(4, 1, 1, 3, 10), VECTOR(4)},
              {DENSE5(2, 1, 3, 1, 4)}}},
    {.name = "conv 3x1x1",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(1, 0, 0), WITH_RELU),
              {DENSE5(2, 4, 3, 5, 8), DENSE5(6, 3, 1, 1, 8), VECTOR(6)},
              {DENSE5(2, 4, 3, 5, 6)}}},
    {.name = "conv 3x1x1 of one frame",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(1, 0, 0), PLAIN),
              {DENSE5(2, 1, 4, 4, 5), DENSE5(3, 3, 1, 1, 5)},
              {DENSE5(2, 1, 4, 4, 3)}}},
    {.name = "conv 3x1x1 with stride in time",
     .desc = {CONV(STRIDE(2, 1, 1), PADDED(1, 0, 0), PLAIN),
              {DENSE5(1, 5, 4, 6, 7), DENSE5(8, 3, 1, 1, 7), VECTOR(8)},
              {DENSE5(1, 3, 4, 6, 8)}}},
    {.name = "conv 3x1x1 of an odd number of many channels",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(1, 0, 0), PLAIN),
              {DENSE5(1, 3, 2, 3, 1401), DENSE5(6, 3, 1, 1, 1401), VECTOR(6)},
              {DENSE5(1, 3, 2, 3, 6)}}},
    {.name = "conv 1x3x3 with ReLU",
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), WITH_RELU),
              {DENSE5(2, 2, 9, 11, 16), DENSE5(24, 1, 3, 3, 16), VECTOR(24)},
              {DENSE5(2, 2, 9, 11, 24)}}},
    {.name = "conv 1x3x3 of odd extents, with residual",
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), WITH_RELU),
              {DENSE5(1, 2, 13, 15, 32), DENSE5(32, 1, 3, 3, 32), VECTOR(32),
               DENSE5(1, 2, 13, 15, 32)},
              {DENSE5(1, 2, 13, 15, 32)}}},
    {.name = "conv 1x3x3 of many channels on few rows",
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), PLAIN),
              {DENSE5(1, 2, 7, 7, 64), DENSE5(64, 1, 3, 3, 64), VECTOR(64)},
              {DENSE5(1, 2, 7, 7, 64)}}},
    {.name = "conv 1x3x3 of a single position",
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), PLAIN),
              {DENSE5(3, 1, 1, 1, 4), DENSE5(5, 1, 3, 3, 4)},
              {DENSE5(3, 1, 1, 1, 5)}}},
    {.name = "conv 1x3x3 with stride",
     .desc = {CONV(STRIDE(1, 2, 2), PADDED(0, 1, 1), PLAIN),
              {DENSE5(2, 1, 8, 9, 5), DENSE5(7, 1, 3, 3, 5), VECTOR(7)},
              {DENSE5(2, 1, 4, 5, 7)}}},
    {.name = "conv 1x3x3 that leaves a rest, without padding",
     .desc = {CONV(STRIDE(1, 2, 2), PADDED(0, 0, 0), PLAIN),
              {DENSE5(1, 2, 6, 6, 4), DENSE5(3, 1, 3, 3, 4)},
              {DENSE5(1, 2, 2, 2, 3)}}},
    {.name = "conv 1x7x7 with stride, of three channels",
     .desc = {CONV(STRIDE(1, 2, 2), PADDED(0, 3, 3), PLAIN),
              {DENSE5(1, 2, 15, 16, 3), DENSE5(16, 1, 7, 7, 3), VECTOR(16)},
              {DENSE5(1, 2, 8, 8, 16)}}},
    {.name = "conv 5x7x7 with stride, of three channels",
     .desc = {CONV(STRIDE(1, 2, 2), PADDED(2, 3, 3), WITH_RELU),
              {DENSE5(1, 4, 21, 23, 3), DENSE5(8, 5, 7, 7, 3), VECTOR(8)},
              {DENSE5(1, 4, 11, 12, 8)}}},
    {.name = "conv 3x3x3 with stride",
     .desc = {CONV(STRIDE(2, 2, 2), PADDED(1, 1, 1), PLAIN),
              {DENSE5(1, 5, 5, 6, 4), DENSE5(9, 3, 3, 3, 4)},
              {DENSE5(1, 3, 3, 3, 9)}}},
    {.name = "conv 3x3x3 larger than its input",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(1, 1, 1), PLAIN),
              {DENSE5(1, 1, 1, 1, 3), DENSE5(4, 3, 3, 3, 3), VECTOR(4)},
              {DENSE5(1, 1, 1, 1, 4)}}},
    {.name = "conv 1x1x1 between slices of channels",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 0, 0), WITH_RELU),
              {ROWS5(1, 2, 5, 6, 8, 13), DENSE5(12, 1, 1, 1, 8), VECTOR(12),
               ROWS5(1, 2, 5, 6, 12, 17)},
              {ROWS5(1, 2, 5, 6, 12, 20)}}},
    {.name = "conv 1x3x3 between slices of channels",
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), PLAIN),
              {ROWS5(1, 2, 5, 6, 8, 13), DENSE5(12, 1, 3, 3, 8), VECTOR(12),
               ROWS5(1, 2, 5, 6, 12, 17)},
              {ROWS5(1, 2, 5, 6, 12, 20)}}},
    {.name = "conv 3x1x1 between slices of channels",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(1, 0, 0), PLAIN),
              {ROWS5(2, 3, 5, 6, 8, 13), DENSE5(12, 3, 1, 1, 8), VECTOR(12)},
              {ROWS5(2, 3, 5, 6, 12, 20)}}},
    {.name = "conv 1x1x1 that overwrites its residual",
     .shares = 4,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 0, 0), WITH_RELU),
              {DENSE5(1, 3, 7, 6, 10), DENSE5(12, 1, 1, 1, 10), VECTOR(12), DENSE5(1, 3, 7, 6, 12)},
              {DENSE5(1, 3, 7, 6, 12)}}},
    {.name = "conv 1x3x3 that overwrites its residual",
     .shares = 4,
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 1, 1), PLAIN),
              {DENSE5(1, 3, 7, 6, 10), DENSE5(12, 1, 3, 3, 10), NONE, DENSE5(1, 3, 7, 6, 12)},
              {DENSE5(1, 3, 7, 6, 12)}}},
    {.name = "conv 1x1x1 with clips and frames swapped",
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(0, 0, 0), PLAIN),
              {{.rank = 5, .dim = {2, 3, 4, 5, 6}, .stride = {120, 240, 30, 6, 1}},
               DENSE5(7, 1, 1, 1, 6)},
              {DENSE5(2, 3, 4, 5, 7)}}},
    {.name = "conv 3x3x3 on every second column, rows swapped",
     .tolerance = WINOGRAD,
     .desc = {CONV(STRIDE(1, 1, 1), PADDED(1, 1, 1), PLAIN),
              {{.rank = 5, .dim = {1, 2, 4, 3, 5}, .stride = {240, 120, 5, 40, 1}},
               DENSE5(4, 3, 3, 3, 5)},
              {{.rank = 5, .dim = {1, 2, 4, 3, 4}, .stride = {96, 4, 24, 8, 1}}}}},

    {.name = "max_pool 1x3x3",
     .desc = {POOL(MAX_POOL, 1, 3, 3, 1, 2, 2), {DENSE5(2, 2, 9, 7, 5)}, {DENSE5(2, 2, 4, 3, 5)}}},
    {.name = "max_pool 3x1x1",
     .desc = {POOL(MAX_POOL, 3, 1, 1, 2, 1, 1), {DENSE5(1, 6, 3, 3, 6)}, {DENSE5(1, 2, 3, 3, 6)}}},
    {.name = "max_pool 1x2x2 that leaves a rest",
     .desc = {POOL(MAX_POOL, 1, 2, 2, 1, 2, 2),
              {DENSE5(1, 3, 5, 7, 40)},
              {DENSE5(1, 3, 2, 3, 40)}}},
    {.name = "max_pool 2x2x2 with overlap, between slices",
     .desc = {POOL(MAX_POOL, 2, 2, 2, 1, 1, 1),
              {ROWS5(2, 3, 4, 5, 7, 11)},
              {ROWS5(2, 2, 3, 4, 7, 9)}}},
    {.name = "max_pool 1x1x1",
     .desc = {POOL(MAX_POOL, 1, 1, 1, 1, 1, 1), {DENSE5(1, 1, 1, 3, 1)}, {DENSE5(1, 1, 1, 3, 1)}}},
    {.name = "avg_pool over everything",
     .desc = {POOL(AVG_POOL, 2, 7, 7, 1, 1, 1),
              {DENSE5(3, 2, 7, 7, 10)},
              {DENSE5(3, 1, 1, 1, 10)}}},
    {.name = "avg_pool at several positions",
     .desc = {POOL(AVG_POOL, 2, 7, 7, 1, 1, 1), {DENSE5(1, 2, 8, 10, 9)}, {DENSE5(1, 1, 2, 4, 9)}}},
    {.name = "avg_pool with stride, between slices",
     .desc = {POOL(AVG_POOL, 1, 3, 2, 1, 2, 3),
              {ROWS5(2, 2, 6, 8, 5, 8)},
              {ROWS5(2, 2, 2, 3, 5, 6)}}},

    {.name = "affine",
     .desc = {POINTWISE(AFFINE, PLAIN),
              {DENSE5(2, 3, 4, 5, 7), VECTOR(7), VECTOR(7)},
              {DENSE5(2, 3, 4, 5, 7)}}},
    {.name = "affine with residual and ReLU, between slices",
     .desc = {POINTWISE(AFFINE, WITH_RELU),
              {ROWS5(1, 2, 7, 9, 12, 15), VECTOR(12), VECTOR(12), ROWS5(1, 2, 7, 9, 12, 13)},
              {ROWS5(1, 2, 7, 9, 12, 18)}}},
    {.name = "affine in place",
     .shares = 1,
     .desc = {POINTWISE(AFFINE, WITH_RELU),
              {DENSE5(1, 4, 9, 9, 16), VECTOR(16), VECTOR(16)},
              {DENSE5(1, 4, 9, 9, 16)}}},
    {.name = "affine that overwrites its residual",
     .shares = 4,
     .desc = {POINTWISE(AFFINE, PLAIN),
              {DENSE5(1, 1, 3, 3, 5), VECTOR(5), VECTOR(5), DENSE5(1, 1, 3, 3, 5)},
              {DENSE5(1, 1, 3, 3, 5)}}},
    {.name = "add",
     .desc = {POINTWISE(ADD, PLAIN),
              {DENSE5(2, 3, 4, 5, 7), DENSE5(2, 3, 4, 5, 7)},
              {DENSE5(2, 3, 4, 5, 7)}}},
    {.name = "add with ReLU into the first",
     .shares = 1,
     .desc = {POINTWISE(ADD, WITH_RELU),
              {DENSE5(1, 3, 4, 5, 16), DENSE5(1, 3, 4, 5, 16)},
              {DENSE5(1, 3, 4, 5, 16)}}},
    {.name = "add into the second",
     .shares = 2,
     .desc = {POINTWISE(ADD, PLAIN),
              {DENSE5(1, 1, 1, 1, 3), DENSE5(1, 1, 1, 1, 3)},
              {DENSE5(1, 1, 1, 1, 3)}}},
    {.name = "add of slices",
     .desc = {POINTWISE(ADD, WITH_RELU),
              {ROWS5(2, 2, 3, 3, 6, 9), ROWS5(2, 2, 3, 3, 6, 7)},
              {ROWS5(2, 2, 3, 3, 6, 10)}}},
    {.name = "relu",
     .desc =
         {NL_OP_RELU, {.pointwise = {PLAIN}}, {DENSE5(2, 3, 4, 5, 7)}, {DENSE5(2, 3, 4, 5, 7)}}},
    {.name = "relu in place, on a slice",
     .shares = 1,
     .desc = {NL_OP_RELU,
              {.pointwise = {PLAIN}},
              {ROWS5(1, 2, 4, 5, 7, 10)},
              {ROWS5(1, 2, 4, 5, 7, 10)}}},

    {.name = "softmax of rows",
     .desc = {NL_OP_SOFTMAX, {.pointwise = {PLAIN}}, {DENSE2(37, 53)}, {DENSE2(37, 53)}}},
    {.name = "softmax of single numbers",
     .desc = {NL_OP_SOFTMAX, {.pointwise = {PLAIN}}, {DENSE2(4, 1)}, {DENSE2(4, 1)}}},
    {.name = "softmax of large scores",
     .fill = FILL_LARGE,
     .desc = {NL_OP_SOFTMAX, {.pointwise = {PLAIN}}, {DENSE4(2, 1, 6, 19)}, {DENSE4(2, 1, 6, 19)}}},
    {.name = "softmax at each position, in place",
     .shares = 1,
     .desc = {NL_OP_SOFTMAX,
              {.pointwise = {PLAIN}},
              {DENSE5(2, 1, 2, 3, 17)},
              {DENSE5(2, 1, 2, 3, 17)}}},
    {.name = "softmax between slices",
     .desc =
         {NL_OP_SOFTMAX, {.pointwise = {PLAIN}}, {ROWS4(2, 3, 4, 9, 12)}, {ROWS4(2, 3, 4, 9, 10)}}},
    {.name = "mean",
     .desc = {NL_OP_MEAN, {.pointwise = {PLAIN}}, {DENSE5(2, 3, 4, 5, 6)}, {DENSE2(2, 6)}}},
    {.name = "mean of a slice into a slice",
     .desc = {NL_OP_MEAN,
              {.pointwise = {PLAIN}},
              {ROWS5(3, 1, 2, 2, 4, 7)},
              {{.rank = 2, .dim = {3, 4}, .stride = {9, 1}}}}},
    {.name = "mean of one position",
     .desc = {NL_OP_MEAN, {.pointwise = {PLAIN}}, {DENSE5(1, 1, 1, 1, 5)}, {DENSE2(1, 5)}}},

    PAIRWISE_CASES(PRODUCT, EXP, SUM, FILL_NORMAL, 9, "exp / sum of products"),
    PAIRWISE_CASES(PRODUCT, EXP, COUNT, FILL_NORMAL, 3, "exp / count of products"),
    PAIRWISE_CASES(PRODUCT, IDENTITY, SUM, FILL_POSITIVE, 9, "identity / sum of products"),
    PAIRWISE_CASES(PRODUCT, IDENTITY, COUNT, FILL_NORMAL, 9, "identity / count of products"),
    PAIRWISE_CASES(PRODUCT, RELU, SUM, FILL_POSITIVE, 9, "relu / sum of products"),
    PAIRWISE_CASES(PRODUCT, RELU, COUNT, FILL_NORMAL, 9, "relu / count of products"),
    PAIRWISE_CASES(SUM, EXP, SUM, FILL_NORMAL, 1, "exp / sum of sums"),
    PAIRWISE_CASES(SUM, EXP, COUNT, FILL_NORMAL, 1, "exp / count of sums"),
    PAIRWISE_CASES(SUM, IDENTITY, SUM, FILL_POSITIVE, 1, "identity / sum of sums"),
    PAIRWISE_CASES(SUM, IDENTITY, COUNT, FILL_NORMAL, 1, "identity / count of sums"),
    PAIRWISE_CASES(SUM, RELU, SUM, FILL_POSITIVE, 1, "relu / sum of sums"),
    PAIRWISE_CASES(SUM, RELU, COUNT, FILL_NORMAL, 1, "relu / count of sums"),
    {.name = "pairwise of one query and one key",
     .desc = {PAIRWISE(PRODUCT, EXP, SUM, 1),
              {DENSE4(1, 1, 1, 1), DENSE4(1, 1, 1, 1), DENSE4(1, 1, 1, 1)},
              {DENSE4(1, 1, 1, 1)}}},
    {.name = "pairwise of many queries and one key",
     .desc = {PAIRWISE(PRODUCT, EXP, SUM, 1),
              {DENSE4(1, 2, 70, 3), DENSE4(1, 2, 1, 3), DENSE4(1, 2, 1, 4)},
              {DENSE4(1, 2, 70, 4)}}},
    {.name = "pairwise relu of many keys and one query",
     .desc = {PAIRWISE(SUM, RELU, COUNT, 1),
              {DENSE4(3, 1, 1, 1), DENSE4(3, 1, 500, 1), DENSE4(3, 1, 500, 2)},
              {DENSE4(3, 1, 1, 2)}}},
    {.name = "pairwise of wide vectors with large scores",
     .fill = FILL_LARGE,
     .desc = {PAIRWISE(PRODUCT, EXP, SUM, 0.01),
              {DENSE4(1, 1, 60, 64), DENSE4(1, 1, 90, 64), DENSE4(1, 1, 90, 64)},
              {DENSE4(1, 1, 60, 64)}},
     .tolerance = 2e-4 /* scores of some hundreds: their own rounding is multiplied in exp */},
    {.name = "pairwise of vectors wider than a chunk of the residual",
     .desc = {PAIRWISE(PRODUCT, EXP, SUM, 0.1),
              {DENSE4(1, 2, 60, 64), DENSE4(1, 2, 90, 64), DENSE4(1, 2, 90, 300), VECTOR(300),
               ROWS4(1, 2, 60, 300, 304)},
              {DENSE4(1, 2, 60, 300)}}},
    {.name = "pairwise with a bias",
     .desc = {PAIRWISE(PRODUCT, RELU, COUNT, 0.1),
              {DENSE4(1, 2, 60, 64), DENSE4(1, 2, 90, 64), DENSE4(1, 2, 90, 70), VECTOR(70)},
              {DENSE4(1, 2, 60, 70)}}},
    {.name = "pairwise sums with large scores",
     .fill = FILL_LARGE,
     .desc = {PAIRWISE(SUM, EXP, SUM, 1),
              {DENSE4(1, 1, 60, 1), DENSE4(1, 1, 90, 1), DENSE4(1, 1, 90, 8)},
              {DENSE4(1, 1, 60, 8)}},
     .tolerance = 5e-5 /* likewise */},
    {.name = "pairwise where vectors are longer than positions are many",
     .desc = {PAIRWISE(PRODUCT, IDENTITY, COUNT, 0.1),
              {DENSE4(1, 2, 6, 80), DENSE4(1, 2, 5, 80), DENSE4(1, 2, 5, 70)},
              {DENSE4(1, 2, 6, 70)}}},

    {.name = "product",
     .desc = {NL_OP_PRODUCT,
              {.product = {0.5}},
              {DENSE4(2, 3, 5, 7), DENSE4(2, 3, 7, 4)},
              {DENSE4(2, 3, 5, 4)}}},
    {.name = "product of large matrices",
     .desc = {NL_OP_PRODUCT,
              {.product = {1}},
              {DENSE4(1, 1, 150, 130), DENSE4(1, 1, 130, 70)},
              {DENSE4(1, 1, 150, 70)}}},
    {.name = "product with the second transposed",
     .desc = {NL_OP_PRODUCT,
              {.product = {1}},
              {ROWS4(2, 1, 6, 5, 8), {.rank = 4, .dim = {2, 1, 5, 9}, .stride = {63, 63, 1, 7}}},
              {ROWS4(2, 1, 6, 9, 11)}}},
    {.name = "product with the first transposed",
     .desc = {NL_OP_PRODUCT,
              {.product = {2}},
              {{.rank = 4, .dim = {2, 2, 6, 5}, .stride = {70, 35, 1, 7}}, DENSE4(2, 2, 5, 3)},
              {DENSE4(2, 2, 6, 3)}}},
    {.name = "product into a transposed result, batches swapped",
     .desc = {NL_OP_PRODUCT,
              {.product = {1}},
              {{.rank = 4, .dim = {2, 3, 4, 5}, .stride = {20, 40, 5, 1}}, DENSE4(2, 3, 5, 6)},
              {{.rank = 4, .dim = {2, 3, 4, 6}, .stride = {24, 48, 1, 4}}}}},
    {.name = "product with no unit stride",
     .desc = {NL_OP_PRODUCT,
              {.product = {1}},
              {{.rank = 4, .dim = {1, 1, 4, 5}, .stride = {40, 40, 10, 2}},
               {.rank = 4, .dim = {1, 1, 5, 3}, .stride = {45, 45, 9, 3}}},
              {{.rank = 4, .dim = {1, 1, 4, 3}, .stride = {24, 24, 6, 2}}}}},
    {.name = "product of a column and a row",
     .desc = {NL_OP_PRODUCT,
              {.product = {1}},
              {DENSE4(1, 1, 8, 1), DENSE4(1, 1, 1, 9)},
              {DENSE4(1, 1, 8, 9)}}},
    {.name = "outer_sum",
     .desc = {NL_OP_OUTER_SUM,
              {.product = {0}},
              {DENSE4(2, 2, 5, 1), DENSE4(2, 2, 7, 1)},
              {DENSE4(2, 2, 5, 7)}}},
    {.name = "outer_sum of columns of wider rows",
     .desc = {NL_OP_OUTER_SUM,
              {.product = {0}},
              {ROWS4(1, 2, 33, 1, 3), ROWS4(1, 2, 21, 1, 4)},
              {ROWS4(1, 2, 33, 21, 25)}}},
    {.name = "map exp",
     .desc = {NL_OP_MAP, {.map = {NL_F_EXP, 0.5}}, {DENSE4(2, 3, 9, 7)}, {DENSE4(2, 3, 9, 7)}}},
    {.name = "map relu in place",
     .shares = 1,
     .desc =
         {NL_OP_MAP, {.map = {NL_F_RELU, 2}}, {DENSE5(1, 2, 3, 4, 5)}, {DENSE5(1, 2, 3, 4, 5)}}},
    {.name = "map identity into transposed rows",
     .desc = {NL_OP_MAP,
              {.map = {NL_F_IDENTITY, -3}},
              {ROWS4(2, 1, 4, 6, 8)},
              {{.rank = 4, .dim = {2, 1, 4, 6}, .stride = {24, 24, 1, 4}}}}},
    {.name = "map of a vector with gaps",
     .desc = {NL_OP_MAP,
              {.map = {NL_F_EXP, 1}},
              {{.rank = 1, .dim = {19}, .stride = {2}}},
              {{.rank = 1, .dim = {19}, .stride = {3}}}}},
    {.name = "cast to BF16",
     .desc =
         {NL_OP_CAST, {.cast = {NL_BF16}}, {ROWS5(1, 2, 3, 4, 5, 9)}, {ROWS5(1, 2, 3, 4, 5, 6)}}},
    {.name = "cast to F32",
     .desc = {NL_OP_CAST, {.cast = {NL_F32}}, {DENSE5(2, 3, 4, 5, 37)}, {DENSE5(2, 3, 4, 5, 37)}}},
    {.name = "bn_fold",
     .desc = {NL_OP_BN_FOLD,
              {.bn_fold = {1e-5}},
              {VECTOR(37), VECTOR(37), VECTOR(37), VECTOR(37)},
              {VECTOR(37), VECTOR(37)}}},
    {.name = "conv_fold with bias",
     .desc = {NL_OP_CONV_FOLD,
              {.pointwise = {PLAIN}},
              {DENSE5(6, 3, 2, 2, 5), VECTOR(6), VECTOR(6), VECTOR(6)},
              {DENSE5(6, 3, 2, 2, 5), VECTOR(6)}}},
    {.name = "conv_fold without bias",
     .desc = {NL_OP_CONV_FOLD,
              {.pointwise = {PLAIN}},
              {DENSE5(1, 1, 1, 1, 5), NONE, VECTOR(1), VECTOR(1)},
              {DENSE5(1, 1, 1, 1, 5), VECTOR(1)}}},
};

const int op_n_cases = (int)NL_COUNT(op_cases);
