/* Which convolutions, gradients and products the onednn backend serves and why it declines others,
 * in F32, in BF16, and in BF16 as if the processor had AMX; that what it serves is right, and the
 * same for any number of threads. */
#include "backends/onednn/dnnl.h"
#include "tests/beside.h"
#include "tests/opcase.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
#define CONV(st, sh, sw, pt, ph, pw, act) \
    NL_OP_CONV, {.conv = {.stride = {st, sh, sw}, .pad = {pt, ph, pw}, .relu = act}}
#define CONV_DX(s, p, t, h, w) \
    NL_OP_CONV_DX, {.conv = {.stride = {1, s, s}, .pad = {0, p, p}, .extent = {t, h, w}}}
#define CONV_DW(s, pt, p, kt, k, writes) \
    NL_OP_CONV_DW, {.conv = {.stride = {1, s, s}, .pad = {pt, p, p}, .extent = {kt, k, k}, \
                             .bias = true, .set = writes}}
#define PRODUCT(factor) NL_OP_PRODUCT, {.product = {.scale = factor}}
#define TURNED4(b0, b1, rows, cols) \
    {.rank = 4, .dim = {b0, b1, rows, cols}, \
     .stride = {INT64_C(1) * (b1) * (rows) * (cols), INT64_C(1) * (rows) * (cols), 1, rows}}

#define ONE_TAP  "one tap is as fast on cpu"
#define NARROW   "dx of narrow pictures in bf16 is as fast on cpu"
#define HALF     "one tap in bf16 is as fast on cpu"
#define STRIDES  "taps in time and strides are faster on cpu"
#define WINDOWS  "a product only where there is one tap without stride"
#define ADDED    "in f32 sums may lie where the residual does"
#define RESIDUAL "a residual in bf16 is added as fast on cpu"
#define DX_ADDED "the library adds nothing to dx"
#define GAPS     "a tensor is not dense"
#define FAR      "windows reach far beyond x"
#define IN_TIME  "taps in time with a stride in bf16"
#define AMX_FEW     "windows of few channels are read faster on cpu"
#define AMX_TIME    "taps in time are read faster on cpu"
#define AMX_NARROW  "y of narrow pictures is faster on cpu"
#define AMX_HOLES   "dx with strides is faster on cpu"
#define AMX_ONE_TAP "one tap is faster as a product or on cpu"

static const struct {
    struct op_case op;
    const char *impl;
    const char *f32, *bf16, *amx; /* reasons, of BF16 without and with AMX; NULL: served */
} cases[] = {
    {{.name = "the first layer",
      .desc = {CONV(1, 2, 2, 0, 3, 3, true),
               {DENSE5(1, 2, 30, 31, 3), DENSE5(64, 1, 7, 7, 3), VECTOR(64)},
               {DENSE5(1, 2, 15, 16, 64)}}},
     "onednn", NULL, NULL, AMX_FEW},
    {{.name = "the first layer of I3D",
      .desc = {CONV(1, 2, 2, 2, 3, 3, false),
               {DENSE5(1, 5, 16, 15, 3), DENSE5(32, 5, 7, 7, 3)},
               {DENSE5(1, 5, 8, 8, 32)}}},
     "onednn", NULL, NULL, AMX_FEW},
    {{.name = "1x3x3",
      .desc = {CONV(1, 1, 1, 0, 1, 1, true),
               {DENSE5(2, 2, 28, 28, 64), DENSE5(64, 1, 3, 3, 64), VECTOR(64)},
               {DENSE5(2, 2, 28, 28, 64)}}},
     "onednn", NULL, NULL, NULL},
    {{.name = "1x3x3 of few rows and odd channels, with stride",
      .desc = {CONV(1, 2, 2, 0, 1, 1, false),
               {DENSE5(1, 3, 7, 9, 100), DENSE5(130, 1, 3, 3, 100), VECTOR(130)},
               {DENSE5(1, 3, 4, 5, 130)}}},
     "onednn", NULL, NULL, AMX_NARROW},
    {{.name = "3x1x1",
      .desc = {CONV(1, 1, 1, 1, 0, 0, true),
               {DENSE5(2, 4, 7, 7, 96), DENSE5(40, 3, 1, 1, 96), VECTOR(40)},
               {DENSE5(2, 4, 7, 7, 40)}}},
     "onednn", NULL, NULL, AMX_TIME},
    {{.name = "1x1x1",
      .desc = {CONV(1, 1, 1, 0, 0, 0, true),
               {DENSE5(1, 4, 14, 14, 256), DENSE5(64, 1, 1, 1, 256), VECTOR(64)},
               {DENSE5(1, 4, 14, 14, 64)}}},
     "onednn", ONE_TAP, ONE_TAP, NULL},
    {{.name = "1x1x1 with stride",
      .desc = {CONV(1, 2, 2, 0, 0, 0, false),
               {DENSE5(1, 1, 8, 8, 64), DENSE5(64, 1, 1, 1, 64)},
               {DENSE5(1, 1, 4, 4, 64)}}},
     "onednn", ONE_TAP, ONE_TAP, AMX_NARROW},
    {{.name = "a slice of channels",
      .desc = {CONV(1, 1, 1, 0, 1, 1, false),
               {ROWS5(1, 1, 8, 8, 64, 70), DENSE5(64, 1, 3, 3, 64)},
               {DENSE5(1, 1, 8, 8, 64)}}},
     "onednn", GAPS, GAPS, GAPS},
    {{.name = "a residual",
      .desc = {CONV(1, 1, 1, 0, 1, 1, true),
               {DENSE5(1, 1, 8, 8, 64), DENSE5(64, 1, 3, 3, 64), VECTOR(64),
                DENSE5(1, 1, 8, 8, 64)},
               {DENSE5(1, 1, 8, 8, 64)}}},
     "onednn", ADDED, RESIDUAL, NULL},
    {{.name = "a residual where y is",
      .shares = 4,
      .desc = {CONV(1, 1, 1, 0, 0, 0, true),
               {DENSE5(2, 1, 9, 8, 48), DENSE5(64, 1, 1, 1, 48), VECTOR(64),
                DENSE5(2, 1, 9, 8, 64)},
               {DENSE5(2, 1, 9, 8, 64)}}},
     "onednn", ADDED, RESIDUAL, NULL},
    {{.name = "dx of 1x3x3",
      .desc = {CONV_DX(1, 1, 2, 16, 16),
               {DENSE5(2, 2, 16, 16, 64), DENSE5(64, 1, 3, 3, 128)},
               {DENSE5(2, 2, 16, 16, 128)}}},
     "onednn", NULL, NULL, NULL},
    {{.name = "dx of 1x3x3 with stride, narrow",
      .desc = {CONV_DX(2, 1, 2, 13, 15),
               {DENSE5(2, 2, 7, 8, 64), DENSE5(64, 1, 3, 3, 40)},
               {DENSE5(2, 2, 13, 15, 40)}}},
     "onednn", NULL, NARROW, AMX_HOLES},
    {{.name = "dx of 3x1x1",
      .desc = {NL_OP_CONV_DX,
               {.conv = {.stride = {1, 1, 1}, .pad = {1, 0, 0}, .extent = {4, 8, 16}}},
               {DENSE5(2, 4, 8, 16, 32), DENSE5(32, 3, 1, 1, 64)},
               {DENSE5(2, 4, 8, 16, 64)}}},
     "onednn", "dx with taps in time is as fast on cpu", NULL, NULL},
    {{.name = "dx of 1x1x1",
      .desc = {CONV_DX(1, 0, 2, 14, 14),
               {DENSE5(2, 2, 14, 14, 64), DENSE5(64, 1, 1, 1, 128)},
               {DENSE5(2, 2, 14, 14, 128)}}},
     "onednn", ONE_TAP, NARROW, NULL},
    {{.name = "dx of 1x1x1, wide",
      .desc = {CONV_DX(1, 0, 1, 29, 30),
               {DENSE5(1, 1, 29, 30, 48), DENSE5(48, 1, 1, 1, 64)},
               {DENSE5(1, 1, 29, 30, 64)}}},
     "onednn", ONE_TAP, NULL, NULL},
    {{.name = "dx of 1x1x1 with stride",
      .desc = {CONV_DX(2, 0, 2, 14, 14),
               {DENSE5(2, 2, 7, 7, 64), DENSE5(64, 1, 1, 1, 128)},
               {DENSE5(2, 2, 14, 14, 128)}}},
     "onednn", ONE_TAP, NULL, AMX_HOLES},
    {{.name = "dx with a residual",
      .desc = {CONV_DX(1, 1, 1, 16, 16),
               {DENSE5(1, 1, 16, 16, 64),
                DENSE5(64, 1, 3, 3, 64),
                {.rank = 0},
                DENSE5(1, 1, 16, 16, 64)},
               {DENSE5(1, 1, 16, 16, 64)}}},
     "onednn", ADDED, DX_ADDED, DX_ADDED},
    {{.name = "dw of the first layer",
      .desc = {CONV_DW(2, 0, 3, 1, 7, false),
               {DENSE5(2, 2, 33, 31, 3), DENSE5(2, 2, 17, 16, 64)},
               {DENSE5(64, 1, 7, 7, 3), VECTOR(64)}}},
     "onednn", NULL, NULL, STRIDES},
    {{.name = "dw of 1x3x3, parts of pictures and of filters",
      .desc = {CONV_DW(1, 0, 1, 1, 3, true),
               {DENSE5(2, 3, 25, 24, 48), DENSE5(2, 3, 25, 24, 160)},
               {DENSE5(160, 1, 3, 3, 48), VECTOR(160)}}},
     "onednn", NULL, NULL, NULL},
    {{.name = "dw of 1x3x3, added",
      .desc = {CONV_DW(1, 0, 1, 1, 3, false),
               {DENSE5(2, 4, 23, 24, 35), DENSE5(2, 4, 23, 24, 128)},
               {DENSE5(128, 1, 3, 3, 35), VECTOR(128)}}},
     "onednn", NULL, NULL, NULL},
    {{.name = "dw of 1x3x3 of few filters",
      .desc = {CONV_DW(1, 0, 1, 1, 3, true),
               {DENSE5(1, 3, 25, 24, 32), DENSE5(1, 3, 25, 24, 64)},
               {DENSE5(64, 1, 3, 3, 32)}}},
     "onednn", "less than 128 filters are as fast on cpu", NULL, NULL},
    {{.name = "dw of 1x3x3 with very many sums",
      .desc = {CONV_DW(1, 0, 1, 1, 3, true),
               {DENSE5(1, 1, 5, 6, 488), DENSE5(1, 1, 5, 6, 480)},
               {DENSE5(480, 1, 3, 3, 488)}}},
     "onednn", NULL, "more than 2097152 sums in bf16 are as fast on cpu", NULL},
    {{.name = "dw of 1x3x3 with stride",
      .desc = {CONV_DW(2, 0, 1, 1, 3, true),
               {DENSE5(1, 3, 25, 24, 32), DENSE5(1, 3, 13, 12, 128)},
               {DENSE5(128, 1, 3, 3, 32)}}},
     "onednn", STRIDES, STRIDES, STRIDES},
    {{.name = "dw of 3x3x3",
      .desc = {CONV_DW(1, 1, 1, 3, 3, true),
               {DENSE5(3, 3, 12, 14, 32), DENSE5(3, 3, 12, 14, 128)},
               {DENSE5(128, 3, 3, 3, 32)}}},
     "onednn", STRIDES, STRIDES, STRIDES},
    {{.name = "windows larger than x",
      .desc = {CONV(1, 1, 1, 0, 3, 3, false),
               {DENSE5(1, 2, 1, 4, 5), DENSE5(2, 1, 7, 7, 5)},
               {DENSE5(1, 2, 1, 4, 2)}}},
     "onednn", FAR, FAR, FAR},
    {{.name = "dx of windows padded by more than half",
      .desc = {CONV_DX(1, 2, 1, 3, 8),
               {DENSE5(1, 1, 5, 10, 16), DENSE5(16, 1, 3, 3, 8)},
               {DENSE5(1, 1, 3, 8, 8)}}},
     "onednn", FAR, FAR, FAR},
    {{.name = "dw of windows larger than x",
      .desc = {CONV_DW(2, 0, 1, 1, 3, true),
               {DENSE5(2, 1, 14, 1, 15), DENSE5(2, 1, 7, 1, 17)},
               {DENSE5(17, 1, 3, 3, 15)}}},
     "onednn", FAR, FAR, FAR},
    {{.name = "dw of taps in time with a stride",
      .desc = {NL_OP_CONV_DW, {.conv = {.stride = {2, 1, 1}, .pad = {1, 0, 1},
                                        .extent = {3, 3, 3}, .set = true}},
               {DENSE5(1, 3, 9, 5, 8), DENSE5(1, 2, 7, 5, 32)},
               {DENSE5(32, 3, 3, 3, 8)}}},
     "onednn", NULL, IN_TIME, IN_TIME},
    {{.name = "dw of 1x1x1 with stride",
      .desc = {CONV_DW(2, 0, 0, 1, 1, true),
               {DENSE5(2, 1, 14, 14, 64), DENSE5(2, 1, 7, 7, 128)},
               {DENSE5(128, 1, 1, 1, 64), VECTOR(128)}}},
     "onednn", ONE_TAP, ONE_TAP, AMX_ONE_TAP},
    {{.name = "dw of 1x3x3 as a product",
      .desc = {CONV_DW(1, 0, 1, 1, 3, true),
               {DENSE5(1, 3, 25, 24, 32), DENSE5(1, 3, 25, 24, 128)},
               {DENSE5(128, 1, 3, 3, 32)}}},
     "product", WINDOWS, WINDOWS, WINDOWS},
    {{.name = "dw of 1x1x1, parts of positions",
      .desc = {CONV_DW(1, 0, 0, 1, 1, false),
               {DENSE5(2, 3, 25, 23, 264), DENSE5(2, 3, 25, 23, 270)},
               {DENSE5(270, 1, 1, 1, 264), VECTOR(270)}}},
     "product", NULL, HALF, NULL},
    {{.name = "dw of 1x1x1, written in parts",
      .desc = {CONV_DW(1, 0, 0, 1, 1, true),
               {DENSE5(2, 3, 25, 23, 128), DENSE5(2, 3, 25, 23, 40)},
               {DENSE5(40, 1, 1, 1, 128), VECTOR(40)}}},
     "product", NULL, HALF, NULL},
    {{.name = "dw of 1x1x1 on few positions, added",
      .desc = {CONV_DW(1, 0, 0, 1, 1, false),
               {DENSE5(1, 3, 7, 7, 300), DENSE5(1, 3, 7, 7, 280)},
               {DENSE5(280, 1, 1, 1, 300), VECTOR(280)}}},
     "product", NULL, HALF, NULL},
    {{.name = "dw of 1x1x1 of few channels",
      .desc = {CONV_DW(1, 0, 0, 1, 1, true),
               {DENSE5(1, 3, 7, 7, 100), DENSE5(1, 3, 7, 7, 280)},
               {DENSE5(280, 1, 1, 1, 100)}}},
     "product", "less than 128 channels are as fast on cpu", HALF, NULL},
    {{.name = "dw of 1x1x1 with many sums",
      .desc = {CONV_DW(1, 0, 0, 1, 1, true),
               {DENSE5(1, 1, 7, 7, 520), DENSE5(1, 1, 7, 7, 512)},
               {DENSE5(512, 1, 1, 1, 520)}}},
     "product", "more than 131072 sums are as fast on cpu", HALF, NULL},
    {{.name = "a product of turned matrices",
      .desc = {PRODUCT(1),
               {DENSE4(2, 1, 300, 96), TURNED4(2, 1, 96, 100)},
               {DENSE4(2, 1, 300, 100)}}},
     "onednn", NULL, NULL, NULL},
    {{.name = "a scaled product of batches",
      .desc = {PRODUCT(0.3),
               {TURNED4(3, 2, 130, 70), ROWS4(3, 2, 70, 120, 130)},
               {ROWS4(3, 2, 130, 120, 123)}}},
     "onednn", NULL, NULL, NULL},
    {{.name = "a row times a matrix",
      .desc = {PRODUCT(1), {DENSE4(1, 1, 1, 256), DENSE4(1, 1, 256, 512)}, {DENSE4(1, 1, 1, 512)}}},
     "onednn", "vectors and small products are faster on cpu", NULL, NULL},
};
/* clang-format on */

/* What the backend is taken to run on, whatever the processor is; its F32 and BF16 are fast. */
enum part { F32, BF16, AMX, N_PARTS };

static nl_type type_of(enum part part)
{
    return part == F32 ? NL_F32 : NL_BF16;
}

static struct nl_backend opened(enum part part, int threads)
{
    struct nl_backend be;
    ck_assert_msg(nl_backend_open("onednn", threads, &be) == NL_OK, "%s", nl_error());
    ((struct nl_dnnl *)be.state)->amx = part == AMX;
    ((struct nl_dnnl *)be.state)->slow_f32 = ((struct nl_dnnl *)be.state)->slow_bf16 = false;
    return be;
}

static bool has_bf16_products(void)
{
    struct nl_backend be = opened(F32, 1);
    const bool has = ((const struct nl_dnnl *)be.state)->bf16;
    nl_backend_close(&be);
    if (!has) puts("skip: bf16: this processor has neither AVX512-BF16 nor AMX");
    return has;
}

/* The backend's own implementation of that name that has a rule: the last, since one for AMX alone may
 * stand before it. */
static const struct nl_impl *find(const struct nl_backend *be, nl_op op, const char *name)
{
    const struct nl_impl *found = NULL;
    for (int i = 0; i < be->ops->n_impls; i++) {
        const struct nl_impl *const *impl = be->ops->impls[i].impl;
        for (; be->ops->impls[i].op == op && *impl; impl++)
            if (strcmp((*impl)->name, name) == 0 && !(*impl)->on_request) found = *impl;
    }
    ck_assert_msg(found != NULL, "no %s of %s", name, nl_op_name(op));
    return found;
}

static void asked(const struct nl_backend *be, int i, enum part part, nl_reason *why)
{
    struct nl_op_desc desc = cases[i].op.desc;
    for (int k = 0; k < NL_MAX_IN; k++)
        desc.in[k].type = type_beside(desc.op, &desc.in[k], false, k, type_of(part));
    for (int k = 0; k < NL_MAX_OUT; k++)
        desc.out[k].type = type_beside(desc.op, &desc.out[k], true, k, type_of(part));
    *why = (nl_reason){""};
    if (find(be, desc.op, cases[i].impl)->can(be, &desc, why)) why->text[0] = '\0';
}

START_TEST(each_case_is_served_or_declined_with_its_reason)
{
    const char *const expected[N_PARTS] = {cases[_i].f32, cases[_i].bf16, cases[_i].amx};
    const int parts = has_bf16_products() ? N_PARTS : BF16;
    for (int part = F32; part < parts; part++) {
        nl_reason why;
        struct nl_backend be = opened(part, 2);
        asked(&be, _i, part, &why);
        if (!expected[part] && strncmp(why.text, "the library has only", 20) == 0)
            printf("skip: %s: on this processor %s\n", cases[_i].op.name, why.text);
        else
            ck_assert_str_eq(why.text, expected[part] ? expected[part] : "");
        nl_backend_close(&be);
    }
}
END_TEST

START_TEST(bf16_is_declined_where_the_processor_does_not_multiply_it)
{
    nl_reason why;
    struct nl_backend be = opened(BF16, 2);
    ((struct nl_dnnl *)be.state)->bf16 = false;
    asked(&be, _i, BF16, &why);
    ck_assert_str_eq(why.text, "the processor has neither AVX512-BF16 nor AMX");
    nl_backend_close(&be);
}
END_TEST

/* What is served where the library is fast is left to cpu where it is slow, but for products. */
static void left_to_cpu(enum part part, int i, const char *reason)
{
    nl_reason fast, slow;
    struct nl_backend be = opened(part, 2);
    struct nl_dnnl *dnnl = be.state;
    asked(&be, i, part, &fast);
    *(part == F32 ? &dnnl->slow_f32 : &dnnl->slow_bf16) = true;
    asked(&be, i, part, &slow);
    if (cases[i].op.desc.op == NL_OP_PRODUCT)
        ck_assert_str_eq(slow.text, fast.text);
    else if (!*fast.text)
        ck_assert_str_eq(slow.text, reason);
    else
        ck_assert(*slow.text);
    nl_backend_close(&be);
}

START_TEST(bf16_is_left_to_cpu_where_f32_is_faster)
{
    left_to_cpu(BF16, _i, "without AMX the library is slower in bf16 than cpu");
}
END_TEST

START_TEST(f32_is_left_to_cpu_where_that_has_amx)
{
    left_to_cpu(F32, _i, "f32 is multiplied faster by AMX on cpu");
}
END_TEST

/* Runs the case by the backend's choice (NULL), or on request; false if that is declined. */
static bool run(enum part part, int threads, int i, const char *impl, struct op_result *result)
{
    struct op_case op = cases[i].op;
    struct nl_backend be = opened(part, threads);
    op.coarse = part != F32;
    const nl_status st = op_run(&be, &op, type_of(part), impl, result);
    nl_backend_close(&be);
    ck_assert(st == NL_OK || (impl && st == NL_ENOSUP));
    return st == NL_OK;
}

static void agree(enum part part, int i, const char *impl, const struct op_result *want)
{
    struct op_result got;
    const double tolerance = part == F32 ? 5e-6 : OP_TOLERANCE_BF16;
    if (!run(part, 2, i, impl, &got)) return;
    const double distance = op_distance(&got, want);
    ck_assert_msg(distance <= tolerance, "%s: %g off", cases[i].op.name, distance);
    ck_assert(op_gaps_untouched(&got));
    op_result_clear(&got);
}

static void run_ref(int i, bool coarse, struct op_result *want)
{
    struct op_case op = cases[i].op;
    struct nl_backend ref;
    op.coarse = coarse;
    ck_assert_int_eq(nl_backend_open("ref", 2, &ref), NL_OK);
    ck_assert_int_eq(op_run(&ref, &op, NL_F64, NULL, want), NL_OK);
    nl_backend_close(&ref);
}

/* Whether served or declined: what comes out is right. */
START_TEST(each_case_agrees_with_ref)
{
    struct op_result want;
    run_ref(_i, false, &want);
    agree(F32, _i, NULL, &want);
    agree(F32, _i, cases[_i].impl, &want);
    op_result_clear(&want);
    run_ref(_i, true, &want);
    agree(BF16, _i, NULL, &want);
    agree(AMX, _i, NULL, &want);
    agree(BF16, _i, cases[_i].impl, &want);
    op_result_clear(&want);
}
END_TEST

static void same_with_threads(enum part part, int i, const char *impl)
{
    struct op_result one, more;
    if (!run(part, 1, i, impl, &one)) return;
    for (int threads = 2; threads <= 8; threads += threads / 2 + 1) { /* 2, 4, 7 */
        ck_assert(run(part, threads, i, impl, &more));
        for (int o = 0; o < NL_MAX_OUT; o++)
            ck_assert_msg(!one.view[o].rank ||
                              memcmp(one.after[o], more.after[o],
                                     (size_t)one.span[o] * sizeof *one.after[o]) == 0,
                          "%s: %d threads give other bits", cases[i].op.name, threads);
        op_result_clear(&more);
    }
    op_result_clear(&one);
}

START_TEST(any_number_of_threads_gives_the_same_bits)
{
    same_with_threads(F32, _i, NULL);
    same_with_threads(F32, _i, cases[_i].impl);
    same_with_threads(BF16, _i, NULL);
    same_with_threads(AMX, _i, NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("onednn_served");
    TCase *tc = tcase_create("onednn");
    const int n = (int)NL_COUNT(cases);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, each_case_is_served_or_declined_with_its_reason, 0, n);
    tcase_add_loop_test(tc, bf16_is_declined_where_the_processor_does_not_multiply_it, 0, n);
    tcase_add_loop_test(tc, bf16_is_left_to_cpu_where_f32_is_faster, 0, n);
    tcase_add_loop_test(tc, f32_is_left_to_cpu_where_that_has_amx, 0, n);
    tcase_add_loop_test(tc, each_case_agrees_with_ref, 0, n);
    tcase_add_loop_test(tc, any_number_of_threads_gives_the_same_bits, 0, n);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
