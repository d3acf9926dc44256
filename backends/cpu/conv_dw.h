/* conv_dw.h - how the gradients of filters end: parts of the sums are added in order, and dy is
 * summed for the biases. */
#ifndef NL_CPU_CONV_DW_H
#define NL_CPU_CONV_DW_H

#include "backends/cpu/cpu.h"

struct nl_cpu_dw_parts {
    const float *sums; /* [parts, filters, depth], or [parts, depth, filters] if turned */
    int64_t parts, filters, depth;
    bool turned;
};

/* dw[filters, depth] += the sum of the parts; `set` writes it instead. */
void nl_cpu_dw_add(const struct nl_backend *be, const struct nl_cpu_dw_parts *parts, float *dw,
                   bool set);

/* db[filters] += the sum of dy over all but its last axis; likewise. Nothing without db. */
void nl_cpu_dw_bias(const struct nl_backend *be, const nl_tensor *dy, float *db, bool set);

#endif
