#include "src/weights/latin1.h"

#include <stdint.h>

/* Half the bytes of floats are non-ASCII at random, so any branch on them is mispredicted. Here every
 * byte of text writes one byte; lead bytes (C2, C3) do not advance, so that what follows overwrites
 * theirs. Wrong texts are noticed in a sum and reported at the end. */
bool nl_latin1_decode(const unsigned char *text, size_t size, unsigned char *out, size_t count)
{
    size_t leads = 0, at = 0;
    unsigned previous = 0, wrong = 0;
    for (size_t i = 0; i < size; i++) leads += text[i] >= 0xC0;
    if (size - leads != count || (size && text[size - 1] >= 0xC0)) return false;
    for (size_t i = 0; i < size; i++) {
        const unsigned c = text[i];
        const unsigned after_lead = previous >= 0xC0, lead = c >= 0xC0, plain = c < 0x80;
        const unsigned joined = (c & 0x3F) | previous << 6;
        out[at] = (unsigned char)(after_lead ? joined : c);
        at += !lead;
        wrong |= (lead & ((c & 0xFE) != 0xC2)) | (after_lead ^ (!lead & !plain));
        previous = c;
    }
    return wrong == 0;
}
