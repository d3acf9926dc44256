#include "backends/cpu/stacks.h"

#include <ctype.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Bytes, as OpenMP reads them: kilobytes without a unit; as many as one likes where unset. */
static size_t bytes_of(const char *variable)
{
    static const char units[] = "BKMG";
    const char *text = getenv(variable);
    char *end = NULL;
    if (!text) return SIZE_MAX;
    const size_t number = strtoull(text, &end, 10);
    end += strspn(end, " \t");
    const char *unit = *end ? strchr(units, toupper((unsigned char)*end)) : NULL;
    return number << 10 * (unit ? unit - units : 1);
}

bool nl_cpu_stacks_have(size_t bytes)
{
    pthread_attr_t usual;
    size_t size = 0;
    if (pthread_attr_init(&usual) != 0) return false;
    const bool known = pthread_attr_getstacksize(&usual, &size) == 0;
    pthread_attr_destroy(&usual);
    return known && size >= bytes && bytes_of("OMP_STACKSIZE") >= bytes &&
           bytes_of("GOMP_STACKSIZE") >= bytes;
}
