/* vector_sweep.h - loops of a sweep over sorted scores (sorted.h), compiled for several instruction
 * sets, as vector.h. */
#ifndef NL_VECTOR_SWEEP_H
#define NL_VECTOR_SWEEP_H

#include <stdint.h>

struct nl_cpu_vector_sweep {
    /* plain += row, weighted += score * row */
    void (*add)(double *plain, double *weighted, const float *row, double score, int64_t n);

    /* y = (score * plain + weighted) * scale */
    void (*take)(float *y, const double *plain, const double *weighted, double score, double scale,
                 int64_t n);

    double (*dot)(const double *plain, const float *row, int64_t n);
};

const struct nl_cpu_vector_sweep *nl_cpu_vector_sweep(void);

#endif
