/* result.h - the classes of one video: ranked, as a table and as a JSON line. */
#ifndef NL_RESULT_H
#define NL_RESULT_H

#include "src/app/labels.h"

#include <stdio.h>

/* One video's mean probabilities. */
struct nl_result {
    const char *video; /* path as given */
    const char *about; /* "h264 340x256, 10.1 s, 303 frames" */
    int64_t frames;
    int views;
    const char *backend;
    const double *probability; /* [classes] */
    int classes;
};

/* Indices of the `k` most probable classes, most probable first; equal ones by index. */
void nl_top_classes(const double *probability, int classes, int k, int *out);

/* The video, what it is, and an aligned table of the top classes. */
nl_status nl_result_print(const struct nl_result *result, const struct nl_labels *labels, int k,
                          FILE *out) NL_MUST_CHECK;

/* One object a line: {"video","frames","views","backend","top":[{"class","label","probability"}]}.
 * A path that is no UTF-8 is written with U+FFFD for what is not. */
nl_status nl_result_json(const struct nl_result *result, const struct nl_labels *labels, int k,
                         FILE *out) NL_MUST_CHECK;

#endif
