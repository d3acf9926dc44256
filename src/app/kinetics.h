/* kinetics.h - the lists that Kinetics comes with.
 *
 * A CSV file whose first line names its columns; label, youtube_id, time_start, time_end and split
 * are wanted in any order, others are skipped. Fields may be in quotes (RFC 4180), without line
 * breaks. A video is a file YOUTUBEID_SSSSSS_EEEEEE.mp4, its times in six digits.
 */
#ifndef NL_KINETICS_H
#define NL_KINETICS_H

#include "src/core/status.h"

typedef enum { NL_SPLIT_TRAIN, NL_SPLIT_VAL, NL_SPLIT_TEST } nl_split;

struct nl_kinetics_row {
    char *label, *file; /* of the folder's files */
    nl_split split;
};

struct nl_kinetics {
    struct nl_kinetics_row *list;
    int count, room;
};

/* Appends the rows of a file. NL_EUSAGE with file and line for a column that lacks, a split other
 * than train, val (validate) and test, times that are no seconds, and labels and names that could
 * not be files; NL_EIO; NL_ENOMEM. */
nl_status nl_kinetics_read(struct nl_kinetics *rows, const char *path) NL_MUST_CHECK;
void nl_kinetics_clear(struct nl_kinetics *rows);

#endif
