/* peak_loops.h - the loops that nl_peak_measure times, chosen for the processor at hand. */
#ifndef NL_PEAK_LOOPS_H
#define NL_PEAK_LOOPS_H

#include <stddef.h>
#include <stdint.h>

/* Multiply-adds on sums that stay in registers, enough of them to hide their latency. */
struct nl_peak_loop {
    const char *name;
    double flops;                /* of one step */
    float (*run)(int64_t steps); /* the value only keeps the work from being left out */
};

const struct nl_peak_loop *nl_peak_loop_f32(void);
const struct nl_peak_loop *nl_peak_loop_bf16(void); /* NULL: no such instruction */

/* Over `bytes` bytes, a multiple of 64, 64-byte aligned. Written past the caches, as kernels write
 * large outputs. `from` is not used by write, `to` not by read. */
typedef uint64_t nl_peak_pass(void *to, const void *from, size_t bytes);
nl_peak_pass nl_peak_read, nl_peak_write, nl_peak_copy;

#endif
