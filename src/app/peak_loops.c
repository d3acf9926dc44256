#include "src/app/peak_loops.h"

#include "backends/cpu/amx.h"

#include <immintrin.h>

/* Twelve sums: two multiply-adds a cycle, four or five cycles each, want eight to ten. They begin
 * apart, so that no compiler makes one of them. */
#define AVX2       __attribute__((target("avx2,fma")))
#define AVX512     __attribute__((target("avx512f")))
#define AVX512BF16 __attribute__((target("avx512f,avx512bf16")))
#define AMX        __attribute__((target("amx-tile,amx-bf16")))

static AVX512 float run_avx512(int64_t steps)
{
    const __m512 a = _mm512_set1_ps(0.5f), b = _mm512_set1_ps(0.25f);
    __m512 s0 = a, s1 = b, s2 = a + b, s3 = a - b, s4 = a * b, s5 = s4 + a, s6 = s4 + b,
           s7 = s4 - a, s8 = s4 - b, s9 = s4 * a, s10 = s4 * b, s11 = s9 + a;
    for (int64_t i = 0; i < steps; i++) {
        s0 = _mm512_fmadd_ps(s0, a, b);
        s1 = _mm512_fmadd_ps(s1, a, b);
        s2 = _mm512_fmadd_ps(s2, a, b);
        s3 = _mm512_fmadd_ps(s3, a, b);
        s4 = _mm512_fmadd_ps(s4, a, b);
        s5 = _mm512_fmadd_ps(s5, a, b);
        s6 = _mm512_fmadd_ps(s6, a, b);
        s7 = _mm512_fmadd_ps(s7, a, b);
        s8 = _mm512_fmadd_ps(s8, a, b);
        s9 = _mm512_fmadd_ps(s9, a, b);
        s10 = _mm512_fmadd_ps(s10, a, b);
        s11 = _mm512_fmadd_ps(s11, a, b);
    }
    return _mm512_reduce_add_ps(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);
}

static AVX512BF16 float run_avx512bf16(int64_t steps)
{
    /* 1 and 2^-30, twice each. */
    const __m512bh a = (__m512bh)_mm512_set1_epi32(0x3f803f80),
                   b = (__m512bh)_mm512_set1_epi32(0x30803080);
    const __m512 one = _mm512_set1_ps(1.0f), two = one + one;
    __m512 s0 = one, s1 = two, s2 = one + two, s3 = two + two, s4 = s2 + two, s5 = s3 + two,
           s6 = s2 * two, s7 = s6 + one, s8 = s6 + two, s9 = s6 + s2, s10 = s6 + s3, s11 = s6 + s4;
    for (int64_t i = 0; i < steps; i++) {
        s0 = _mm512_dpbf16_ps(s0, a, b);
        s1 = _mm512_dpbf16_ps(s1, a, b);
        s2 = _mm512_dpbf16_ps(s2, a, b);
        s3 = _mm512_dpbf16_ps(s3, a, b);
        s4 = _mm512_dpbf16_ps(s4, a, b);
        s5 = _mm512_dpbf16_ps(s5, a, b);
        s6 = _mm512_dpbf16_ps(s6, a, b);
        s7 = _mm512_dpbf16_ps(s7, a, b);
        s8 = _mm512_dpbf16_ps(s8, a, b);
        s9 = _mm512_dpbf16_ps(s9, a, b);
        s10 = _mm512_dpbf16_ps(s10, a, b);
        s11 = _mm512_dpbf16_ps(s11, a, b);
    }
    return _mm512_reduce_add_ps(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);
}

/* Four tiles of sums, as registers hold with two of each side. */
static AMX float run_amx(int64_t steps)
{
    enum { SIDE = NL_CPU_TILE_ROWS, BYTES = NL_CPU_TILE_BYTES };
    struct nl_cpu_tiles layout = {.palette = 1};
    static const float zeros[SIDE * SIDE];
    float sums[SIDE * SIDE];
    for (int i = 0; i < NL_CPU_TILES; i++) {
        layout.bytes[i] = BYTES;
        layout.rows[i] = SIDE;
    }
    NL_CPU_WRITTEN();
    _tile_loadconfig(&layout);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_loadd(4, zeros, BYTES);
    _tile_loadd(5, zeros, BYTES);
    for (int64_t i = 0; i < steps / SIDE; i++) {
        _tile_dpbf16ps(0, 4, 5);
        _tile_dpbf16ps(1, 4, 5);
        _tile_dpbf16ps(2, 4, 5);
        _tile_dpbf16ps(3, 4, 5);
    }
    _tile_stored(0, sums, BYTES);
    _tile_release();
    return sums[0];
}

static AVX2 float run_avx2(int64_t steps)
{
    const __m256 a = _mm256_set1_ps(0.5f), b = _mm256_set1_ps(0.25f);
    __m256 s0 = a, s1 = b, s2 = a + b, s3 = a - b, s4 = a * b, s5 = s4 + a, s6 = s4 + b,
           s7 = s4 - a, s8 = s4 - b, s9 = s4 * a, s10 = s4 * b, s11 = s9 + a;
    for (int64_t i = 0; i < steps; i++) {
        s0 = _mm256_fmadd_ps(s0, a, b);
        s1 = _mm256_fmadd_ps(s1, a, b);
        s2 = _mm256_fmadd_ps(s2, a, b);
        s3 = _mm256_fmadd_ps(s3, a, b);
        s4 = _mm256_fmadd_ps(s4, a, b);
        s5 = _mm256_fmadd_ps(s5, a, b);
        s6 = _mm256_fmadd_ps(s6, a, b);
        s7 = _mm256_fmadd_ps(s7, a, b);
        s8 = _mm256_fmadd_ps(s8, a, b);
        s9 = _mm256_fmadd_ps(s9, a, b);
        s10 = _mm256_fmadd_ps(s10, a, b);
        s11 = _mm256_fmadd_ps(s11, a, b);
    }
    float sums[8];
    _mm256_storeu_ps(sums, s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);
    return sums[0] + sums[1] + sums[2] + sums[3] + sums[4] + sums[5] + sums[6] + sums[7];
}

/* Multiply and add apart: x86-64 without FMA. */
static float run_sse(int64_t steps)
{
    const __m128 a = _mm_set1_ps(0.5f), b = _mm_set1_ps(0.25f);
    __m128 s0 = a, s1 = b, s2 = a + b, s3 = a - b, s4 = a * b, s5 = s4 + a, s6 = s4 + b,
           s7 = s4 - a, s8 = s4 - b, s9 = s4 * a, s10 = s4 * b, s11 = s9 + a;
    for (int64_t i = 0; i < steps; i++) {
        s0 = s0 * a + b;
        s1 = s1 * a + b;
        s2 = s2 * a + b;
        s3 = s3 * a + b;
        s4 = s4 * a + b;
        s5 = s5 * a + b;
        s6 = s6 * a + b;
        s7 = s7 * a + b;
        s8 = s8 * a + b;
        s9 = s9 * a + b;
        s10 = s10 * a + b;
        s11 = s11 * a + b;
    }
    return _mm_cvtss_f32(s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);
}

const struct nl_peak_loop *nl_peak_loop_f32(void)
{
    static const struct nl_peak_loop avx512 = {"avx512", 12.0 * 16 * 2, run_avx512},
                                     avx2 = {"avx2", 12.0 * 8 * 2, run_avx2},
                                     sse = {"sse", 12.0 * 4 * 2, run_sse};
    if (__builtin_cpu_supports("avx512f")) return &avx512;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? &avx2 : &sse;
}

const struct nl_peak_loop *nl_peak_loop_bf16(void)
{
    static const struct nl_peak_loop avx512 = {"avx512bf16", 12.0 * 32 * 2, run_avx512bf16},
                                     amx = {"amx", 4.0 * 16 * 32 * 2, run_amx};
    if (nl_cpu_has_amx()) return &amx;
    return __builtin_cpu_supports("avx512bf16") ? &avx512 : NULL;
}

uint64_t nl_peak_read(void *to, const void *from, size_t bytes)
{
    const __m128i *at = from;
    __m128i a = _mm_setzero_si128(), b = a, c = a, d = a;
    (void)to;
    for (size_t i = 0; i < bytes / sizeof *at; i += 4) {
        a = _mm_xor_si128(a, _mm_load_si128(at + i));
        b = _mm_xor_si128(b, _mm_load_si128(at + i + 1));
        c = _mm_xor_si128(c, _mm_load_si128(at + i + 2));
        d = _mm_xor_si128(d, _mm_load_si128(at + i + 3));
    }
    return (uint64_t)_mm_cvtsi128_si64(_mm_xor_si128(_mm_xor_si128(a, b), _mm_xor_si128(c, d)));
}

uint64_t nl_peak_write(void *to, const void *from, size_t bytes)
{
    __m128i *at = to;
    const __m128i value = _mm_set1_epi32(1);
    (void)from;
    for (size_t i = 0; i < bytes / sizeof *at; i++) _mm_stream_si128(at + i, value);
    _mm_sfence();
    return bytes;
}

uint64_t nl_peak_copy(void *to, const void *from, size_t bytes)
{
    __m128i *out = to;
    const __m128i *in = from;
    for (size_t i = 0; i < bytes / sizeof *out; i++)
        _mm_stream_si128(out + i, _mm_load_si128(in + i));
    _mm_sfence();
    return bytes;
}
