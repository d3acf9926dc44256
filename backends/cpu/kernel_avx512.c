#include "backends/cpu/kernel.h"

#define AVX512 __attribute__((target("avx512f,fma,prfchw")))
#include "backends/cpu/kernel_512_row.h"

/* One step of depth for row `i`. Rows are reached from every third one, since an address is a base
 * plus 0, 1 or 2 leading dimensions. */
INLINE void add_row(struct sums *sum, const float *const *base, int64_t lda, int i, int rows,
                    struct sums filters)
{
    if (i >= rows) return;
    const __m512 a = _mm512_set1_ps(base[i / 3][i % 3 * lda]);
    sum[i].left = _mm512_fmadd_ps(a, filters.left, sum[i].left);
    sum[i].right = _mm512_fmadd_ps(a, filters.right, sum[i].right);
}

/* Adds products over all depth; `a` goes on by lda a row and by `step` a depth. `rows` is a constant
 * wherever this is inlined, and so is lda or step. */
INLINE void multiply(const struct nl_cpu_block *b, const float *a, int64_t lda, int64_t step,
                     int rows, struct sums *sum)
{
    const int64_t one[] = {0}, *const runs = b->runs ? b->runs : one;
    const int64_t n_runs = b->runs ? b->n_runs : 1;
    const float *panel = b->panel;
    for (int64_t run = 0; run < n_runs; run++) {
        const float *const from = a + runs[run];
        const float *base[] = {from, from + (rows > 3 ? 3 * lda : 0),
                               from + (rows > 6 ? 6 * lda : 0), from + (rows > 9 ? 9 * lda : 0),
                               from + (rows > 12 ? 12 * lda : 0)};
        for (int64_t d = b->depth; d > 0; d--, panel += panel_width) {
            const struct sums filters = {_mm512_load_ps(panel), _mm512_load_ps(panel + lanes)};
            add_row(sum, base, lda, 0, rows, filters);
            add_row(sum, base, lda, 1, rows, filters);
            add_row(sum, base, lda, 2, rows, filters);
            add_row(sum, base, lda, 3, rows, filters);
            add_row(sum, base, lda, 4, rows, filters);
            add_row(sum, base, lda, 5, rows, filters);
            add_row(sum, base, lda, 6, rows, filters);
            add_row(sum, base, lda, 7, rows, filters);
            add_row(sum, base, lda, 8, rows, filters);
            add_row(sum, base, lda, 9, rows, filters);
            add_row(sum, base, lda, 10, rows, filters);
            add_row(sum, base, lda, 11, rows, filters);
            add_row(sum, base, lda, 12, rows, filters);
            add_row(sum, base, lda, 13, rows, filters);
            base[0] += step;
            base[1] += step;
            base[2] += step;
            base[3] += step;
            base[4] += step;
        }
    }
}

INLINE void add_products(const struct nl_cpu_block *b, int64_t row, int rows, struct sums *sum)
{
    if (b->turned)
        multiply(b, (const float *)b->a + row, 1, b->lda, rows, sum);
    else
        multiply(b, (const float *)b->a + row * b->lda, b->lda, 1, rows, sum);
}

/* Rows of y and of the residual are far apart, so that no hardware foresees them: they are asked
 * for before the products that they wait for. */
INLINE void foresee(const struct nl_cpu_block *b, int64_t row, int rows)
{
    for (int i = 0; i < rows; i++) {
        const float *y = (const float *)b->y + (row + i) * b->ldy;
        if (!b->stream) __builtin_prefetch(y, 1);
        if (!b->stream) __builtin_prefetch(y + lanes, 1);
        if (!b->residual) continue;
        const float *residual = (const float *)b->residual + (row + i) * b->ld_residual;
        __builtin_prefetch(residual);
        __builtin_prefetch(residual + lanes);
    }
}

INLINE void finish_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                       const struct sums *sum, const struct after *after, struct tally *tally)
{
    if (i >= rows) return;
    struct sums s = {_mm512_add_ps(sum[i].left, after->bias.left),
                     _mm512_add_ps(sum[i].right, after->bias.right)};
    if (b->residual) {
        const float *from = (const float *)b->residual + (row + i) * b->ld_residual;
        s.left = _mm512_add_ps(s.left, _mm512_maskz_loadu_ps(on.left, from));
        s.right = _mm512_add_ps(s.right, _mm512_maskz_loadu_ps(on.right, from + lanes));
    }
    /* the largest of two is the second where that is NaN */
    s.left = _mm512_max_ps(after->floor, s.left);
    s.right = _mm512_max_ps(after->floor, s.right);
    if (tally) count_row(s, row + i == 0, tally);
    float *const y = (float *)b->y + (row + i) * b->ldy;
    if (b->stream) {
        _mm512_stream_ps(y, s.left);
        _mm512_stream_ps(y + lanes, s.right);
        return;
    }
    _mm512_mask_storeu_ps(y, on.left, s.left);
    _mm512_mask_storeu_ps(y + lanes, on.right, s.right);
}

#include "backends/cpu/kernel_512_rows.h"
#include "backends/cpu/kernel_512_run.h"

static AVX512 void run(const struct nl_cpu_block *b)
{
    run_panels(b, sizeof(float));
}

const struct nl_cpu_kernel *nl_cpu_kernel_avx512(void)
{
    static const struct nl_cpu_kernel kernel = {.name = "avx512",
                                                .type = NL_F32,
                                                .step = 1,
                                                .fill = 1,
                                                .takes = 1,
                                                .deep = 1,
                                                .rows = ROWS,
                                                .panel = 32,
                                                .run = run};
    return __builtin_cpu_supports("avx512f") ? &kernel : NULL;
}
