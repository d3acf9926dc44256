/* processor.h - which sets of instructions loops may be compiled for. */
#ifndef NL_CPU_PROCESSOR_H
#define NL_CPU_PROCESSOR_H

#include <stdbool.h>

static inline bool nl_cpu_has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

/* With what every processor has that has it beside the first of them. */
static inline bool nl_cpu_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
}

#endif
