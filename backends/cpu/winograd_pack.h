/* winograd_pack.h - 3x3 filters transformed for winograd.h, in the panels of a kernel at each place.
 */
#ifndef NL_WINOGRAD_PACK_H
#define NL_WINOGRAD_PACK_H

#include "backends/cpu/kernel.h"
#include "src/tensor/backend.h"

/* `filters` of `channels`, both multiples of NL_WINOGRAD_LANES. */
struct nl_cpu_winograd_filters {
    const struct nl_cpu_kernel *kernel;
    int64_t channels, filters;
    bool dx; /* for gradients of x: from [channels][9][filters], taps turned half around */
};

/* Floats from one place to the next: panels [channels][kernel->panel], the last filled up with
 * zeros. */
int64_t nl_cpu_winograd_place(const struct nl_cpu_winograd_filters *f);

/* [36] places of panels from F32 [filters][9][channels]. */
void nl_cpu_winograd_pack(const struct nl_backend *be, const struct nl_cpu_winograd_filters *f,
                          const float *from, float *to);

#endif
