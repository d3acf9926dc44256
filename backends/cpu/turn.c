#include "backends/cpu/turn.h"

#include "backends/cpu/cpu.h"
#include "backends/cpu/vector.h"

#include <string.h>

enum { BLOCK = NL_CPU_TURN, WORD = 4 }; /* rows and words of a block, bytes of a word */

/* Less than a block. */
static void turn_rest(const char *from, int64_t ld, int64_t columns, int64_t words, int64_t panel,
                      uint32_t *to)
{
    for (int64_t j = 0; j < columns; j++)
        for (int64_t i = 0; i < words; i++)
            memcpy(to + i * panel + j, from + j * ld + i * WORD, WORD);
}

void nl_cpu_turn_words(const void *from, int64_t ld, int64_t columns, int64_t words, int64_t panel,
                       uint32_t *to)
{
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    for (int64_t j = 0; j < columns; j += BLOCK) {
        const int64_t width = nl_cpu_least(BLOCK, columns - j);
        for (int64_t i = 0; i < words; i += BLOCK) {
            const int64_t depth = nl_cpu_least(BLOCK, words - i);
            const char *const block = (const char *)from + j * ld + i * WORD;
            uint32_t *const turned = to + i * panel + j;
            if (width == BLOCK && depth == BLOCK)
                vector->turn(turned, panel, block, ld);
            else
                turn_rest(block, ld, width, depth, panel, turned);
        }
    }
}
