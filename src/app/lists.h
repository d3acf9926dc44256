/* lists.h - what is wrong with a list of labelled videos. */
#ifndef NL_LISTS_H
#define NL_LISTS_H

#include "reader/sampling.h"
#include "src/app/inputs.h"

/* NL_EUSAGE with file and line for a label that is not 0 to classes - 1. */
nl_status nl_list_check_labels(const struct nl_inputs *inputs, const char *list,
                               int classes) NL_MUST_CHECK;

/* What tells one file from another: its path without links, "." and ".."; `path` as it is where
 * there is no such file. `*real` is the caller's to nl_free. NL_ENOMEM. */
nl_status nl_list_real_path(const char *path, char **real) NL_MUST_CHECK;

/* NL_EUSAGE with both lines for a file that comes twice, under whatever paths. */
nl_status nl_list_check_twice(const struct nl_inputs *inputs, const char *list) NL_MUST_CHECK;

/* NL_EUSAGE with file and the video's first line for a view of a four-column list that `spec` has
 * not. */
nl_status nl_list_check_views(const struct nl_inputs *inputs, const char *list,
                              const struct nl_view_spec *spec) NL_MUST_CHECK;

#endif
