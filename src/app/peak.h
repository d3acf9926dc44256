/* peak.h - what the machine can do at most, measured: multiply-adds from registers, and memory far
 * larger than the last cache. */
#ifndef NL_PEAK_H
#define NL_PEAK_H

#include "src/tensor/tensor.h"

struct nl_peak {
    int threads;
    double f32, bf16;         /* GFLOP/s, a multiply-add counted as two; bf16 0: emulated here */
    double read, write, copy; /* GB/s; copy counts what is read and what is written */
    const char *instructions; /* of the loop for F32: "avx512", ... */
};

/* The best of several short runs of `threads` threads; takes about half a second. */
nl_status nl_peak_measure(int threads, struct nl_peak *peak) NL_MUST_CHECK;

/* GFLOP/s of products of a type; of emulated BF16 those of F32, 0 of what is neither. */
double nl_peak_of_type(const struct nl_peak *peak, nl_type type);

/* The largest of read, write and copy. */
double nl_peak_memory(const struct nl_peak *peak);

#endif
