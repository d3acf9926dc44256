/* table.h - rows of text printed in aligned columns. */
#ifndef NL_TABLE_H
#define NL_TABLE_H

#include "src/core/status.h"

#include <stdio.h>

enum { NL_TABLE_COLUMNS = 12 };

struct nl_table {
    int columns;
    const char *align; /* one letter a column: 'l' or 'r' */
    char **cells;      /* row by row */
    int rows, room;
};

/* Appends a row of table->columns cells separated by tabs; the text is copied. */
nl_status nl_table_add(struct nl_table *table, const char *fmt, ...) NL_PRINTF(2, 3) NL_MUST_CHECK;

/* Two spaces between columns, `indent` before each row, no spaces at line ends. */
void nl_table_print(const struct nl_table *table, int indent, FILE *out);

void nl_table_clear(struct nl_table *table);

#endif
