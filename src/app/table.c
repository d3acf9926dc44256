#include "src/app/table.h"

#include "src/core/memory.h"

#include <stdarg.h>
#include <string.h>

static nl_status make_room(struct nl_table *table)
{
    if (table->rows < table->room) return NL_OK;
    const int room = table->room ? 2 * table->room : 32;
    NL_TRY(nl_resize(&table->cells, (size_t)room * (size_t)table->columns, sizeof *table->cells));
    table->room = room;
    return NL_OK;
}

nl_status nl_table_add(struct nl_table *table, const char *fmt, ...)
{
    char line[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);

    NL_TRY(make_room(table));
    char **row = table->cells + (size_t)table->rows * (size_t)table->columns;
    for (int c = 0; c < table->columns; c++) row[c] = NULL;
    table->rows++;
    char *cell = line;
    for (int c = 0; c < table->columns; c++) {
        char *tab = strchr(cell, '\t');
        if (tab) *tab = '\0';
        NL_TRY(nl_copy_text(cell, &row[c]));
        cell = tab ? tab + 1 : cell + strlen(cell);
    }
    return NL_OK;
}

/* Characters on screen: bytes of UTF-8 that begin one. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++) width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void print_row(const struct nl_table *table, char *const *row, const int *width, FILE *out)
{
    int owed = 0; /* spaces held back, so that none end a line */
    for (int c = 0; c < table->columns; c++) {
        const int pad = width[c] - width_of(row[c]);
        const int left = table->align[c] == 'r' ? pad : 0;
        if (*row[c]) {
            fprintf(out, "%*s%s", owed + left, "", row[c]);
            owed = 0;
        } else {
            owed += left;
        }
        owed += pad - left + 2;
    }
    fputc('\n', out);
}

void nl_table_print(const struct nl_table *table, int indent, FILE *out)
{
    int width[NL_TABLE_COLUMNS] = {0};
    for (int i = 0; i < table->rows * table->columns; i++) {
        const int c = i % table->columns, w = width_of(table->cells[i]);
        if (w > width[c]) width[c] = w;
    }
    for (int r = 0; r < table->rows; r++) {
        fprintf(out, "%*s", indent, "");
        print_row(table, table->cells + (size_t)r * (size_t)table->columns, width, out);
    }
}

void nl_table_clear(struct nl_table *table)
{
    for (int i = 0; i < table->rows * table->columns; i++) nl_free(table->cells[i]);
    nl_free(table->cells);
    table->cells = NULL;
    table->rows = table->room = 0;
}
