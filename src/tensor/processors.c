/* Where there is no OpenMP; else processors_openmp.c. */
#include "src/tensor/backend.h"

#include <sched.h>
#include <unistd.h>

int nl_processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    /* The set may be too small for a very large machine. */
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online > 0 ? (int)online : 1;
}
