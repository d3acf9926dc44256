/* turn.h - the transpose of words of four bytes, floats or pairs of BF16. */
#ifndef NL_TURN_H
#define NL_TURN_H

#include <stdint.h>

/* to[i * panel + j] = word i of row j of `from`, whose rows are `ld` bytes apart; j < columns,
 * i < words. */
void nl_cpu_turn_words(const void *from, int64_t ld, int64_t columns, int64_t words, int64_t panel,
                       uint32_t *to);

#endif
