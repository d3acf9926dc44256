#include "src/weights/latin1.h"

enum { BLOCK = 64 };

/* How many lead bytes (C2, C3) begin two-byte characters; -1 where the text is wrong: bytes from 80
 * to BF follow lead bytes and nothing else does. Blocks of fixed length become vector
 * instructions. */
static ptrdiff_t count_leads(const unsigned char *text, size_t size)
{
    size_t leads = 0, i = 1;
    unsigned char wrong = 0;
    if (size == 0) return 0;
    if (text[0] >= 0x80 && (text[0] & 0xFE) != 0xC2) return -1;
    for (; i + BLOCK <= size; i += BLOCK) {
        unsigned char in_block = 0;
        for (size_t k = i; k < i + BLOCK; k++) {
            const unsigned char c = text[k], before = text[k - 1];
            const unsigned char follows = before >= 0xC0, lead = c >= 0xC0;
            in_block = (unsigned char)(in_block + lead);
            wrong |= (unsigned char)((lead & ((c & 0xFE) != 0xC2)) |
                                     (follows ^ ((c >= 0x80) & (c < 0xC0))));
        }
        leads += in_block;
    }
    for (; i < size; i++) {
        const bool follows = text[i - 1] >= 0xC0, lead = text[i] >= 0xC0;
        leads += lead;
        wrong |= (lead && (text[i] & 0xFE) != 0xC2) || follows != (text[i] >= 0x80 && !lead);
    }
    leads += text[0] >= 0xC0;
    return wrong || text[size - 1] >= 0xC0 ? -1 : (ptrdiff_t)leads;
}

/* Half the bytes of floats are non-ASCII at random, so any branch on them is mispredicted. Here
 * every byte of text writes one byte, but lead bytes do not advance, so that what follows
 * overwrites theirs. */
bool nl_latin1_decode(const unsigned char *text, size_t size, unsigned char *out, size_t count)
{
    unsigned before = 0;
    size_t at = 0;
    const ptrdiff_t leads = count_leads(text, size);
    if (leads < 0 || size - (size_t)leads != count) return false;
    for (size_t i = 0; i < size; i++) {
        const unsigned c = text[i], follows = 0U - (before >= 0xC0);
        out[at] = (unsigned char)((c & ~(follows & 0xC0)) | (before << 6 & follows));
        at += c < 0xC0;
        before = c;
    }
    return true;
}
