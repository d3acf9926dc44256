/* stacks.h - how much stack threads have. */
#ifndef NL_STACKS_H
#define NL_STACKS_H

#include <stdbool.h>
#include <stddef.h>

/* Whether threads get `bytes` of stack, by the system's default (some give 128 KiB) and by
 * OMP_STACKSIZE and GOMP_STACKSIZE. */
bool nl_cpu_stacks_have(size_t bytes);

#endif
