#include "backends/cpu/kernel.h"
#include "backends/cpu/processor.h"

#include <immintrin.h>
#include <stddef.h>

/* 6 rows x 2 vectors of sums, 2 vectors of filters and one input leave one register of 16. */
enum { ROWS = 6, PANEL = 16 };
static const int64_t lanes = 8, panel_width = PANEL;

#define AVX2   __attribute__((target("avx2,fma")))
#define INLINE static inline __attribute__((always_inline)) AVX2

/* Which lanes of the panel's vectors are filters. */
struct lanes {
    __m256i left, right;
};

INLINE struct lanes lanes_of(int64_t columns)
{
    const __m256i end = _mm256_set1_epi32((int)columns);
    return (struct lanes){_mm256_cmpgt_epi32(end, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)),
                          _mm256_cmpgt_epi32(end, _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15))};
}

/* Sums of one row, in registers: arrays of these are only ever indexed by constants, and loops over
 * rows are written out, since compilers differ in what they unroll. */
struct sums {
    __m256 left, right;
};

/* One step of depth for row `i`. Rows are reached from every third one, since an address is a base
 * plus 0, 1 or 2 leading dimensions. */
INLINE void add_row(struct sums *sum, const float *const *base, int64_t lda, int i, int rows,
                    struct sums filters)
{
    if (i >= rows) return;
    const __m256 a = _mm256_broadcast_ss(base[i / 3] + i % 3 * lda);
    sum[i].left = _mm256_fmadd_ps(a, filters.left, sum[i].left);
    sum[i].right = _mm256_fmadd_ps(a, filters.right, sum[i].right);
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
        const float *base[] = {from, from + (rows > 3 ? 3 * lda : 0)};
        for (int64_t d = b->depth; d > 0; d--, panel += panel_width) {
            const struct sums filters = {_mm256_load_ps(panel), _mm256_load_ps(panel + lanes)};
            add_row(sum, base, lda, 0, rows, filters);
            add_row(sum, base, lda, 1, rows, filters);
            add_row(sum, base, lda, 2, rows, filters);
            add_row(sum, base, lda, 3, rows, filters);
            add_row(sum, base, lda, 4, rows, filters);
            add_row(sum, base, lda, 5, rows, filters);
            base[0] += step;
            base[1] += step;
        }
    }
}

INLINE void start_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                      struct sums *sum)
{
    if (i >= rows) return;
    sum[i].left = sum[i].right = _mm256_setzero_ps();
    if (!b->sums) return;
    const float *from = b->sums + (row + i) * b->ld_sums;
    sum[i].left = _mm256_maskload_ps(from, on.left);
    sum[i].right = _mm256_maskload_ps(from + lanes, on.right);
}

/* Rows of y and of the residual are far apart, so that no hardware foresees them: they are asked
 * for before the products that they wait for. */
INLINE void foresee(const struct nl_cpu_block *b, int64_t row, int rows)
{
    for (int i = 0; i < rows; i++) {
        const float *y = (const float *)b->y + (row + i) * b->ldy;
        if (!b->stream) __builtin_prefetch(y, 1);
        if (!b->residual) continue;
        const float *residual = (const float *)b->residual + (row + i) * b->ld_residual;
        __builtin_prefetch(residual);
    }
}

/* What comes after the sums, the same for every row. */
struct after {
    struct sums bias;
    __m256 floor;
};

/* Sums over some rows of y's distances from its first row, and of their squares. */
struct tally {
    struct sums first, sum, square;
};

INLINE void count_row(struct sums v, bool begins, struct tally *tally)
{
    if (begins) tally->first = v;
    const struct sums off = {_mm256_sub_ps(v.left, tally->first.left),
                             _mm256_sub_ps(v.right, tally->first.right)};
    tally->sum.left = _mm256_add_ps(tally->sum.left, off.left);
    tally->sum.right = _mm256_add_ps(tally->sum.right, off.right);
    tally->square.left = _mm256_fmadd_ps(off.left, off.left, tally->square.left);
    tally->square.right = _mm256_fmadd_ps(off.right, off.right, tally->square.right);
}

INLINE void finish_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                       const struct sums *sum, const struct after *after, struct tally *tally)
{
    if (i >= rows) return;
    struct sums s = {_mm256_add_ps(sum[i].left, after->bias.left),
                     _mm256_add_ps(sum[i].right, after->bias.right)};
    if (b->residual) {
        const float *from = (const float *)b->residual + (row + i) * b->ld_residual;
        s.left = _mm256_add_ps(s.left, _mm256_maskload_ps(from, on.left));
        s.right = _mm256_add_ps(s.right, _mm256_maskload_ps(from + lanes, on.right));
    }
    /* the largest of two is the second where that is NaN */
    s.left = _mm256_max_ps(after->floor, s.left);
    s.right = _mm256_max_ps(after->floor, s.right);
    if (tally) count_row(s, row + i == 0, tally);
    float *const y = (float *)b->y + (row + i) * b->ldy;
    if (b->stream) {
        _mm256_stream_ps(y, s.left);
        _mm256_stream_ps(y + lanes, s.right);
        return;
    }
    _mm256_maskstore_ps(y, on.left, s.left);
    _mm256_maskstore_ps(y + lanes, on.right, s.right);
}

INLINE struct after after_of(const struct nl_cpu_block *b, struct lanes on)
{
    struct after after = {.floor = _mm256_set1_ps(b->relu ? 0.0f : -__builtin_inff())};
    after.bias.left = after.bias.right = _mm256_setzero_ps();
    if (!b->bias) return after;
    const float *from = b->bias;
    after.bias.left = _mm256_maskload_ps(from, on.left);
    after.bias.right = _mm256_maskload_ps(from + lanes, on.right);
    return after;
}

INLINE void rows_from(const struct nl_cpu_block *b, struct lanes on, int64_t row, int rows,
                      struct tally *tally)
{
    struct sums sum[ROWS];
    start_row(b, on, row, 0, rows, sum);
    start_row(b, on, row, 1, rows, sum);
    start_row(b, on, row, 2, rows, sum);
    start_row(b, on, row, 3, rows, sum);
    start_row(b, on, row, 4, rows, sum);
    start_row(b, on, row, 5, rows, sum);
    foresee(b, row, rows);
    if (b->turned)
        multiply(b, (const float *)b->a + row, 1, b->lda, rows, sum);
    else
        multiply(b, (const float *)b->a + row * b->lda, b->lda, 1, rows, sum);
    const struct after after = after_of(b, on);
    finish_row(b, on, row, 0, rows, sum, &after, tally);
    finish_row(b, on, row, 1, rows, sum, &after, tally);
    finish_row(b, on, row, 2, rows, sum, &after, tally);
    finish_row(b, on, row, 3, rows, sum, &after, tally);
    finish_row(b, on, row, 4, rows, sum, &after, tally);
    finish_row(b, on, row, 5, rows, sum, &after, tally);
}

/* The same for each number of rows, a constant in there. */
#define ROWS_FROM(n)                                                                               \
    static AVX2 void rows_##n(const struct nl_cpu_block *b, struct lanes on, int64_t row,          \
                              struct tally *tally)                                                 \
    {                                                                                              \
        if (tally)                                                                                 \
            rows_from(b, on, row, n, tally);                                                       \
        else                                                                                       \
            rows_from(b, on, row, n, NULL);                                                        \
    }
ROWS_FROM(1)
ROWS_FROM(2)
ROWS_FROM(3)
ROWS_FROM(4)
ROWS_FROM(5)
ROWS_FROM(6)

typedef void rows_fn(const struct nl_cpu_block *b, struct lanes on, int64_t row,
                     struct tally *tally);
static rows_fn *const by_rows[] = {NULL, rows_1, rows_2, rows_3, rows_4, rows_5, rows_6};

/* As many rows as registers hold. Sums of fewer than FEW would wait for one another: they share with
 * those before. */
static int64_t rows_of(int64_t left)
{
    enum { FEW = 3 };
    if (left > ROWS && left < ROWS + FEW) return left / 2;
    return left < ROWS ? left : ROWS;
}

/* Of all rows in double: a few rows' sums are added at a time. */
struct moments {
    struct tally tally;
    double sum[PANEL], square[PANEL];
};

INLINE void add_tally(struct moments *m)
{
    _Alignas(NL_ALIGN) float sum[PANEL], square[PANEL];
    _mm256_store_ps(sum, m->tally.sum.left);
    _mm256_store_ps(sum + lanes, m->tally.sum.right);
    _mm256_store_ps(square, m->tally.square.left);
    _mm256_store_ps(square + lanes, m->tally.square.right);
    for (int c = 0; c < PANEL; c++) m->sum[c] += (double)sum[c];
    for (int c = 0; c < PANEL; c++) m->square[c] += (double)square[c];
}

INLINE void all_rows(const struct nl_cpu_block *b, struct moments *m)
{
    const struct lanes on = lanes_of(b->columns);
    const struct sums none = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    for (int64_t row = 0, rows; row < b->rows; row += rows) {
        rows = rows_of(b->rows - row);
        if (m) m->tally.sum = m->tally.square = none;
        by_rows[rows](b, on, row, m ? &m->tally : NULL);
        if (m) add_tally(m);
    }
}

static AVX2 void run_with_moments(const struct nl_cpu_block *b)
{
    struct moments m = {.sum = {0}};
    _Alignas(NL_ALIGN) float first[PANEL];
    const double rows = (double)b->rows;
    all_rows(b, &m);
    _mm256_store_ps(first, m.tally.first.left);
    _mm256_store_ps(first + lanes, m.tally.first.right);
    for (int64_t c = 0; c < b->columns; c++) {
        const double off = m.sum[c] / rows;
        b->mean[c] = (double)first[c] + off;
        b->spread[c] = m.square[c] - off * m.sum[c];
    }
}

/* A panel stays in the nearest cache while all rows go by. */
static AVX2 void run(const struct nl_cpu_block *b)
{
    for (int64_t c = 0; c < b->columns; c += PANEL) {
        const struct nl_cpu_block panel = nl_cpu_block_panel(b, c, PANEL, sizeof(float));
        if (b->mean)
            run_with_moments(&panel);
        else
            all_rows(&panel, NULL);
    }
}

const struct nl_cpu_kernel *nl_cpu_kernel_avx2(void)
{
    static const struct nl_cpu_kernel kernel = {.name = "avx2",
                                                .type = NL_F32,
                                                .step = 1,
                                                .fill = 1,
                                                .takes = 1,
                                                .deep = 1,
                                                .rows = ROWS,
                                                .panel = 16,
                                                .run = run};
    return nl_cpu_has_avx2() ? &kernel : NULL;
}
