#include "backends/cpu/thirds.h"

#include "backends/cpu/vector.h"
#include "src/core/memory.h"

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f,avx512bw")))
#define INLINE static inline __attribute__((always_inline)) AVX512

/* WORDS: of a tile; THIRD: words from one third's tile to the next, STEP from step to step. */
enum {
    SIDE = 16,
    WORDS = SIDE * SIDE,
    THIRDS = 3,
    THIRD = 2 * WORDS,
    STEP = THIRDS * THIRD,
    DEEP = NL_CPU_THIRDS_DEEP
};

/* Words before row `row` of a step. */
static int64_t line_of(int64_t row)
{
    return row / SIDE * WORDS + row % SIDE * SIDE;
}

INLINE __mmask16 first(int64_t n)
{
    return n >= SIDE ? (__mmask16)0xffff : n > 0 ? (__mmask16)((1u << n) - 1u) : (__mmask16)0;
}

/* Rounded to BF16, halves away from 0: the upper halves of words. */
INLINE __m512i third_of(__m512 x)
{
    const __m512i half = _mm512_set1_epi32(0x8000), upper = _mm512_set1_epi32(-0x10000);
    return _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(x), half), upper);
}

INLINE __m512 less(__m512 x, __m512i third)
{
    return _mm512_sub_ps(x, _mm512_castsi512_ps(third));
}

/* The upper halves of 32 words. */
INLINE __m512i upper_halves(__m512i low, __m512i high)
{
    const __m512i odd =
        _mm512_set_epi16(63, 61, 59, 57, 55, 53, 51, 49, 47, 45, 43, 41, 39, 37, 35, 33, 31, 29, 27,
                         25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    return _mm512_permutex2var_epi16(low, odd, high);
}

/* The upper halves of 16 words, each beside the other's. */
INLINE __m512i pairs_of(__m512i even, __m512i odd)
{
    return _mm512_mask_blend_epi16(0xaaaaaaaau, _mm512_srli_epi32(even, SIDE), odd);
}

/* 16 words of each third: of 32 numbers side by side, or of 16 pairs. The last third needs no
 * rounding. `pairs` is a constant wherever this is inlined. */
INLINE void split(__m512 a, __m512 b, bool pairs, uint32_t *to)
{
    for (int third = 1; third < THIRDS; third++, to += THIRD) {
        const __m512i left = third_of(a), right = third_of(b);
        _mm512_store_si512(to, pairs ? pairs_of(left, right) : upper_halves(left, right));
        a = less(a, left);
        b = less(b, right);
    }
    const __m512i left = _mm512_castps_si512(a), right = _mm512_castps_si512(b);
    _mm512_store_si512(to, pairs ? pairs_of(left, right) : upper_halves(left, right));
}

/* One row, a line in each tile; row by row, since memory is read faster along rows. */
static AVX512 void split_along(const float *from, int64_t depth, float scale, uint32_t *to)
{
    const __m512 times = _mm512_set1_ps(scale);
    for (int64_t d = 0; d < depth; d += DEEP, from += DEEP, to += STEP) {
        const __mmask16 left = first(depth - d), right = first(depth - d - SIDE);
        split(_mm512_mul_ps(_mm512_maskz_loadu_ps(left, from), times),
              _mm512_mul_ps(_mm512_maskz_loadu_ps(right, from + SIDE), times), false, to);
    }
}

/* Up to 16 rows of a step, a line for each pair of the depth. */
static AVX512 void split_depths(const float *from, int64_t ld, int64_t rows, int64_t depth,
                                uint32_t *to)
{
    const __mmask16 on = first(rows);
    for (int64_t d = 0; d < DEEP; d += 2, to += SIDE) {
        const __m512 even = _mm512_maskz_loadu_ps(d < depth ? on : 0, from + d * ld);
        const __m512 odd = _mm512_maskz_loadu_ps(d + 1 < depth ? on : 0, from + (d + 1) * ld);
        split(even, odd, true, to);
    }
}

/* Three tiles, THIRD words apart, turned. */
static void turn(const uint32_t *from, uint32_t *to)
{
    for (int64_t third = 0; third < THIRDS; third++)
        nl_cpu_vector()->turn(to + third * THIRD, SIDE, from + third * THIRD,
                              SIDE * (int64_t)sizeof *from);
}

/* A step of up to 32 rows; those that are not there are 0. */
static void turn_rows(const float *from, int64_t ld, int64_t rows, int64_t depth, float scale,
                      uint32_t *to)
{
    _Alignas(NL_ALIGN) uint32_t room[STEP];
    if (rows < INT64_C(2) * SIDE) memset(room, 0, sizeof room);
    for (int64_t r = 0; r < rows; r++) split_along(from + r * ld, depth, scale, room + line_of(r));
    turn(room, to);
    turn(room + WORDS, to + WORDS);
}

void nl_cpu_thirds_of_rows(const float *from, int64_t ld, int64_t rows, int64_t depth, float scale,
                           bool turned, void *to)
{
    uint32_t *steps = to;
    if (!turned)
        for (int64_t r = 0; r < rows; r++)
            split_along(from + r * ld, depth, scale, steps + line_of(r));
    else
        for (int64_t d = 0; d < depth; d += DEEP, steps += STEP)
            turn_rows(from + d, ld, rows, depth - d < DEEP ? depth - d : DEEP, scale, steps);
}

/* A step of the upper or the lower rows. */
static void split_half(const float *from, int64_t ld, int64_t rows, int64_t depth, bool turned,
                       uint32_t *to)
{
    _Alignas(NL_ALIGN) uint32_t room[STEP];
    split_depths(from, ld, rows, depth, turned ? to : room);
    if (!turned) turn(room, to);
}

void nl_cpu_thirds_of_depths(const float *from, int64_t ld, int64_t rows, int64_t depth,
                             bool turned, void *to)
{
    uint32_t *steps = to;
    for (int64_t d = 0; d < depth; d += DEEP, steps += STEP) {
        split_half(from + d * ld, ld, rows, depth - d, turned, steps);
        if (turned || rows > SIDE)
            split_half(from + d * ld + SIDE, ld, rows - SIDE, depth - d, turned, steps + WORDS);
    }
}
