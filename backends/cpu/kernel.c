#include "backends/cpu/kernel.h"

#include <stddef.h>

const struct nl_cpu_kernel *nl_cpu_kernel_vector(void)
{
    const struct nl_cpu_kernel *best = nl_cpu_kernel_avx512();
    return best ? best : nl_cpu_kernel_avx2();
}

const struct nl_cpu_kernel *nl_cpu_kernel_best(void)
{
    const struct nl_cpu_kernel *amx = nl_cpu_kernel_amx_x3();
    return amx ? amx : nl_cpu_kernel_vector();
}

/* Vector units of Intel's multiply BF16 at half the rate of F32 (95 against 195 GFLOP/s a core, family 6
 * model 207), those of AMD's at twice that rate; AMX is several times as fast as either. */
const struct nl_cpu_kernel *nl_cpu_kernel_half(void)
{
    const struct nl_cpu_kernel *amx = nl_cpu_kernel_amx();
    if (amx || __builtin_cpu_is("intel")) return amx;
    return nl_cpu_kernel_avx512bf16();
}

const struct nl_cpu_kernel *nl_cpu_kernel_for(nl_type type)
{
    const struct nl_cpu_kernel *half = type == NL_BF16 ? nl_cpu_kernel_half() : NULL;
    return half ? half : nl_cpu_kernel_best();
}
