/* labels.h - names of classes: the 400 of Kinetics, or a JSON array in a file. */
#ifndef NL_LABELS_H
#define NL_LABELS_H

#include "src/core/options.h"

struct nl_labels {
    char **names; /* one a class, printed with spaces; NULL: there are no names */
    int count;
};

/* The file INFER.kinetics_labels where it was given or exists at its default path (a JSON array of
 * names, or an object from name to index); else the built-in names where there are 400 classes;
 * else none. NL_EUSAGE where a file's count is not MODEL.num_classes; NL_EIO where a file that was
 * given cannot be read. nl_labels_clear undoes it. */
nl_status nl_labels_open(struct nl_labels *labels,
                         const struct nl_settings *settings) NL_MUST_CHECK;
void nl_labels_clear(struct nl_labels *labels);

/* The name, or "class N" into `scratch` (32 bytes) where there is none. */
const char *nl_label(const struct nl_labels *labels, int index, char *scratch);

#endif
