/* Every kernel that the processor runs, chosen by the backend or not, against loops in double. Numbers
 * are small integers, so that sums are exact in BF16's products, too. */
#include "backends/cpu/kernel.h"
#include "src/tensor/half.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 67, DEPTH = 72, PANEL = 32, LD = 80 };

struct numbers {
    _Alignas(64) float a[ROWS * LD], panel[DEPTH * PANEL], sums[ROWS * PANEL], bias[PANEL];
    _Alignas(64) float residual[ROWS * PANEL], y[ROWS * PANEL];
    _Alignas(64) uint16_t half_a[DEPTH * LD], half_panel[DEPTH * PANEL];
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

/* a[r, d] and panel[d, c] where the kernel looks for them. */
static void lay(const struct nl_cpu_kernel *kernel, bool turned, struct numbers *n)
{
    float *const a = n->a;
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t d = 0; d < DEPTH; d++) {
            const float value = number((int)(r * DEPTH + d));
            if (kernel->type == NL_F32)
                a[at_of(kernel, turned, r, d)] = value;
            else
                n->half_a[at_of(kernel, turned, r, d)] = nl_float_to_bf16(value);
        }
    for (int64_t d = 0; d < DEPTH; d++)
        for (int64_t c = 0; c < kernel->panel; c++) {
            const float value = number((int)(d * PANEL + c) * 3);
            if (kernel->type == NL_F32)
                n->panel[nl_cpu_kernel_at(kernel, d, c)] = value;
            else
                n->half_panel[nl_cpu_kernel_at(kernel, d, c)] = nl_float_to_bf16(value);
        }
    for (int i = 0; i < ROWS * PANEL; i++) {
        n->sums[i] = number(i * 5);
        n->residual[i] = number(i * 11);
        n->y[i] = -1000;
    }
    for (int i = 0; i < PANEL; i++) n->bias[i] = number(i * 13);
}

static double expected(const struct nl_cpu_block *b, const struct numbers *n, int64_t r, int64_t c)
{
    double sum = (double)(n->sums[r * PANEL + c] + n->bias[c] + n->residual[r * PANEL + c]);
    for (int64_t d = 0; d < b->depth; d++)
        sum += (double)number((int)(r * DEPTH + d)) * (double)number((int)(d * PANEL + c) * 3);
    return fmax(sum, 0);
}

static void try(const struct nl_cpu_kernel *kernel, int64_t rows, int64_t columns, int64_t depth,
                bool turned)
{
    struct numbers n;
    const bool half = kernel->type == NL_BF16;
    const struct nl_cpu_block b = {.rows = rows,
                                   .columns = columns,
                                   .depth = depth,
                                   .a = half ? (const void *)n.half_a : n.a,
                                   .panel = half ? (const void *)n.half_panel : n.panel,
                                   .sums = n.sums,
                                   .bias = n.bias,
                                   .residual = n.residual,
                                   .y = n.y,
                                   .lda = turned ? ROWS : LD,
                                   .ld_sums = PANEL,
                                   .ld_residual = PANEL,
                                   .ldy = PANEL,
                                   .turned = turned,
                                   .relu = true};
    lay(kernel, turned, &n);
    kernel->run(&b);
    for (int64_t r = 0; r < ROWS; r++)
        for (int64_t c = 0; c < PANEL; c++)
            ck_assert_msg((double)n.y[r * PANEL + c] ==
                              (r < rows && c < columns ? expected(&b, &n, r, c) : -1000),
                          "%s: %d rows, %d columns, %d deep: [%d,%d]", kernel->name, (int)rows,
                          (int)columns, (int)depth, (int)r, (int)c);
}

START_TEST(each_kernel_multiplies_any_number_of_rows)
{
    static const char *const names[] = {"amx", "avx512bf16", "avx512", "avx2"};
    const struct nl_cpu_kernel *const kernels[] = {nl_cpu_kernel_amx(), nl_cpu_kernel_avx512bf16(),
                                                   nl_cpu_kernel_avx512(), nl_cpu_kernel_avx2()};
    const struct nl_cpu_kernel *kernel = kernels[_i];
    static const int64_t depths[] = {2, 34, DEPTH};
    if (!kernel) {
        printf("skip: this processor has no %s\n", names[_i]);
        return;
    }
    for (int64_t rows = 1; rows <= ROWS; rows++)
        for (int64_t columns = kernel->panel; columns > 0; columns -= 5)
            for (size_t i = 0; i < NL_COUNT(depths); i++)
                for (int turned = 0; turned < 2; turned++)
                    try(kernel, rows, columns, depths[i], turned);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("kernel");
    TCase *t = tcase_create("kernel");
    tcase_set_timeout(t, 60);
    tcase_add_loop_test(t, each_kernel_multiplies_any_number_of_rows, 0, 4);
    suite_add_tcase(suite, t);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
