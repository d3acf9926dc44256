/* inputs.h - which videos a command works on, and which views of each.
 *
 * From bare arguments (files and folders), one path, or a list: lines of PATH, PATH LABEL, or
 * PATH INDEX TEMPORAL SPATIAL. Integers are read from the right, so paths may contain spaces; a
 * line that names an existing file as a whole is one column. All lines have the same number of
 * columns; blanks around a line, empty lines and a byte order mark do not count.
 */
#ifndef NL_INPUTS_H
#define NL_INPUTS_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stdint.h>

/* One view asked for by a four-column list. */
struct nl_input_view {
    int temporal, spatial;
};

struct nl_input {
    char *path;
    int line, columns;           /* of a list; 0 without */
    int64_t label;               /* of a two-column list; -1 without */
    int64_t index;               /* of a four-column list; -1 without */
    struct nl_input_view *views; /* of a four-column list; NULL: all T x S */
    int n_views;
};

struct nl_inputs {
    struct nl_input *list;
    int count, room;
};

/* Appends a file as it is, or the regular files of a folder (sorted, sub-folders too) whose names
 * end as videos do. NL_EIO for a folder that cannot be read or holds no video. */
nl_status nl_inputs_add_path(struct nl_inputs *inputs, const char *path) NL_MUST_CHECK;

/* Appends a list's videos; lines of one index in a four-column list become one input. NL_EIO,
 * NL_EUSAGE with file and line. */
nl_status nl_inputs_add_list(struct nl_inputs *inputs, const char *path) NL_MUST_CHECK;

void nl_inputs_clear(struct nl_inputs *inputs);

#endif
