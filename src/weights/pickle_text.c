#include "src/weights/pickle_machine.h"

#include "src/core/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_MAX = 64 };

/* The line as a C text; numbers are short. */
static nl_status short_line(const struct nl_pickle_operand *line, char out[NUMBER_MAX])
{
    NL_REQUIRE(line->size > 0 && line->size < NUMBER_MAX && !memchr(line->data, '\0', line->size),
               NL_EIO, "broken pickle: a number of %zu characters", line->size);
    memcpy(out, line->data, line->size);
    out[line->size] = '\0';
    return NL_OK;
}

nl_status nl_pickle_line_number(const struct nl_pickle_operand *line, int64_t *out)
{
    char text[NUMBER_MAX], *end = NULL;
    NL_TRY(short_line(line, text));
    errno = 0;
    *out = strtoll(text, &end, 10);
    if (*end == 'L') end++; /* LONG's mark */
    NL_REQUIRE(end != text && *end == '\0' && errno == 0, NL_EIO,
               "broken pickle: \"%s\" is no number", text);
    return NL_OK;
}

/* INT has two spellings of its own for True and False: 01 and 00. */
nl_status nl_pickle_line_int(struct nl_pickle_machine *m, const struct nl_pickle_operand *line)
{
    struct nl_pickle_value *value;
    const bool truth =
        line->size == 2 && line->data[0] == '0' && (line->data[1] == '0' || line->data[1] == '1');
    NL_TRY(nl_pickle_value_new(m->arena, truth ? NL_PICKLE_BOOL : NL_PICKLE_INT, &value));
    NL_TRY(nl_pickle_line_number(line, &value->u.integer));
    return nl_pickle_push(m, value);
}

nl_status nl_pickle_line_float(struct nl_pickle_machine *m, const struct nl_pickle_operand *line)
{
    struct nl_pickle_value *value;
    char text[NUMBER_MAX], *end = NULL;
    NL_TRY(short_line(line, text));
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_FLOAT, &value));
    value->u.real = strtod(text, &end);
    NL_REQUIRE(end != text && *end == '\0', NL_EIO, "broken pickle: \"%s\" is no number", text);
    return nl_pickle_push(m, value);
}

static int digit(unsigned char c, int base)
{
    int value = 99;
    if (c >= '0' && c <= '9') value = c - '0';
    if (c >= 'a' && c <= 'f') value = c - 'a' + 10;
    if (c >= 'A' && c <= 'F') value = c - 'A' + 10;
    return value < base ? value : -1;
}

/* Up to `most` digits at `text`; how many there were. */
static size_t digits(const unsigned char *text, size_t left, size_t most, int base, uint32_t *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < most && n < left && digit(text[n], base) >= 0; n++)
        *out = *out * (uint32_t)base + (uint32_t)digit(text[n], base);
    return n;
}

/* One escape of Python's repr after its backslash: how many characters it has, 0 if it is none. */
static size_t unescape(const unsigned char *text, size_t left, unsigned char *out)
{
    static const char letters[] = "\\'\"abfnrtv", values[] = "\\'\"\a\b\f\n\r\t\v";
    uint32_t number;
    if (left == 0) return 0;
    const char *letter = text[0] ? strchr(letters, text[0]) : NULL;
    if (letter) {
        *out = (unsigned char)values[letter - letters];
        return 1;
    }
    if (text[0] == 'x' && digits(text + 1, left - 1, 2, 16, &number) == 2) {
        *out = (unsigned char)number;
        return 3;
    }
    const size_t octal = digits(text, left, 3, 8, &number);
    *out = (unsigned char)number;
    return octal;
}

nl_status nl_pickle_line_string(struct nl_pickle_machine *m, const struct nl_pickle_operand *line)
{
    struct nl_pickle_value *value;
    unsigned char *out = NULL;
    const unsigned char *text = line->data;
    const size_t size = line->size;
    size_t n = 0;
    NL_REQUIRE(size >= 2 && (text[0] == '\'' || text[0] == '"') && text[size - 1] == text[0],
               NL_EIO, "broken pickle: a text without quotes at byte %zu", m->at);
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_BYTES, &value));
    NL_TRY(nl_pickle_bytes_new(m->arena, size, &out));
    for (size_t i = 1; i + 1 < size;) {
        if (text[i] != '\\') {
            out[n++] = text[i++];
            continue;
        }
        const size_t length = unescape(text + i + 1, size - i - 2, &out[n]);
        NL_REQUIRE(length, NL_EIO, "broken pickle: an unknown escape before byte %zu", m->at);
        n++;
        i += 1 + length;
    }
    value->u.bytes.data = out;
    value->u.bytes.size = n;
    return nl_pickle_push(m, value);
}

static size_t put_utf8(uint32_t c, unsigned char *out)
{
    if (c < 0x80) {
        out[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (unsigned char)(0xC0 | c >> 6);
        out[1] = (unsigned char)(0x80 | (c & 0x3F));
        return 2;
    }
    out[0] = (unsigned char)(0xE0 | (c >> 12 & 0x0F));
    out[1] = (unsigned char)(0x80 | (c >> 6 & 0x3F));
    out[2] = (unsigned char)(0x80 | (c & 0x3F));
    return 3;
}

/* Python's raw-unicode-escape: bytes are Latin-1 characters; \uXXXX is one character (longer \U
 * escapes occur in no weights file). */
nl_status nl_pickle_line_unicode(struct nl_pickle_machine *m, const struct nl_pickle_operand *line)
{
    struct nl_pickle_value *value;
    unsigned char *out = NULL;
    size_t room, n = 0;
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_TEXT, &value));
    NL_TRY(nl_size_mul(line->size, 2, &room));
    NL_TRY(nl_pickle_bytes_new(m->arena, room, &out));
    for (size_t i = 0; i < line->size;) {
        const size_t left = line->size - i;
        uint32_t c = line->data[i];
        const bool escape = c == '\\' && left >= 6 && line->data[i + 1] == 'u' &&
                            digits(line->data + i + 2, left - 2, 4, 16, &c) == 4;
        if (!escape) c = line->data[i];
        n += put_utf8(c, out + n);
        i += escape ? 6 : 1;
    }
    value->u.bytes.data = out;
    value->u.bytes.size = n;
    return nl_pickle_push(m, value);
}
