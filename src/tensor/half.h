/* half.h - 16-bit floating point numbers, exactly as 32-bit ones. */
#ifndef NL_HALF_H
#define NL_HALF_H

#include <stdint.h>
#include <string.h>

static inline float nl_bf16_to_float(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Rounded to nearest, ties to even; too large becomes infinite. */
static inline uint16_t nl_float_to_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (value != value) return (uint16_t)(bits >> 16 | 0x40); /* NaN stays one */
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static inline float nl_f16_to_float(uint16_t half)
{
    const uint32_t exponent = (half >> 10) & 31, fraction = half & 1023;
    const uint32_t rebias = exponent == 31 ? 255 : exponent + 127 - 15;
    const uint32_t bits = rebias << 23 | fraction << 13;
    float value;
    memcpy(&value, &bits, sizeof value);
    if (exponent == 0) value = (float)fraction * 0x1p-24f;
    return half & 0x8000 ? -value : value;
}

/* Rounded to nearest, ties to even; too large becomes infinite. */
static inline uint16_t nl_float_to_f16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t size = bits & 0x7FFFFFFFU;
    if (size > 0x7F800000U) return sign | 0x7E00;  /* NaN */
    if (size >= 0x477FF000U) return sign | 0x7C00; /* 65520 and more */
    if (size < 0x33000001U) return sign;           /* 2^-25 and less */
    const int exponent = (int)(size >> 23) - 127;
    const uint32_t fraction = (size & 0x7FFFFFU) | 0x800000U;
    const int cut = exponent < -14 ? -exponent - 1 : 13; /* bits that go */
    const uint32_t kept = fraction >> cut, rest = fraction & ((1U << cut) - 1),
                   half = 1U << (cut - 1);
    const uint32_t rounded = kept + (rest > half || (rest == half && (kept & 1)));
    const uint32_t base = exponent < -14 ? 0 : (uint32_t)(exponent + 14) << 10;
    return (uint16_t)(sign | (base + rounded));
}

#endif
