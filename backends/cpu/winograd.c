#include "backends/cpu/winograd.h"

#include "backends/cpu/processor.h"

#include <immintrin.h>
#include <string.h>

/* With points 0, a, -a, b, -b and infinity (Toom and Cook): inputs meet the coefficients of the product
 * of (x - p) over all other points, filters the powers of their point over the product of its
 * distances to the others, sums the powers of all points. */
#define A  0.625
#define B  1.5
#define A2 (A * A)
#define B2 (B * B)

#define BODY static inline __attribute__((always_inline)) void

enum {
    LANES = NL_WINOGRAD_LANES,
    IN = NL_WINOGRAD_IN,
    OUT = NL_WINOGRAD_OUT,
    PLACES = NL_WINOGRAD_PLACES
};

/* Split into what the instruction set has, where a function that this is inlined in is compiled. */
typedef float vec __attribute__((vector_size(LANES * sizeof(float))));
/* For filters, which are transformed in double. */
enum { HALF = LANES / 2 };
typedef float narrow __attribute__((vector_size(HALF * sizeof(float))));
typedef double wide __attribute__((vector_size(HALF * sizeof(double))));
typedef int32_t ints __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef uint32_t words __attribute__((vector_size(LANES * sizeof(uint32_t))));
typedef uint16_t halves __attribute__((vector_size(LANES * sizeof(uint16_t))));

BODY get(vec *v, const float *from)
{
    memcpy(v, from, sizeof *v);
}

BODY put(float *to, const vec *v)
{
    memcpy(to, v, sizeof *v);
}

/* Element `at` of F32 or BF16. */
static inline __attribute__((always_inline)) void *element(const void *memory, bool half,
                                                           int64_t at)
{
    return (char *)(uintptr_t)memory + at * (int64_t)(half ? sizeof(uint16_t) : sizeof(float));
}

BODY get_as(vec *v, const void *from, bool half)
{
    halves read;
    if (!half) {
        get(v, from);
        return;
    }
    memcpy(&read, from, sizeof read);
    *v = (vec)(__builtin_convertvector(read, words) << 16);
}

/* Rounded to nearest, ties to even; NaN stays NaN. */
BODY put_half(uint16_t *to, const vec *v)
{
    const words bits = (words)*v, rounded = bits + 0x7FFF + (bits >> 16 & 1);
    const words nan = (words)((bits & 0x7FFFFFFF) > 0x7F800000);
    const halves made =
        __builtin_convertvector(((rounded & ~nan) | ((bits | 0x400000) & nan)) >> 16, halves);
    memcpy(to, &made, sizeof made);
}

/* Six numbers `step` apart to six that are as far apart. */
BODY input_line(const vec *d, vec *v, int64_t step)
{
    const float a = (float)A, b = (float)B, a2 = (float)A2, b2 = (float)B2;
    const float sum = (float)(A2 + B2), both = (float)(A2 * B2);
    const vec even_a = d[4 * step] - b2 * d[2 * step], odd_a = a * (d[3 * step] - b2 * d[step]);
    const vec even_b = d[4 * step] - a2 * d[2 * step], odd_b = b * (d[3 * step] - a2 * d[step]);
    v[0] = d[4 * step] - sum * d[2 * step] + both * d[0];
    v[step] = even_a + odd_a;
    v[2 * step] = even_a - odd_a;
    v[3 * step] = even_b + odd_b;
    v[4 * step] = even_b - odd_b;
    v[5 * step] = d[5 * step] - sum * d[3 * step] + both * d[step];
}

/* Six to four. */
BODY output_line(const vec *m, vec *y, int64_t step)
{
    const float a = (float)A, b = (float)B, a2 = (float)A2, b2 = (float)B2;
    const float a3 = (float)(A2 * A), b3 = (float)(B2 * B);
    const vec plus_a = m[step] + m[2 * step], minus_a = m[step] - m[2 * step];
    const vec plus_b = m[3 * step] + m[4 * step], minus_b = m[3 * step] - m[4 * step];
    y[0] = m[0] + plus_a + plus_b;
    y[step] = a * minus_a + b * minus_b;
    y[2 * step] = a2 * plus_a + b2 * plus_b;
    y[3 * step] = a3 * minus_a + b3 * minus_b + m[5 * step];
}

BODY input_body(const void *const *rows, bool half, float *to, int64_t step, int64_t channels)
{
    for (int64_t c = 0; c < channels; c += LANES) {
        vec d[IN * IN], v[IN * IN];
        for (int64_t i = 0; i < PLACES; i++) get_as(&d[i], element(rows[i], half, c), half);
        for (int64_t i = 0; i < IN; i++) input_line(d + i, v + i, IN);
        for (int64_t i = 0; i < IN; i++) input_line(v + IN * i, d + IN * i, 1);
        for (int64_t i = 0; i < PLACES; i++) put(to + i * step + c, &d[i]);
    }
}

BODY store(void *y, const vec *v, bool half, bool stream)
{
    enum { QUAD = 16 };
    vec whole = *v;
    if (half) put_half((uint16_t *)(void *)&whole, v);
    const int64_t bytes = half ? sizeof(halves) : sizeof(vec);
    for (int64_t i = 0; stream && i < bytes; i += QUAD) {
        __m128 part;
        memcpy(&part, (const char *)&whole + i, sizeof part);
        _mm_stream_ps((float *)(void *)((char *)y + i), part);
    }
    if (!stream) memcpy(y, &whole, (size_t)bytes);
}

/* Sums over a tile's outputs of sixteen filters. */
struct tally {
    vec first, sum, square;
    bool begun;
};

BODY count(struct tally *t, const vec *y, bool half)
{
    halves stored;
    vec v = *y;
    if (half) {
        put_half((uint16_t *)&stored, y);
        get_as(&v, &stored, true);
    }
    if (!t->begun) t->first = v;
    t->begun = true;
    const vec off = v - t->first;
    t->sum += off;
    t->square += off * off;
}

BODY begin_tally(struct tally *t, const struct nl_cpu_winograd_end *end, int64_t k)
{
    *t = (struct tally){.begun = !end->begins};
    if (end->sum && t->begun) get(&t->first, end->first + k);
}

BODY end_tally(const struct tally *t, const struct nl_cpu_winograd_end *end, int64_t k)
{
    if (end->begins) put(end->first + k, &t->first);
    for (int64_t c = 0; c < LANES; c++) {
        end->sum[k + c] += (double)t->sum[c];
        end->square[k + c] += (double)t->square[c];
    }
}

/* Adds bias and residual to one output, sets what is below `floor` to it, and stores it. */
BODY finish(const struct nl_cpu_winograd_end *end, bool half, int64_t i, int64_t k, vec *y,
            struct tally *t)
{
    vec more;
    if (!end->y[i]) return;
    if (end->bias) {
        get(&more, end->bias + k);
        *y += more;
    }
    if (end->residual[i]) {
        get_as(&more, element(end->residual[i], half, k), half);
        *y += more;
    }
    if (end->relu) *y = (vec)((ints)*y & ~(*y < 0)); /* NaN stays */
    if (end->sum) count(t, y, half);
    store(element(end->y[i], half, k), y, half, end->stream);
}

BODY output_body(const float *from, int64_t step, const struct nl_cpu_winograd_end *end, bool half,
                 int64_t filters)
{
    for (int64_t k = 0; k < filters; k += LANES) {
        vec m[IN * IN], t[OUT * IN], y[OUT * IN];
        struct tally tally;
        begin_tally(&tally, end, k);
        for (int64_t i = 0; i < PLACES; i++) get(&m[i], from + i * step + k);
        for (int64_t i = 0; i < IN; i++) output_line(m + i, t + i, IN);
        for (int64_t i = 0; i < OUT; i++) output_line(t + IN * i, y + IN * i, 1);
        for (int64_t i = 0; i < OUT; i++)
            for (int64_t j = 0; j < OUT; j++)
                finish(end, half, OUT * i + j, k, &y[IN * i + j], &tally);
        if (end->sum) end_tally(&tally, end, k);
    }
}

/* Four to six: output_line turned around, as a gradient goes. */
BODY gradient_line(const vec *y, vec *m, int64_t step)
{
    const float a = (float)A, b = (float)B, a2 = (float)A2, b2 = (float)B2;
    const float a3 = (float)(A2 * A), b3 = (float)(B2 * B);
    const vec even_a = y[0] + a2 * y[2 * step], odd_a = a * y[step] + a3 * y[3 * step];
    const vec even_b = y[0] + b2 * y[2 * step], odd_b = b * y[step] + b3 * y[3 * step];
    m[0] = y[0];
    m[step] = even_a + odd_a;
    m[2 * step] = even_a - odd_a;
    m[3 * step] = even_b + odd_b;
    m[4 * step] = even_b - odd_b;
    m[5 * step] = y[3 * step];
}

BODY gradient_body(const void *const *rows, bool half, float *to, int64_t step, int64_t filters)
{
    for (int64_t k = 0; k < filters; k += LANES) {
        vec y[OUT * IN], t[OUT * IN], m[IN * IN];
        for (int i = 0; i < OUT * OUT; i++)
            get_as(&y[IN * (i / OUT) + i % OUT], element(rows[i], half, k), half);
        for (int64_t i = 0; i < OUT; i++) gradient_line(y + IN * i, t + IN * i, 1);
        for (int64_t i = 0; i < IN; i++) gradient_line(t + i, m + i, IN);
        for (int64_t i = 0; i < PLACES; i++) put(to + i * step + k, &m[i]);
    }
}

/* Three numbers `step` apart to six that are as far apart. */
BODY filter_line(const wide *g, wide *u, int64_t step)
{
    const double to_a = 1 / (2 * A2 * (A2 - B2)), to_b = 1 / (2 * B2 * (B2 - A2));
    const wide even_a = (g[0] + A2 * g[2 * step]) * to_a, odd_a = (A * to_a) * g[step];
    const wide even_b = (g[0] + B2 * g[2 * step]) * to_b, odd_b = (B * to_b) * g[step];
    u[0] = g[0] * (1 / (A2 * B2));
    u[step] = even_a + odd_a;
    u[2 * step] = even_a - odd_a;
    u[3 * step] = even_b + odd_b;
    u[4 * step] = even_b - odd_b;
    u[5 * step] = g[2 * step];
}

BODY filter_body(const float *const *taps, float *to)
{
    for (int64_t half = 0; half < LANES; half += HALF) {
        wide g[9], t[IN * 3], u[IN * IN], rows[IN];
        for (int64_t i = 0; i < 9; i++) {
            narrow tap;
            memcpy(&tap, taps[i] + half, sizeof tap);
            g[i] = __builtin_convertvector(tap, wide);
        }
        for (int64_t i = 0; i < 3; i++) filter_line(g + i, t + i, 3);
        for (int64_t i = 0; i < IN; i++) {
            filter_line(t + 3 * i, rows, 1);
            memcpy(u + IN * i, rows, sizeof rows);
        }
        for (int64_t i = 0; i < PLACES; i++) {
            const narrow made = __builtin_convertvector(u[i], narrow);
            memcpy(to + i * LANES + half, &made, sizeof made);
        }
    }
}

/* Six to three: filter_line turned around. */
BODY taps_line(const wide *u, wide *g, int64_t step)
{
    const double to_a = 1 / (2 * A2 * (A2 - B2)), to_b = 1 / (2 * B2 * (B2 - A2));
    const wide even_a = to_a * (u[step] + u[2 * step]), odd_a = to_a * (u[step] - u[2 * step]);
    const wide even_b = to_b * (u[3 * step] + u[4 * step]),
               odd_b = to_b * (u[3 * step] - u[4 * step]);
    g[0] = u[0] * (1 / (A2 * B2)) + even_a + even_b;
    g[step] = A * odd_a + B * odd_b;
    g[2 * step] = A2 * even_a + B2 * even_b + u[5 * step];
}

BODY taps_body(const float *from, int64_t step, float *to)
{
    for (int64_t half = 0; half < LANES; half += HALF) {
        wide u[IN * IN], t[3 * IN], g[9];
        for (int64_t i = 0; i < PLACES; i++) {
            narrow sum;
            memcpy(&sum, from + i * step + half, sizeof sum);
            u[i] = __builtin_convertvector(sum, wide);
        }
        for (int64_t i = 0; i < IN; i++) taps_line(u + i, t + i, IN);
        for (int64_t i = 0; i < 3; i++) taps_line(t + IN * i, g + 3 * i, 1);
        for (int64_t i = 0; i < 9; i++) {
            const narrow made = __builtin_convertvector(g[i], narrow);
            memcpy(to + i * LANES + half, &made, sizeof made);
        }
    }
}

/* The bodies once more for one instruction set, and their table. */
#define TABLE(set, target)                                                                         \
    static target void input_##set(const void *const *rows, bool half, float *to, int64_t step,    \
                                   int64_t channels)                                               \
    {                                                                                              \
        if (half)                                                                                  \
            input_body(rows, true, to, step, channels);                                            \
        else                                                                                       \
            input_body(rows, false, to, step, channels);                                           \
    }                                                                                              \
    static target void output_##set(const float *from, int64_t step,                               \
                                    const struct nl_cpu_winograd_end *end, int64_t filters)        \
    {                                                                                              \
        if (end->half)                                                                             \
            output_body(from, step, end, true, filters);                                           \
        else                                                                                       \
            output_body(from, step, end, false, filters);                                          \
    }                                                                                              \
    static target void filter_##set(const float *const *taps, float *to)                           \
    {                                                                                              \
        filter_body(taps, to);                                                                     \
    }                                                                                              \
    static target void gradient_##set(const void *const *rows, bool half, float *to, int64_t step, \
                                      int64_t filters)                                             \
    {                                                                                              \
        if (half)                                                                                  \
            gradient_body(rows, true, to, step, filters);                                          \
        else                                                                                       \
            gradient_body(rows, false, to, step, filters);                                         \
    }                                                                                              \
    static target void taps_##set(const float *from, int64_t step, float *to)                      \
    {                                                                                              \
        taps_body(from, step, to);                                                                 \
    }                                                                                              \
    static const struct nl_cpu_winograd table_##set = {.name = #set,                               \
                                                       .input = input_##set,                       \
                                                       .output = output_##set,                     \
                                                       .filter = filter_##set,                     \
                                                       .gradient = gradient_##set,                 \
                                                       .taps = taps_##set}

TABLE(sse2, );
TABLE(avx2, __attribute__((target("avx2,fma"))));
TABLE(avx512, __attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))));

const struct nl_cpu_winograd *nl_cpu_winograd_at(int i)
{
    const bool avx512 = nl_cpu_has_avx512(), avx2 = nl_cpu_has_avx2();
    if (avx512 && i-- == 0) return &table_avx512;
    if (avx2 && i-- == 0) return &table_avx2;
    return i == 0 ? &table_sse2 : NULL;
}

const struct nl_cpu_winograd *nl_cpu_winograd(void)
{
    return nl_cpu_winograd_at(0);
}
