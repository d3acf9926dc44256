#include "backends/cpu/kernel.h"

#include <immintrin.h>
#include <stddef.h>
#include <string.h>

/* The kernel for BF16: kernel_avx512.c with two numbers where that has one. A row gives pairs of
 * its depth, a panel has pairs of each filter's, and each product adds both of a pair.
 * 14 rows x 2 vectors of sums, 2 vectors of filters and one input leave one register of 32. */
enum { ROWS = 14, PANEL = 32 };
static const int64_t lanes = 16, panel_width = PANEL;

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16,fma,prfchw")))
#define INLINE static inline __attribute__((always_inline)) AVX512

/* Which lanes of the panel's vectors are filters. */
struct lanes {
    __mmask16 left, right;
};

INLINE struct lanes lanes_of(int64_t columns)
{
    const uint32_t all = columns >= panel_width ? 0xffffffffu : (1u << columns) - 1u;
    return (struct lanes){(__mmask16)(all & 0xffffu), (__mmask16)(all >> 16)};
}

/* Sums of one row, in registers: arrays of these are only ever indexed by constants, and loops over
 * rows are written out, since compilers differ in what they unroll. */
struct sums {
    __m512 left, right;
};

/* Pairs of 16 filters. */
struct pairs {
    __m512bh left, right;
};

/* One step of depth for row `i`. Rows are reached from every third one, since an address is a base
 * plus 0, 1 or 2 leading dimensions. */
INLINE void add_row(struct sums *sum, const uint16_t *const *base, int64_t lda, int i, int rows,
                    struct pairs filters)
{
    int32_t pair;
    if (i >= rows) return;
    memcpy(&pair, base[i / 3] + i % 3 * lda, sizeof pair);
    const __m512bh a = (__m512bh)_mm512_set1_epi32(pair);
    sum[i].left = _mm512_dpbf16_ps(sum[i].left, a, filters.left);
    sum[i].right = _mm512_dpbf16_ps(sum[i].right, a, filters.right);
}

/* Adds products over all depth; `a` goes on by lda a row and by `step` a pair. `rows` is a constant
 * wherever this is inlined, and so is lda or step. */
INLINE void multiply(const struct nl_cpu_block *b, const uint16_t *a, int64_t lda, int64_t step,
                     int rows, struct sums *sum)
{
    const int64_t one[] = {0}, *const runs = b->runs ? b->runs : one;
    const int64_t n_runs = b->runs ? b->n_runs : 1;
    const uint16_t *panel = b->panel;
    for (int64_t run = 0; run < n_runs; run++) {
        const uint16_t *const from = a + runs[run];
        const uint16_t *base[] = {from, from + (rows > 3 ? 3 * lda : 0),
                                  from + (rows > 6 ? 6 * lda : 0), from + (rows > 9 ? 9 * lda : 0),
                                  from + (rows > 12 ? 12 * lda : 0)};
        for (int64_t d = b->depth; d > 0; d -= 2, panel += 2 * panel_width) {
            const struct pairs filters = {(__m512bh)_mm512_load_si512(panel),
                                          (__m512bh)_mm512_load_si512(panel + 2 * lanes)};
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

INLINE void start_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                      struct sums *sum)
{
    if (i >= rows) return;
    sum[i].left = sum[i].right = _mm512_setzero_ps();
    if (!b->sums) return;
    const float *from = b->sums + (row + i) * b->ld_sums;
    sum[i].left = _mm512_maskz_loadu_ps(on.left, from);
    sum[i].right = _mm512_maskz_loadu_ps(on.right, from + lanes);
}

/* Element `at` of memory whose numbers have 2 or 4 bytes. */
INLINE const char *element(const void *memory, int64_t at, bool half)
{
    return (const char *)memory + (half ? at * 2 : at * 4);
}

/* Rows of y and of the residual are far apart, so that no hardware foresees them: they are asked
 * for before the products that they wait for. */
INLINE void foresee(const struct nl_cpu_block *b, int64_t row, int rows)
{
    const int64_t second = lanes * (b->half ? 2 : 4);
    for (int i = 0; i < rows; i++) {
        const char *y = element(b->y, (row + i) * b->ldy, b->half);
        if (!b->stream) __builtin_prefetch(y, 1);
        if (!b->stream) __builtin_prefetch(y + second, 1);
        if (!b->residual) continue;
        const char *residual = element(b->residual, (row + i) * b->ld_residual, b->half);
        __builtin_prefetch(residual);
        __builtin_prefetch(residual + second);
    }
}

INLINE __m512 widened(__m256i half)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

/* The row of the residual that goes to row `row` of y. */
INLINE struct sums residual_of(const struct nl_cpu_block *b, struct lanes on, int64_t row)
{
    if (b->half) {
        const uint16_t *from = (const uint16_t *)b->residual + row * b->ld_residual;
        return (struct sums){widened(_mm256_maskz_loadu_epi16(on.left, from)),
                             widened(_mm256_maskz_loadu_epi16(on.right, from + lanes))};
    }
    const float *from = (const float *)b->residual + row * b->ld_residual;
    return (struct sums){_mm512_maskz_loadu_ps(on.left, from),
                         _mm512_maskz_loadu_ps(on.right, from + lanes)};
}

INLINE void store(const struct nl_cpu_block *b, struct lanes on, int64_t row, struct sums s)
{
    if (b->half) {
        uint16_t *const y = (uint16_t *)b->y + row * b->ldy;
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(s.right, s.left);
        if (b->stream)
            _mm512_stream_si512((__m512i *)(void *)y, both);
        else
            _mm512_mask_storeu_epi16(y, _mm512_kunpackw(on.right, on.left), both);
        return;
    }
    float *const y = (float *)b->y + row * b->ldy;
    _mm512_mask_storeu_ps(y, on.left, s.left);
    _mm512_mask_storeu_ps(y + lanes, on.right, s.right);
}

/* What comes after the sums, the same for every row. */
struct after {
    struct sums bias;
    __m512 floor;
};

/* Sums over some rows of y's distances from its first row, and of their squares. */
struct tally {
    struct sums first, sum, square;
};

/* As y has it. */
INLINE struct sums rounded(const struct nl_cpu_block *b, struct sums s)
{
    if (!b->half) return s;
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(s.right, s.left);
    return (struct sums){widened(_mm512_castsi512_si256(both)),
                         widened(_mm512_extracti64x4_epi64(both, 1))};
}

INLINE void count_row(const struct nl_cpu_block *b, struct sums s, bool begins, struct tally *tally)
{
    const struct sums v = rounded(b, s);
    if (begins) tally->first = v;
    const struct sums off = {_mm512_sub_ps(v.left, tally->first.left),
                             _mm512_sub_ps(v.right, tally->first.right)};
    tally->sum.left = _mm512_add_ps(tally->sum.left, off.left);
    tally->sum.right = _mm512_add_ps(tally->sum.right, off.right);
    tally->square.left = _mm512_fmadd_ps(off.left, off.left, tally->square.left);
    tally->square.right = _mm512_fmadd_ps(off.right, off.right, tally->square.right);
}

INLINE void finish_row(const struct nl_cpu_block *b, struct lanes on, int64_t row, int i, int rows,
                       const struct sums *sum, const struct after *after, struct tally *tally)
{
    if (i >= rows) return;
    struct sums s = {_mm512_add_ps(sum[i].left, after->bias.left),
                     _mm512_add_ps(sum[i].right, after->bias.right)};
    if (b->residual) {
        const struct sums residual = residual_of(b, on, row + i);
        s.left = _mm512_add_ps(s.left, residual.left);
        s.right = _mm512_add_ps(s.right, residual.right);
    }
    /* the largest of two is the second where that is NaN */
    s.left = _mm512_max_ps(after->floor, s.left);
    s.right = _mm512_max_ps(after->floor, s.right);
    if (tally) count_row(b, s, row + i == 0, tally);
    store(b, on, row + i, s);
}

INLINE struct after after_of(const struct nl_cpu_block *b, struct lanes on)
{
    struct after after = {.floor = _mm512_set1_ps(b->relu ? 0.0f : -__builtin_inff())};
    after.bias.left = after.bias.right = _mm512_setzero_ps();
    if (!b->bias) return after;
    const float *from = b->bias;
    after.bias.left = _mm512_maskz_loadu_ps(on.left, from);
    after.bias.right = _mm512_maskz_loadu_ps(on.right, from + lanes);
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
    start_row(b, on, row, 6, rows, sum);
    start_row(b, on, row, 7, rows, sum);
    start_row(b, on, row, 8, rows, sum);
    start_row(b, on, row, 9, rows, sum);
    start_row(b, on, row, 10, rows, sum);
    start_row(b, on, row, 11, rows, sum);
    start_row(b, on, row, 12, rows, sum);
    start_row(b, on, row, 13, rows, sum);
    foresee(b, row, rows);
    if (b->turned)
        multiply(b, (const uint16_t *)b->a + 2 * row, 2, 2 * b->lda, rows, sum);
    else
        multiply(b, (const uint16_t *)b->a + row * b->lda, b->lda, 2, rows, sum);
    const struct after after = after_of(b, on);
    finish_row(b, on, row, 0, rows, sum, &after, tally);
    finish_row(b, on, row, 1, rows, sum, &after, tally);
    finish_row(b, on, row, 2, rows, sum, &after, tally);
    finish_row(b, on, row, 3, rows, sum, &after, tally);
    finish_row(b, on, row, 4, rows, sum, &after, tally);
    finish_row(b, on, row, 5, rows, sum, &after, tally);
    finish_row(b, on, row, 6, rows, sum, &after, tally);
    finish_row(b, on, row, 7, rows, sum, &after, tally);
    finish_row(b, on, row, 8, rows, sum, &after, tally);
    finish_row(b, on, row, 9, rows, sum, &after, tally);
    finish_row(b, on, row, 10, rows, sum, &after, tally);
    finish_row(b, on, row, 11, rows, sum, &after, tally);
    finish_row(b, on, row, 12, rows, sum, &after, tally);
    finish_row(b, on, row, 13, rows, sum, &after, tally);
}

/* The same for each number of rows, a constant in there. */
#define ROWS_FROM(n)                                                                               \
    static AVX512 void rows_##n(const struct nl_cpu_block *b, struct lanes on, int64_t row,        \
                                struct tally *tally)                                               \
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
ROWS_FROM(7)
ROWS_FROM(8)
ROWS_FROM(9)
ROWS_FROM(10)
ROWS_FROM(11)
ROWS_FROM(12)
ROWS_FROM(13)
ROWS_FROM(14)

typedef void rows_fn(const struct nl_cpu_block *b, struct lanes on, int64_t row,
                     struct tally *tally);
static rows_fn *const by_rows[] = {NULL,    rows_1,  rows_2,  rows_3,  rows_4,
                                   rows_5,  rows_6,  rows_7,  rows_8,  rows_9,
                                   rows_10, rows_11, rows_12, rows_13, rows_14};

/* As many rows as registers hold. Sums of fewer than FEW would wait for one another: they share with
 * those before. */
static int64_t rows_of(int64_t left)
{
    enum { FEW = 4 };
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
    _mm512_store_ps(sum, m->tally.sum.left);
    _mm512_store_ps(sum + lanes, m->tally.sum.right);
    _mm512_store_ps(square, m->tally.square.left);
    _mm512_store_ps(square + lanes, m->tally.square.right);
    for (int c = 0; c < PANEL; c++) m->sum[c] += (double)sum[c];
    for (int c = 0; c < PANEL; c++) m->square[c] += (double)square[c];
}

INLINE void all_rows(const struct nl_cpu_block *b, struct moments *m)
{
    const struct lanes on = lanes_of(b->columns);
    const struct sums none = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    for (int64_t row = 0, rows; row < b->rows; row += rows) {
        rows = rows_of(b->rows - row);
        if (m) m->tally.sum = m->tally.square = none;
        by_rows[rows](b, on, row, m ? &m->tally : NULL);
        if (m) add_tally(m);
    }
}

static AVX512 void run_with_moments(const struct nl_cpu_block *b)
{
    struct moments m = {.sum = {0}};
    _Alignas(NL_ALIGN) float first[PANEL];
    const double rows = (double)b->rows;
    all_rows(b, &m);
    _mm512_store_ps(first, m.tally.first.left);
    _mm512_store_ps(first + lanes, m.tally.first.right);
    for (int64_t c = 0; c < b->columns; c++) {
        const double off = m.sum[c] / rows;
        b->mean[c] = (double)first[c] + off;
        b->spread[c] = m.square[c] - off * m.sum[c];
    }
}

static AVX512 void run(const struct nl_cpu_block *b)
{
    if (b->mean)
        run_with_moments(b);
    else
        all_rows(b, NULL);
}

const struct nl_cpu_kernel *nl_cpu_kernel_avx512bf16(void)
{
    static const struct nl_cpu_kernel kernel = {
        .name = "avx512bf16", .type = NL_BF16, .step = 2, .rows = ROWS, .panel = 32, .run = run};
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512vl")
               ? &kernel
               : NULL;
}
