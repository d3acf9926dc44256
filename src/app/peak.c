#include "src/app/peak.h"

#include "src/app/peak_loops.h"
#include "src/app/progress.h"
#include "src/app/room.h"
#include "src/core/memory.h"

#include <math.h>
#include <unistd.h>

enum { STEPS = 1000000, ROUNDS = 40, PASSES = 5, MIB = 1 << 20 };

/* Where results go, so that no loop is left out. */
static volatile double sink;

static double flops_of(const struct nl_peak_loop *loop, int threads)
{
    double best = 0;
    for (int round = 0; round < ROUNDS; round++) {
        double sum = 0;
        const double start = nl_seconds();
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
        for (int t = 0; t < threads; t++) sum += (double)loop->run(STEPS);
        best = fmax(best, loop->flops * STEPS * threads / (nl_seconds() - start));
        sink = sum;
    }
    return best;
}

/* Two buffers, cut evenly among threads. */
struct buffers {
    char *to, *from;
    size_t bytes; /* of each; a multiple of 64 for each thread */
};

static double bytes_of(nl_peak_pass *pass, const struct buffers *b, int threads, double each)
{
    const size_t part = b->bytes / (size_t)threads / NL_ALIGN * NL_ALIGN;
    double best = 0;
    for (int i = 0; i < PASSES; i++) {
        double sum = 0;
        const double start = nl_seconds();
#pragma omp parallel for num_threads(threads) schedule(static, 1) reduction(+ : sum)
        for (int t = 0; t < threads; t++)
            sum += (double)pass(b->to + (size_t)t * part, b->from + (size_t)t * part, part);
        const double moved = each * (double)part * threads;
        best = fmax(best, moved / (nl_seconds() - start));
        sink = sum;
    }
    return best;
}

/* Four times the last cache, within 64 MiB to 1 GiB and a quarter of the memory at hand. */
static size_t buffer_bytes(void)
{
    const double cache = (double)sysconf(_SC_LEVEL3_CACHE_SIZE), room = nl_room(0, 0);
    double bytes = fmin(fmax(4 * cache, 64.0 * MIB), 1024.0 * MIB);
    if (room > 0) bytes = fmin(bytes, room / 8);
    return (size_t)bytes / NL_ALIGN * NL_ALIGN;
}

static nl_status measure_memory(int threads, struct nl_peak *peak)
{
    struct buffers b = {.bytes = buffer_bytes()};
    nl_status st = nl_alloc(b.bytes, &b.to);
    if (st == NL_OK) st = nl_alloc(b.bytes, &b.from);
    if (st == NL_OK) {
        const struct buffers swapped = {b.from, b.to, b.bytes};
        bytes_of(nl_peak_write, &swapped, threads, 1); /* pages come with the first write */
        peak->write = bytes_of(nl_peak_write, &b, threads, 1) * 1e-9;
        peak->read = bytes_of(nl_peak_read, &b, threads, 1) * 1e-9;
        peak->copy = bytes_of(nl_peak_copy, &b, threads, 2) * 1e-9;
    }
    nl_free(b.to);
    nl_free(b.from);
    return st;
}

nl_status nl_peak_measure(int threads, struct nl_peak *peak)
{
    const struct nl_peak_loop *wide = nl_peak_loop_f32(), *half = nl_peak_loop_bf16();
    *peak = (struct nl_peak){.threads = threads, .instructions = wide->name};
    peak->f32 = flops_of(wide, threads) * 1e-9;
    if (half) peak->bf16 = flops_of(half, threads) * 1e-9;
    return measure_memory(threads, peak);
}

double nl_peak_of_type(const struct nl_peak *peak, nl_type type)
{
    if (type == NL_BF16) return peak->bf16 > 0 ? peak->bf16 : peak->f32;
    return type == NL_F32 ? peak->f32 : 0;
}

double nl_peak_memory(const struct nl_peak *peak)
{
    return fmax(peak->read, fmax(peak->write, peak->copy));
}
