#include "backends/cpu/moments.h"

#include "src/core/memory.h"

#include <string.h>

size_t nl_cpu_moments_bytes(int64_t count, int64_t channels)
{
    return nl_align_up((size_t)(count * 2 * channels) * sizeof(double));
}

void nl_cpu_moments_join(const struct nl_cpu_moments *m, nl_cpu_part_rows_fn *rows, const void *job,
                         double *mean, double *variance)
{
    const int64_t n = m->channels;
    double seen = 0;
    memset(mean, 0, (size_t)n * sizeof *mean);
    memset(variance, 0, (size_t)n * sizeof *variance);
    for (int64_t part = 0; part < m->count; part++) {
        const double *own = nl_cpu_moments_part(m, part);
        const double here = (double)rows(job, part), all = seen + here;
        for (int64_t c = 0; c < n; c++) {
            const double apart = own[c] - mean[c];
            mean[c] += apart * here / all;
            variance[c] += own[n + c] + apart * apart * seen * here / all;
        }
        seen = all;
    }
    for (int64_t c = 0; c < n; c++)
        variance[c] = variance[c] > 0 ? variance[c] / seen : variance[c] * 0;
}
