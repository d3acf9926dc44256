/* json_text.h - what the program's JSON files share: texts of any bytes, and lines. */
#ifndef NL_JSON_TEXT_H
#define NL_JSON_TEXT_H

#include "src/core/status.h"

#include <jansson.h>
#include <stdio.h>

/* The text, with U+FFFD for what is no UTF-8; NULL out of memory. */
json_t *nl_json_text(const char *bytes);

/* Writes `line`, which it takes over, as one line. NL_ENOMEM where it is NULL. */
nl_status nl_json_line(json_t *line, FILE *out) NL_MUST_CHECK;

#endif
