/* arena.h - offsets in one block for buffers whose lifetimes are known. */
#ifndef NL_ARENA_H
#define NL_ARENA_H

#include "src/core/status.h"

#include <stddef.h>

/* A buffer that is alive from step `first` to step `last`, both included. */
struct nl_span {
    size_t bytes;
    int first, last;
    size_t offset; /* out: multiple of NL_ALIGN */
};

/* Places the spans, largest first, each at the lowest offset free of spans alive with it.
 * *total is the block's size; *bound what no placement can be below: the largest sum of bytes
 * alive in one step. */
nl_status nl_arena_place(struct nl_span *spans, int count, size_t *total,
                         size_t *bound) NL_MUST_CHECK;

#endif
