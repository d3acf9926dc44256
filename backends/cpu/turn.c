#include "backends/cpu/turn.h"

#include "backends/cpu/cpu.h"

#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f")))
#define INLINE static inline __attribute__((always_inline)) AVX512

enum { BLOCK = 16, WORD = 4 }; /* rows and words of a block, bytes of a word */

/* Exchanges, between each two rows `apart`, what lies `apart` beside the diagonal: after 1, 2, 4
 * and 8 apart a block of rows has become one of columns. */
INLINE void exchange(__m512i *row, int apart)
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __mmask16 odd = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(apart));
    /* lanes 16 and up are those of the second row */
    const __m512i low = _mm512_mask_add_epi32(lane, odd, lane, _mm512_set1_epi32(16 - apart));
    const __m512i high = _mm512_mask_add_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(apart)),
                                               odd, lane, _mm512_set1_epi32(16));
#pragma GCC unroll 16
    for (int i = 0; i < BLOCK; i++) {
        if (i & apart) continue;
        const __m512i a = row[i], b = row[i + apart];
        row[i] = _mm512_permutex2var_epi32(a, low, b);
        row[i + apart] = _mm512_permutex2var_epi32(a, high, b);
    }
}

static AVX512 void turn_block(const char *from, int64_t ld, int64_t panel, uint32_t *to)
{
    __m512i row[BLOCK];
#pragma GCC unroll 16
    for (int i = 0; i < BLOCK; i++) row[i] = _mm512_loadu_si512(from + i * ld);
    exchange(row, 1);
    exchange(row, 2);
    exchange(row, 4);
    exchange(row, 8);
#pragma GCC unroll 16
    for (int i = 0; i < BLOCK; i++) _mm512_storeu_si512(to + i * panel, row[i]);
}

/* Less than a block. */
static void turn_rest(const char *from, int64_t ld, int64_t columns, int64_t words, int64_t panel,
                      uint32_t *to)
{
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < words; i++)
            memcpy(to + i * panel + j, from + j * ld + i * WORD, WORD);
}

void nl_cpu_turn_words(const void *from, int64_t ld, int64_t columns, int64_t words, int64_t panel,
                       uint32_t *to)
{
    const bool blocks = __builtin_cpu_supports("avx512f");
    for (int64_t j = 0; j < columns; j += BLOCK) {
        const int64_t width = nl_cpu_least(BLOCK, columns - j);
        for (int64_t i = 0; i < words; i += BLOCK) {
            const int64_t depth = nl_cpu_least(BLOCK, words - i);
            const char *const block = (const char *)from + j * ld + i * WORD;
            uint32_t *const turned = to + i * panel + j;
            if (blocks && width == BLOCK && depth == BLOCK)
                turn_block(block, ld, panel, turned);
            else
                turn_rest(block, ld, width, depth, panel, turned);
        }
    }
}
