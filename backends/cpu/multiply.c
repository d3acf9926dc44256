#include "backends/cpu/multiply.h"

#include "autoconf.h"
#include "backends/cpu/processor.h"

#include <cblas.h>
#include <string.h>

void nl_cpu_multiply(int64_t m, int64_t n, int64_t k, float alpha, struct nl_cpu_matrix a,
                     struct nl_cpu_matrix b, float beta, float *c, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, a.transposed ? CblasTrans : CblasNoTrans,
                b.transposed ? CblasTrans : CblasNoTrans, (int)m, (int)n, (int)k, alpha, a.data,
                (int)a.ld, b.data, (int)b.ld, beta, c, (int)ldc);
}

void nl_cpu_multiply_alone(void)
{
#if defined(HAVE_OPENBLAS_SET_NUM_THREADS)
    extern void openblas_set_num_threads(int);
    openblas_set_num_threads(1);
#elif defined(HAVE_BLI_THREAD_SET_NUM_THREADS)
    extern void bli_thread_set_num_threads(int64_t);
    bli_thread_set_num_threads(1);
#elif defined(HAVE_MKL_SET_NUM_THREADS_LOCAL)
    extern int MKL_Set_Num_Threads_Local(int);
    MKL_Set_Num_Threads_Local(1);
#endif
}

static const char *core(void)
{
#ifdef HAVE_OPENBLAS_GET_CORENAME
    extern char *openblas_get_corename(void);
    return openblas_get_corename();
#else
    return "";
#endif
}

const char *nl_cpu_multiply_better(void)
{
    if (strcmp(core(), "Prescott") != 0) return NULL;
    return nl_cpu_has_avx512() ? "SkylakeX" : nl_cpu_has_avx2() ? "Haswell" : NULL;
}
