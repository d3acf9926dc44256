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

#endif
