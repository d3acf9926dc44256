#include "src/app/json_text.h"

#include "src/core/text.h"

/* Length of the UTF-8 character at `text`, 0 where there is none. */
static int utf8_length(const unsigned char *text)
{
    const int more = text[0] < 0x80                      ? 0
                     : text[0] >= 0xC2 && text[0] < 0xE0 ? 1
                     : text[0] >= 0xE0 && text[0] < 0xF0 ? 2
                     : text[0] >= 0xF0 && text[0] < 0xF5 ? 3
                                                         : -1;
    for (int i = 1; i <= more; i++)
        if ((text[i] & 0xC0) != 0x80) return 0;
    return more + 1;
}

json_t *nl_json_text(const char *bytes)
{
    json_t *whole = json_string(bytes);
    if (whole) return whole;
    struct nl_text mended = {.data = NULL};
    for (const unsigned char *c = (const unsigned char *)bytes; *c;) {
        const int length = utf8_length(c);
        nl_text_add(&mended, "%.*s", length ? length : 3,
                    length ? (const char *)c : "\xEF\xBF\xBD");
        c += length ? length : 1;
    }
    whole = json_string(mended.data ? mended.data : "");
    nl_text_clear(&mended);
    return whole ? whole : json_string("?"); /* surrogates: no UTF-8 either */
}

nl_status nl_json_line(json_t *line, FILE *out)
{
    NL_REQUIRE(line, NL_ENOMEM, "out of memory for a JSON line");
    json_dumpf(line, out, JSON_COMPACT);
    fputc('\n', out);
    json_decref(line);
    return NL_OK;
}
