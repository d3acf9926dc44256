/* exp.h - e^x in single precision, without branches, so that loops over it become vector code.
 *
 * Within 2 ulp of the true value where that is between e^-87 = 1.6e-38 and the largest; below it is 0,
 * since results that are not normal numbers take some processors a hundred cycles each. -inf gives 0,
 * +inf and overflow +inf, NaN stays NaN.
 * e^x = 2^n e^r, n = round(x / ln 2), |r| <= ln 2 / 2 (Cody and Waite 1980), and for e^r the
 * polynomial of degree 7 by Taylor: its error, r^8 / 8!, is below 2^-27 there.
 */
#ifndef NL_EXP_H
#define NL_EXP_H

#include <stdint.h>
#include <string.h>

/* 2^n for -126 <= n <= 127. */
static inline float nl_cpu_power_of_two(uint32_t n)
{
    const uint32_t bits = (n + 127u) << 23;
    float power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

static inline __attribute__((always_inline)) float nl_cpu_exp(float x)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves the nearest integer low */
    const float least = -87.0f;
    const float scale = x < least ? 0.0f : 1.0f; /* 1 for NaN */
    x = x < least ? least : x;
    x = x > 90.0f ? 90.0f : x;

    const float shifted = x * 1.44269504f + round;
    const float n = shifted - round;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    const uint32_t whole = bits - 0x4b400000u; /* n as an integer, modulo 2^32 */

    const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * r * r + r + 1.0f;

    /* In two steps, since 2^n alone may be too large. */
    const uint32_t half = (uint32_t)((int32_t)whole >> 1);
    return p * nl_cpu_power_of_two(half) * nl_cpu_power_of_two(whole - half) * scale;
}

#endif
