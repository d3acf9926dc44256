/* viewspec.h - the views that a command's flags and configuration ask for. */
#ifndef NL_VIEWSPEC_H
#define NL_VIEWSPEC_H

#include "reader/views.h"
#include "src/app/command.h"

/* --views=TxS, else from INFER.num_test_clips and INFER.use_multi_crop as the original does.
 * NL_EUSAGE. */
nl_status nl_view_spec(const struct nl_run *run, struct nl_view_spec *spec) NL_MUST_CHECK;

/* The same of TEST, for evaluation. */
nl_status nl_view_spec_test(const struct nl_run *run, struct nl_view_spec *spec) NL_MUST_CHECK;

/* NL_EUSAGE where the smallest resized frame has no room for the crop. */
nl_status nl_crop_check(const char *section, const struct nl_sampling *sampling) NL_MUST_CHECK;

#endif
