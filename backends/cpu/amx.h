/* amx.h - what code for AMX's tiles needs before its first. */
#ifndef NL_CPU_AMX_H
#define NL_CPU_AMX_H

#include <stdbool.h>
#include <stdint.h>

/* Rows and bytes of a row of each tile, as the processor loads it. */
struct nl_cpu_tiles {
    uint8_t palette, start, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
};

enum { NL_CPU_TILES = 8, NL_CPU_TILE_ROWS = 16, NL_CPU_TILE_BYTES = 64 };

/* What is written for tiles is in memory before that is loaded: compilers do not see all of its
 * loads. */
#define NL_CPU_WRITTEN() __asm__ volatile("" ::: "memory")

/* AMX with BF16, which the system gives to the process that asks, as this does. */
bool nl_cpu_has_amx(void);

#endif
