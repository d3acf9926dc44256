/* text.h - growable text, and words for messages. */
#ifndef NL_TEXT_H
#define NL_TEXT_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stddef.h>

/* All zero is empty. A failed allocation is remembered; nl_text_check reports it. */
struct nl_text {
    char *data; /* NUL-terminated once anything was added; NULL before */
    size_t length, room;
    bool failed;
};

void nl_text_add(struct nl_text *text, const char *fmt, ...) NL_PRINTF(2, 3);

/* NL_ENOMEM if an add failed. */
nl_status nl_text_check(const struct nl_text *text) NL_MUST_CHECK;
void nl_text_clear(struct nl_text *text);

/* `text` with control characters as \n or \xNN, for one-line messages. Truncates. Returns out. */
char *nl_text_escape(const char *text, char *out, size_t size);

/* The entry of `known` (NULL-terminated) nearest to `word` by edit distance; NULL if none is
 * near. */
const char *nl_suggest(const char *word, const char *const *known);

/* Edit distance of two words, insertions, deletions and changes counting 1; at most 64 characters
 * of each are looked at. */
int nl_edit_distance(const char *a, const char *b);

#endif
