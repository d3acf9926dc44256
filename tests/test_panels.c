/* Panels hold what their kernel multiplies with, where it looks for it, and zeros beside. */
#include "backends/cpu/panels.h"
#include "src/tensor/half.h"

#include <check.h>
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

int main(void)
{
    Suite *suite = suite_create("panels");
    TCase *tc = tcase_create("every kernel");
    tcase_add_loop_test(tc, panels_of_f32_hold_the_matrix_and_zeros, 0, (int)NL_COUNT(sizes));
    tcase_add_loop_test(tc, panels_of_bf16_hold_pairs_and_zeros, 0, (int)NL_COUNT(sizes));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
