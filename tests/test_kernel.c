/* Every kernel that the processor runs, chosen by the backend or not, against loops in double.
 * Numbers are small integers, so that sums are exact in BF16's products, too. */
#include "backends/cpu/kernel.h"
#include "backends/cpu/panels.h"
#include "src/tensor/half.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 67, DEPTH = 72, COLUMNS = 75, LD = 80, PANELS = 96, ROOM = 96 };

struct numbers {
    _Alignas(64) float a[ROWS * LD], panels[ROOM * PANELS * 3 / 2], sums[ROWS * LD], bias[COLUMNS];
    _Alignas(64) float residual[ROWS * LD], y[ROWS * LD], filters[DEPTH * COLUMNS];
    _Alignas(64) uint16_t half_a[DEPTH * LD], half_panels[ROOM * PANELS];
};

static float number(int i)
{
    return (float)((i * 37 + i / 7) % 7 - 3);
}

static int64_t at_of(const struct nl_cpu_kernel *kernel, bool turned, int64_t r, int64_t d)
{
    const int64_t step = kernel->step;
    return turned ? (d / step * ROWS + r) * step + d % step : r * LD + d;
}

/* filters[d, c] where the kernel looks for them. */
static void lay_panels(const struct nl_cpu_kernel *kernel, int64_t depth, struct numbers *n)
{
    const int64_t panel = kernel->panel, deep = nl_cpu_kernel_depth(kernel, depth);
    for (int i = 0; i < DEPTH * COLUMNS; i++) n->filters[i] = number(i * 3);
    if (nl_cpu_panels_of_thirds(kernel)) {
        nl_cpu_lay_panels(kernel, n->filters, COLUMNS, depth, COLUMNS, n->panels);
        return;
    }
    for (int64_t d = 0; d < depth; d++)
        for (int64_t c = 0; c < COLUMNS; c++) {
            const int64_t at = c / panel * panel * deep + nl_cpu_kernel_at(kernel, d, c % panel);
            if (kernel->type == NL_F32)
                n->panels[at] = n->filters[d * COLUMNS + c];
            else
                n->half_panels[at] = nl_float_to_bf16(n->filters[d * COLUMNS + c]);
        }
}

/* a[r, d] where the kernel looks for it, and what comes after the sums. */
static void lay(const struct nl_cpu_kernel *kernel, bool turned, int64_t depth, struct numbers *n)
{
    float *const a = n->a;
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t d = 0; d < DEPTH; d++) {
            const float value = number((int)(r * DEPTH + d));
            if (kernel->type == NL_F32)
                a[at_of(kernel, turned, r, d)] = d < depth ? value : NAN;
            else
                n->half_a[at_of(kernel, turned, r, d)] = nl_float_to_bf16(value);
        }
    for (int i = 0; i < ROWS * LD; i++) {
        n->sums[i] = number(i * 5);
        n->residual[i] = number(i * 11);
        n->y[i] = -1000;
    }
    for (int i = 0; i < COLUMNS; i++) n->bias[i] = number(i * 13);
}

static double expected(const struct nl_cpu_block *b, const struct numbers *n, int64_t r, int64_t c)
{
    double sum = b->sums == n->y ? -1000 : (double)n->sums[r * LD + c];
    if (b->bias) sum += (double)(n->bias[c] + n->residual[r * LD + c]);
    for (int64_t d = 0; d < b->depth; d++)
        sum += (double)number((int)(r * DEPTH + d)) * (double)n->filters[d * COLUMNS + c];
    return b->relu ? fmax(sum, 0) : sum;
}

static void try(const struct nl_cpu_kernel *kernel, int64_t rows, int64_t columns, int64_t depth,
                bool turned, bool plain)
{
    static struct numbers n;
    const bool half = kernel->type == NL_BF16;
    const struct nl_cpu_block b = {.rows = rows,
                                   .columns = columns,
                                   .depth = depth,
                                   .a = half ? (const void *)n.half_a : n.a,
                                   .panel = half ? (const void *)n.half_panels : n.panels,
                                   .ld_panel = kernel->panel * nl_cpu_kernel_depth(kernel, depth),
                                   .sums = plain ? n.y : n.sums,
                                   .bias = plain ? NULL : n.bias,
                                   .residual = plain ? NULL : n.residual,
                                   .y = n.y,
                                   .lda = turned ? ROWS : LD,
                                   .ld_sums = LD,
                                   .ld_residual = LD,
                                   .ldy = LD,
                                   .turned = turned,
                                   .relu = !plain || rows % 2};
    lay(kernel, turned, depth, &n);
    lay_panels(kernel, depth, &n);
    kernel->run(&b);
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t c = 0; c < LD; c++)
            if ((double)n.y[r * LD + c] !=
                (r < rows && c < columns ? expected(&b, &n, r, c) : -1000))
                ck_abort_msg("%s: %d rows, %d columns, %d deep: [%d,%d]", kernel->name, (int)rows,
                             (int)columns, (int)depth, (int)r, (int)c);
}

static const char *const names[] = {"amx", "amx_x3", "avx512bf16", "avx512", "avx2"};

static const struct nl_cpu_kernel *kernel_at(int i)
{
    const struct nl_cpu_kernel *const kernels[] = {nl_cpu_kernel_amx(), nl_cpu_kernel_amx_x3(),
                                                   nl_cpu_kernel_avx512bf16(),
                                                   nl_cpu_kernel_avx512(), nl_cpu_kernel_avx2()};
    return kernels[i];
}

START_TEST(each_kernel_multiplies_any_number_of_rows_and_panels)
{
    const struct nl_cpu_kernel *kernel = kernel_at(_i);
    static const int64_t depths[] = {2, 34, DEPTH};
    if (!kernel) {
        printf("skip: this processor has no %s\n", names[_i]);
        return;
    }
    for (int64_t rows = 1; rows <= ROWS; rows++)
        for (int64_t columns = COLUMNS; columns > 0; columns -= rows % 3 ? 23 : 7)
            for (size_t i = 0; i < NL_COUNT(depths); i++)
                for (int way = 0; way < 4; way++)
                    try(kernel, rows, columns, depths[i], way % 2, way / 2);
}
END_TEST

/* Sums of DEEP products in runs, against double; moments, too. */
enum { DEEP = 330, RUNS = 4, WIDE = 600, TALL = 40 };

static struct {
    float a[(TALL + RUNS) * DEEP], filters[RUNS * DEEP * WIDE], y[TALL * WIDE];
    _Alignas(64) float panels[RUNS * (DEEP + 32) * (WIDE + 32) * 3 / 2];
    double mean[WIDE], spread[WIDE];
} deep;

static void fill_deep(const struct nl_cpu_kernel *kernel)
{
    const int64_t panel = kernel->panel, one = nl_cpu_kernel_depth(kernel, DEEP) * panel;
    for (size_t i = 0; i < NL_COUNT(deep.a); i++) deep.a[i] = sinf((float)(i * 7 % 9973));
    for (size_t i = 0; i < NL_COUNT(deep.filters); i++)
        deep.filters[i] = sinf((float)(i * 11 % 9967) + 0.3f);
    for (int64_t c = 0; c < WIDE; c += panel)
        for (int64_t run = 0; run < RUNS; run++)
            nl_cpu_lay_panels(kernel, deep.filters + run * DEEP * WIDE + c, WIDE, DEEP,
                              c + panel < WIDE ? panel : WIDE - c,
                              deep.panels + c / panel * RUNS * one + run * one);
}

static double deep_sum(int64_t r, int64_t c)
{
    double sum = 0;
    for (int64_t run = 0; run < RUNS; run++)
        for (int64_t d = 0; d < DEEP; d++)
            sum += (double)deep.a[(r + run) * DEEP + d] *
                   (double)deep.filters[(run * DEEP + d) * WIDE + c];
    return sum;
}

static void check_moments(int64_t c)
{
    double mean = 0, spread = 0;
    for (int64_t r = 0; r < TALL; r++) mean += (double)deep.y[r * WIDE + c] / TALL;
    for (int64_t r = 0; r < TALL; r++) spread += pow((double)deep.y[r * WIDE + c] - mean, 2);
    ck_assert_double_eq_tol(deep.mean[c], mean, 1e-4);
    ck_assert_double_eq_tol(deep.spread[c] / spread, 1, 1e-5);
}

START_TEST(sums_are_as_exact_as_f32_allows)
{
    const struct nl_cpu_kernel *kernel = kernel_at(_i);
    const int64_t runs[RUNS] = {0, DEEP, INT64_C(2) * DEEP, INT64_C(3) * DEEP};
    double off = 0, all = 0;
    if (!kernel || kernel->type != NL_F32) {
        printf("skip: %s: %s\n", names[_i], kernel ? "for BF16" : "this processor has none");
        return;
    }
    fill_deep(kernel);
    kernel->run(&(struct nl_cpu_block){.rows = TALL,
                                       .columns = WIDE,
                                       .depth = DEEP,
                                       .a = deep.a,
                                       .lda = DEEP,
                                       .runs = runs,
                                       .n_runs = RUNS,
                                       .panel = deep.panels,
                                       .ld_panel = INT64_C(1) * RUNS * kernel->panel *
                                                   nl_cpu_kernel_depth(kernel, DEEP),
                                       .y = deep.y,
                                       .ldy = WIDE,
                                       .mean = deep.mean,
                                       .spread = deep.spread});
    for (int64_t r = 0; r < TALL; r++)
        for (int64_t c = 0; c < WIDE; c++) {
            const double sum = deep_sum(r, c);
            off += pow((double)deep.y[r * WIDE + c] - sum, 2);
            all += sum * sum;
        }
    ck_assert_double_le(sqrt(off / all), 9e-7); /* a product of thirds left out: 1.5e-6 */
    for (int64_t c = 0; c < WIDE; c++) check_moments(c);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel");
    TCase *t = tcase_create("kernel");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_kernel_multiplies_any_number_of_rows_and_panels, 0,
                        (int)NL_COUNT(names));
    tcase_add_loop_test(t, sums_are_as_exact_as_f32_allows, 0, (int)NL_COUNT(names));
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
