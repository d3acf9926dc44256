#include "src/app/inputs.h"

#include "src/core/file.h"
#include "src/core/memory.h"
#include "src/core/text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

static nl_status add(struct nl_inputs *inputs, const char *path, struct nl_input **out)
{
    if (inputs->count == inputs->room) {
        const int room = inputs->room ? 2 * inputs->room : 64;
        NL_TRY(nl_resize(&inputs->list, (size_t)room, sizeof *inputs->list));
        inputs->room = room;
    }
    struct nl_input *input = &inputs->list[inputs->count];
    *input = (struct nl_input){.label = -1, .index = -1};
    NL_TRY(nl_copy_text(path, &input->path));
    inputs->count++;
    *out = input;
    return NL_OK;
}

static bool looks_like_video(const char *name)
{
    static const char *const endings[] = {".mp4", ".m4v", ".mov",  ".mkv", ".webm",
                                          ".avi", ".mpg", ".mpeg", ".ts",  ".flv",
                                          ".ogv", ".wmv", ".asf",  ".3gp", NULL};
    const char *dot = strrchr(name, '.');
    for (int i = 0; dot && endings[i]; i++)
        if (strcasecmp(dot, endings[i]) == 0) return true;
    return false;
}

enum { DEPTH_MAX = 16 };

static nl_status add_folder(struct nl_inputs *inputs, const char *path, int depth);

static nl_status add_entry(struct nl_inputs *inputs, const char *folder, const char *name,
                           int depth)
{
    struct stat about;
    struct nl_input *input;
    struct nl_text path = {.data = NULL};
    nl_text_add(&path, "%s/%s", folder, name);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK && name[0] != '.' && stat(path.data, &about) == 0) {
        if (S_ISDIR(about.st_mode) && depth < DEPTH_MAX)
            st = add_folder(inputs, path.data, depth + 1);
        else if (S_ISREG(about.st_mode) && looks_like_video(name))
            st = add(inputs, path.data, &input);
    }
    nl_text_clear(&path);
    return st;
}

static nl_status add_folder(struct nl_inputs *inputs, const char *path, int depth)
{
    struct dirent **entries = NULL;
    const int count = scandir(path, &entries, NULL, alphasort);
    nl_status st = NL_OK;
    NL_REQUIRE(count >= 0, NL_EIO, "%s: %s", path, strerror(errno));
    for (int i = 0; i < count; i++) {
        if (st == NL_OK) st = add_entry(inputs, path, entries[i]->d_name, depth);
        nl_free(entries[i]); /* of malloc, as all that nl_free takes */
    }
    nl_free(entries);
    return st;
}

nl_status nl_inputs_add_path(struct nl_inputs *inputs, const char *path)
{
    struct stat about;
    struct nl_input *input;
    const int before = inputs->count;
    if (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)) return add(inputs, path, &input);
    NL_TRY(add_folder(inputs, path, 0));
    NL_REQUIRE(inputs->count > before, NL_EIO, "%s: no video in this folder", path);
    return NL_OK;
}

/* Cuts an integer off the right end of `line`; `*cut` is false where there is none. */
static nl_status cut_integer(char *line, int64_t *out, bool *cut)
{
    char *space = strrchr(line, ' '), *tab = strrchr(line, '\t'), *end;
    char *word = space > tab ? space : tab;
    *cut = false;
    if (!word || word == line || !word[1]) return NL_OK;
    errno = 0;
    *out = strtoll(word + 1, &end, 10);
    if (*end) return NL_OK;
    NL_REQUIRE(!errno, NL_EUSAGE, "%.40s is out of range", word + 1);
    while (word > line && (word[-1] == ' ' || word[-1] == '\t')) word--;
    *word = '\0';
    *cut = true;
    return NL_OK;
}

/* Columns of a line: `number` gets the integers from the left; the path stays in `line`. */
static nl_status split(char *line, int64_t number[3], int *columns)
{
    struct stat about;
    int64_t from_right[3];
    int n = 0;
    bool cut = stat(line, &about) != 0;
    while (cut && n < 3) {
        NL_TRY(cut_integer(line, &from_right[n], &cut));
        n += cut;
        if (n == 1 && stat(line, &about) == 0) break; /* two columns: what is left is a file */
    }
    for (int i = 0; i < n; i++) number[i] = from_right[n - 1 - i];
    *columns = n + 1;
    return NL_OK;
}

static struct nl_input *of_index(struct nl_inputs *inputs, int first, int64_t index)
{
    for (int i = inputs->count - 1; i >= first; i--)
        if (inputs->list[i].index == index) return &inputs->list[i];
    return NULL;
}

static nl_status add_view(struct nl_inputs *inputs, int first, const char *path,
                          const int64_t number[3])
{
    NL_REQUIRE(number[0] >= 0, NL_EUSAGE, "index %lld is negative", (long long)number[0]);
    struct nl_input *input = of_index(inputs, first, number[0]);
    NL_REQUIRE(number[1] >= 0 && number[1] < 1000000 && number[2] >= 0 && number[2] < 6, NL_EUSAGE,
               "temporal position %lld or crop %lld out of range", (long long)number[1],
               (long long)number[2]);
    if (!input) NL_TRY(add(inputs, path, &input));
    NL_REQUIRE(strcmp(input->path, path) == 0, NL_EUSAGE, "index %lld stands for two videos",
               (long long)number[0]);
    input->index = number[0];
    NL_TRY(nl_resize(&input->views, (size_t)input->n_views + 1, sizeof *input->views));
    input->views[input->n_views++] = (struct nl_input_view){(int)number[1], (int)number[2]};
    return NL_OK;
}

static nl_status add_line(struct nl_inputs *inputs, int first, char *line, int *columns)
{
    char shown[160];
    int64_t number[3] = {0};
    int found;
    struct nl_input *input;
    nl_text_escape(line, shown, sizeof shown);
    NL_TRY(split(line, number, &found));
    NL_REQUIRE(found != 3, NL_EUSAGE,
               "3 columns; want PATH, PATH LABEL, or PATH INDEX TEMPORAL SPATIAL: \"%s\"", shown);
    NL_REQUIRE(!*columns || *columns == found, NL_EUSAGE,
               "%d columns where lines before have %d: \"%s\"", found, *columns, shown);
    *columns = found;
    if (found == 4) return add_view(inputs, first, line, number);
    NL_TRY(add(inputs, line, &input));
    if (found == 2) input->label = number[0];
    return NL_OK;
}

/* The line without the blanks around it, cut in place. */
static char *strip(char *line)
{
    static const char blanks[] = " \t\r";
    line += strspn(line, blanks);
    size_t length = strlen(line);
    while (length && strchr(blanks, line[length - 1])) length--;
    line[length] = '\0';
    return line;
}

static nl_status add_lines(struct nl_inputs *inputs, char *text, int *number)
{
    const int first = inputs->count;
    int columns = 0;
    for (char *line = text; line;) {
        char *next = strchr(line, '\n');
        if (next) *next++ = '\0';
        ++*number;
        line = strip(line);
        const int before = inputs->count;
        if (*line) NL_TRY(add_line(inputs, first, line, &columns));
        if (inputs->count > before) {
            inputs->list[before].line = *number;
            inputs->list[before].columns = columns;
        }
        line = next;
    }
    return NL_OK;
}

/* A list of UTF-16 has NUL bytes too. */
static nl_status check_text(const char *text, size_t size, int *number)
{
    const char *nul = memchr(text, '\0', size);
    if (!nul) return NL_OK;
    *number = 1;
    for (const char *c = text; c < nul; c++) *number += *c == '\n';
    return nl_fail(NL_EUSAGE, "a NUL byte; want lines of text");
}

nl_status nl_inputs_add_list(struct nl_inputs *inputs, const char *path)
{
    enum { LIMIT = 1 << 28 };
    static const char mark[] = "\xEF\xBB\xBF"; /* some editors begin UTF-8 with it */
    char *text = NULL;
    size_t size;
    int number = 0;
    const int first = inputs->count;
    NL_TRY(nl_file_read(path, LIMIT, &text, &size));
    const size_t skip = strncmp(text, mark, 3) == 0 ? 3 : 0;
    nl_status st = check_text(text, size, &number);
    if (st == NL_OK) st = add_lines(inputs, text + skip, &number);
    if (st == NL_EUSAGE) st = nl_fail(st, "%s:%d: %s", path, number, nl_error());
    nl_free(text);
    if (st == NL_OK && inputs->count == first) st = nl_fail(NL_EUSAGE, "%s: an empty list", path);
    return st;
}

void nl_inputs_clear(struct nl_inputs *inputs)
{
    for (int i = 0; i < inputs->count; i++) {
        nl_free(inputs->list[i].path);
        nl_free(inputs->list[i].views);
    }
    nl_free(inputs->list);
    *inputs = (struct nl_inputs){.list = NULL};
}
