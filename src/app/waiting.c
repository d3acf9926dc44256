#include "src/app/waiting.h"

#include <stdlib.h>
#include <unistd.h>

void nl_wait_shortly(char *const *argv)
{
    if (getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT")) return;
    if (setenv("GOMP_SPINCOUNT", "10000", 0) == 0) execv("/proc/self/exe", argv);
}
