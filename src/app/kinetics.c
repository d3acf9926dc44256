#include "src/app/kinetics.h"

#include "src/core/file.h"
#include "src/core/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { LABEL, ID, START, END, SPLIT, COLUMNS, FIELDS_MAX = 32 };

static const char *const columns[COLUMNS] = {"label", "youtube_id", "time_start", "time_end",
                                             "split"};

/* Takes the quotes off a field that begins at `field`; where the rest of the line begins, NULL
 * where the quotes do not end. */
static char *unquote(char *field)
{
    char *to = field;
    for (const char *from = field + 1; *from; from++) {
        const bool quote = *from == '"';
        if (quote && from[1] != '"') {
            *to = '\0';
            return field + (from + 1 - field);
        }
        from += quote;
        *to++ = *from;
    }
    return NULL;
}

/* Cuts a line into fields, in place; how many, or -1 where quotes do not end. */
static int cut(char *line, char *fields[FIELDS_MAX])
{
    int count = 0;
    for (char *at = line; count < FIELDS_MAX;) {
        char *end = *at == '"' ? unquote(at) : at;
        if (!end) return -1;
        fields[count++] = at;
        end += strcspn(end, ",");
        if (!*end) break;
        *end = '\0';
        at = end + 1;
    }
    return count;
}

/* Which field each column is. */
static nl_status read_header(char *line, int place[COLUMNS])
{
    static const char mark[] = "\xEF\xBB\xBF"; /* of UTF-8, from some spreadsheets */
    char *fields[FIELDS_MAX];
    const int count = cut(line + (strncmp(line, mark, 3) == 0 ? 3 : 0), fields);
    for (int c = 0; c < COLUMNS; c++) {
        int i = 0;
        while (i < count && strcmp(fields[i], columns[c]) != 0) i++;
        NL_REQUIRE(i < count, NL_EUSAGE,
                   "no column %s; want label, youtube_id, time_start, time_end and split",
                   columns[c]);
        place[c] = i;
    }
    return NL_OK;
}

static nl_status read_split(const char *text, nl_split *split)
{
    static const struct {
        const char *name;
        nl_split split;
    } names[] = {{"train", NL_SPLIT_TRAIN},
                 {"val", NL_SPLIT_VAL},
                 {"validate", NL_SPLIT_VAL},
                 {"validation", NL_SPLIT_VAL},
                 {"test", NL_SPLIT_TEST}};
    for (size_t i = 0; i < NL_COUNT(names); i++)
        if (strcmp(text, names[i].name) == 0) {
            *split = names[i].split;
            return NL_OK;
        }
    return nl_fail(NL_EUSAGE, "split \"%.32s\"; want train, val or test", text);
}

static nl_status read_seconds(const char *column, const char *text, long *out)
{
    int used = 0;
    const bool good = isdigit((unsigned char)*text) && sscanf(text, "%6ld%n", out, &used) == 1;
    NL_REQUIRE(good && !text[used], NL_EUSAGE, "%s \"%.32s\"; want seconds, 0 to 999999", column,
               text);
    return NL_OK;
}

/* A part of a path, which must not lead elsewhere. */
static nl_status check_part(const char *column, const char *text)
{
    bool plain = *text && *text != '.' && !strchr(text, '/');
    for (const char *c = text; *c; c++) plain = plain && !iscntrl((unsigned char)*c);
    NL_REQUIRE(plain && strlen(text) < 200, NL_EUSAGE, "%s \"%.64s\" is no name of a file", column,
               text);
    return NL_OK;
}

static nl_status add_row(struct nl_kinetics *rows, char *const *fields, const int place[COLUMNS])
{
    struct nl_kinetics_row row = {.label = NULL};
    long start = 0, end = 0;
    char file[300];
    NL_TRY(check_part("label", fields[place[LABEL]]));
    NL_TRY(check_part("youtube_id", fields[place[ID]]));
    NL_TRY(read_seconds("time_start", fields[place[START]], &start));
    NL_TRY(read_seconds("time_end", fields[place[END]], &end));
    NL_TRY(read_split(fields[place[SPLIT]], &row.split));
    if (rows->count == rows->room) {
        const int room = rows->room ? 2 * rows->room : 1024;
        NL_TRY(nl_resize(&rows->list, (size_t)room, sizeof *rows->list));
        rows->room = room;
    }
    snprintf(file, sizeof file, "%s_%06ld_%06ld.mp4", fields[place[ID]], start, end);
    NL_TRY(nl_copy_text(fields[place[LABEL]], &row.label));
    const nl_status st = nl_copy_text(file, &row.file);
    if (st == NL_OK)
        rows->list[rows->count++] = row;
    else
        nl_free(row.label);
    return st;
}

static nl_status read_line(struct nl_kinetics *rows, char *line, const int place[COLUMNS])
{
    char *fields[FIELDS_MAX];
    const int count = cut(line, fields);
    NL_REQUIRE(count >= 0, NL_EUSAGE, "quotes that do not end");
    for (int c = 0; c < COLUMNS; c++)
        NL_REQUIRE(place[c] < count, NL_EUSAGE, "%d columns, none of them %s", count, columns[c]);
    return add_row(rows, fields, place);
}

nl_status nl_kinetics_read(struct nl_kinetics *rows, const char *path)
{
    enum { LIMIT = 1 << 28 };
    const int before = rows->count;
    char *text = NULL;
    int place[COLUMNS] = {0}, number = 0;
    size_t size;
    NL_TRY(nl_file_read(path, LIMIT, &text, &size));
    nl_status st = NL_OK;
    for (char *line = text; st == NL_OK && line;) {
        char *next = strchr(line, '\n');
        if (next) *next++ = '\0';
        line[strcspn(line, "\r")] = '\0';
        number++;
        if (number == 1)
            st = read_header(line, place);
        else if (*line)
            st = read_line(rows, line, place);
        if (st == NL_EUSAGE) st = nl_fail(st, "%s:%d: %s", path, number, nl_error());
        line = next;
    }
    nl_free(text);
    if (st == NL_OK && rows->count == before) st = nl_fail(NL_EUSAGE, "%s: no videos", path);
    return st;
}

void nl_kinetics_clear(struct nl_kinetics *rows)
{
    for (int i = 0; i < rows->count; i++) {
        nl_free(rows->list[i].label);
        nl_free(rows->list[i].file);
    }
    nl_free(rows->list);
    *rows = (struct nl_kinetics){.list = NULL};
}
