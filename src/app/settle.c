#include "src/app/settle.h"

#include "backends/cpu/multiply.h"

#include <stdlib.h>
#include <unistd.h>

/* The first thread is bound by now, and what it starts would be bound as a whole. */
static bool is_bound(void)
{
    return getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("GOMP_CPU_AFFINITY");
}

/* Each returns whether it changed the environment. */
static bool wait_shortly(void)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return false;
    return setenv("GOMP_SPINCOUNT", "10000", 0) == 0;
}

static bool multiply_better(void)
{
    const char *core = nl_cpu_multiply_better();
    return core && !getenv("OPENBLAS_CORETYPE") && setenv("OPENBLAS_CORETYPE", core, 0) == 0;
}

/* Ours are the threads; OpenBLAS's own each ask for 128 MiB of addresses until they are given. */
static bool multiply_alone(void)
{
    return !getenv("OPENBLAS_NUM_THREADS") && setenv("OPENBLAS_NUM_THREADS", "1", 0) == 0;
}

void nl_settle(char *const *argv)
{
    if (is_bound()) return;
    const bool waits = wait_shortly(), multiplies = multiply_better(), alone = multiply_alone();
    if (waits || multiplies || alone) execv("/proc/self/exe", argv);
}
