/* moments.h - mean and variance of channels, of parts of the rows joined in order.
 *
 * A part is [2, channels] doubles: means of its rows, then sums of squared distances from them. Parts
 * are cut by shape, so results do not depend on threads.
 */
#ifndef NL_MOMENTS_H
#define NL_MOMENTS_H

#include "backends/cpu/cpu.h"

/* Rows of part `part`. */
typedef int64_t nl_cpu_part_rows_fn(const void *job, int64_t part);

struct nl_cpu_moments {
    double *parts; /* NULL: not asked for */
    int64_t count, channels;
};

/* Bytes of `count` parts, of whole cache lines. */
size_t nl_cpu_moments_bytes(int64_t count, int64_t channels);

/* Where part `part` begins. */
static inline double *nl_cpu_moments_part(const struct nl_cpu_moments *m, int64_t part)
{
    return m->parts + part * 2 * m->channels;
}

/* mean and variance [channels] of all parts together; biased (Chan, Golub and LeVeque 1979). */
void nl_cpu_moments_join(const struct nl_cpu_moments *m, nl_cpu_part_rows_fn *rows, const void *job,
                         double *mean, double *variance);

#endif
