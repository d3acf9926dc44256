#include "backends/cpu/kernel.h"

#include <stddef.h>

const struct nl_cpu_kernel *nl_cpu_kernel_best(void)
{
    const struct nl_cpu_kernel *best = nl_cpu_kernel_avx512();
    return best ? best : nl_cpu_kernel_avx2();
}

const struct nl_cpu_kernel *nl_cpu_kernel_for(nl_type type)
{
    const struct nl_cpu_kernel *half = type == NL_BF16 ? nl_cpu_kernel_avx512bf16() : NULL;
    return half ? half : nl_cpu_kernel_best();
}
