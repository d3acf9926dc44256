#include "src/core/text.h"

#include "src/core/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static bool make_room(struct nl_text *text, size_t more)
{
    size_t room = text->room ? text->room : 256;
    while (room < text->length + more + 1) room *= 2;
    if (room > text->room && nl_resize(&text->data, room, 1) != NL_OK) return false;
    text->room = room;
    return true;
}

void nl_text_add(struct nl_text *text, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const int more = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (more < 0 || text->failed || !make_room(text, (size_t)more)) {
        text->failed = true;
        return;
    }
    va_start(ap, fmt);
    vsnprintf(text->data + text->length, (size_t)more + 1, fmt, ap);
    va_end(ap);
    text->length += (size_t)more;
}

nl_status nl_text_check(const struct nl_text *text)
{
    NL_REQUIRE(!text->failed, NL_ENOMEM, "out of memory while writing text");
    return NL_OK;
}

void nl_text_clear(struct nl_text *text)
{
    nl_free(text->data);
    *text = (struct nl_text){.data = NULL};
}

char *nl_text_escape(const char *text, char *out, size_t size)
{
    size_t used = 0;
    for (; *text && used + 5 < size; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c == '\n')
            used += (size_t)snprintf(out + used, size - used, "\\n");
        else if (c < 32 || c == 127)
            used += (size_t)snprintf(out + used, size - used, "\\x%02X", c);
        else
            out[used++] = (char)c;
    }
    out[used] = '\0';
    return out;
}

int nl_edit_distance(const char *a, const char *b)
{
    enum { LONGEST = 64 };
    int row[LONGEST + 1];
    const int n = (int)strnlen(a, LONGEST), m = (int)strnlen(b, LONGEST);
    for (int j = 0; j <= m; j++) row[j] = j;
    for (int i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= m; j++) {
            const int change = diagonal + (a[i - 1] != b[j - 1]);
            const int step = 1 + (row[j] < row[j - 1] ? row[j] : row[j - 1]);
            diagonal = row[j];
            row[j] = change < step ? change : step;
        }
    }
    return row[m];
}

const char *nl_suggest(const char *word, const char *const *known)
{
    const char *best = NULL;
    int least = (int)strnlen(word, 64) / 2 + 2; /* further away is no suggestion */
    for (; *known; known++) {
        const int distance = nl_edit_distance(word, *known);
        if (distance >= least) continue;
        least = distance;
        best = *known;
    }
    return best;
}
