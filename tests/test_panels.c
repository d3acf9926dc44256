/* Panels hold what their kernel multiplies with, where it looks for it, and zeros beside. */
#include "backends/cpu/panels.h"
#include "backends/cpu/thirds.h"
#include "src/tensor/half.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Matrices are slices of rows of LD numbers. */
enum { MOST = 70, LD = 75, PANEL = 32, ROOM = (MOST + 1) * (MOST + PANEL) };

static const struct {
    int64_t columns, depth;
} sizes[] = {{1, 1}, {1, 2}, {16, 16}, {17, 18}, {32, 34}, {33, 48}, {47, 15}, {70, 70}, {64, 3}};

/* A number that BF16 holds, different for all neighbours. */
static float number(int64_t row, int64_t column)
{
    return (float)((row * 37 + column * 11) % 251 - 125);
}

struct filled {
    float f32[MOST * LD];
    uint16_t bf16[MOST * LD];
    union {
        float f32[ROOM];
        uint16_t bf16[2 * ROOM];
    } panels;
};

static void fill(struct filled *m)
{
    for (int64_t i = 0; i < (int64_t)MOST * LD; i++) {
        m->f32[i] = number(i / LD, i % LD);
        m->bf16[i] = nl_float_to_bf16(m->f32[i]);
    }
    memset(&m->panels, 0xff, sizeof m->panels);
}

/* What the panels have for element [d, c] of the matrix. */
static float found(const struct nl_cpu_kernel *kernel, const struct filled *m, int64_t depth,
                   int64_t d, int64_t c)
{
    const int64_t panel = kernel->panel;
    const int64_t at = c / panel * panel * nl_cpu_kernel_depth(kernel, depth) +
                       nl_cpu_kernel_at(kernel, d, c % panel);
    return kernel->type == NL_F32 ? m->panels.f32[at] : nl_bf16_to_float(m->panels.bf16[at]);
}

static void expect(const struct nl_cpu_kernel *kernel, const struct filled *m, int i, bool turned,
                   float scale)
{
    const int64_t columns = sizes[i].columns, depth = sizes[i].depth;
    const int64_t all = nl_cpu_panel_elements(kernel, depth, columns);
    const int64_t deep = nl_cpu_kernel_depth(kernel, depth);
    ck_assert_int_le(all, kernel->type == NL_F32 ? ROOM : 2 * ROOM);
    for (int64_t d = 0; d < deep; d++)
        for (int64_t c = 0; c < all / deep; c++) {
            const bool there = d < depth && c < columns;
            const float want = turned ? number(c, d) : number(d, c);
            ck_assert_msg(found(kernel, m, depth, d, c) == (there ? want * scale : 0),
                          "%s: element %lld of column %lld of %lld x %lld, %s", kernel->name,
                          (long long)d, (long long)c, (long long)depth, (long long)columns,
                          turned ? "turned" : "laid");
        }
}

START_TEST(panels_of_f32_hold_the_matrix_and_zeros)
{
    const struct nl_cpu_kernel *kernels[] = {nl_cpu_kernel_avx512(), nl_cpu_kernel_avx2()};
    static struct filled m;
    for (size_t k = 0; k < NL_COUNT(kernels); k++) {
        const int64_t columns = sizes[_i].columns, depth = sizes[_i].depth;
        if (!kernels[k] && _i == 0)
            printf("skip: the processor has no kernel %d for f32\n", (int)k);
        if (!kernels[k]) continue;
        fill(&m);
        nl_cpu_lay_panels(kernels[k], m.f32, LD, depth, columns, m.panels.f32);
        expect(kernels[k], &m, _i, false, 1);
        fill(&m);
        nl_cpu_turn_panels(kernels[k], m.f32, LD, columns, depth, 1, m.panels.f32);
        expect(kernels[k], &m, _i, true, 1);
        nl_cpu_turn_panels(kernels[k], m.f32, LD, columns, depth, 0.5f, m.panels.f32);
        expect(kernels[k], &m, _i, true, 0.5f);
        fill(&m);
        nl_cpu_lay_half(kernels[k], m.bf16, LD, depth, columns, m.panels.f32);
        expect(kernels[k], &m, _i, false, 1);
    }
}
END_TEST

START_TEST(panels_of_bf16_hold_pairs_and_zeros)
{
    const struct nl_cpu_kernel *kernel = nl_cpu_kernel_avx512bf16();
    const int64_t columns = sizes[_i].columns, depth = sizes[_i].depth;
    static struct filled m;
    if (!kernel) {
        if (_i == 0) puts("skip: the processor has no AVX512-BF16");
        return;
    }
    fill(&m);
    nl_cpu_lay_half(kernel, m.bf16, LD, depth, columns, m.panels.bf16);
    expect(kernel, &m, _i, false, 1);
    if (depth % 2) return;
    fill(&m);
    nl_cpu_turn_half(kernel, m.bf16, LD, columns, depth, m.panels.bf16);
    expect(kernel, &m, _i, true, 1);
}
END_TEST

/* A number of F32 is the sum of its thirds, exactly. */
static double third_sum(const uint16_t *step, int64_t d, int64_t c)
{
    enum { THIRD = NL_CPU_THIRDS_TILE, HALF = NL_CPU_THIRDS_TILE / 2, LINE = 32 };
    double sum = 0;
    for (int64_t third = 0; third < 3; third++)
        sum += (double)nl_bf16_to_float(
            step[third * THIRD + c / 16 * HALF + d / 2 * LINE + c % 16 * 2 + d % 2]);
    return sum;
}

static float precise(int64_t row, int64_t column)
{
    const double scale[] = {1, 1e-20, 1e30, -3e-5};
    return (float)(sin((double)(row * 71 + column)) * scale[(row + column) % 4]);
}

START_TEST(panels_of_thirds_hold_all_of_a_number)
{
    const struct nl_cpu_kernel *kernel = nl_cpu_kernel_amx_x3();
    const int64_t columns = sizes[_i].columns, depth = sizes[_i].depth;
    static float from[MOST * LD];
    static _Alignas(64) float panels[(MOST + 32) * (MOST + 32) * 3 / 2];
    if (!kernel) {
        if (_i == 0) puts("skip: the processor has no AMX");
        return;
    }
    const int64_t deep = nl_cpu_kernel_depth(kernel, depth);
    for (int64_t i = 0; i < (int64_t)MOST * LD; i++) from[i] = precise(i / LD, i % LD);
    for (int turned = 0; turned < 2; turned++) {
        memset(panels, 0xff, sizeof panels);
        if (turned)
            nl_cpu_turn_panels(kernel, from, LD, columns, depth, 1, panels);
        else
            nl_cpu_lay_panels(kernel, from, LD, depth, columns, panels);
        for (int64_t d = 0; d < nl_cpu_kernel_whole(kernel, depth); d++)
            for (int64_t c = 0; c < nl_cpu_panel_elements(kernel, depth, columns) / deep; c++) {
                const float *step = panels + c / 32 * 32 * deep + d / 32 * NL_CPU_THIRDS_STEP / 4;
                const bool there = d < depth && c < columns;
                const float want = turned ? precise(c, d) : precise(d, c);
                ck_assert_double_eq(third_sum((const void *)step, d % 32, c % 32),
                                    there ? (double)want : 0);
            }
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("panels");
    TCase *tc = tcase_create("every kernel");
    tcase_add_loop_test(tc, panels_of_f32_hold_the_matrix_and_zeros, 0, (int)NL_COUNT(sizes));
    tcase_add_loop_test(tc, panels_of_bf16_hold_pairs_and_zeros, 0, (int)NL_COUNT(sizes));
    tcase_add_loop_test(tc, panels_of_thirds_hold_all_of_a_number, 0, (int)NL_COUNT(sizes));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
