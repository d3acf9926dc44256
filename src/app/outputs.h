/* outputs.h - what results are written to. */
#ifndef NL_OUTPUTS_H
#define NL_OUTPUTS_H

#include "src/core/status.h"

/* Makes the folder with those above it and tries to write there. NL_EUSAGE naming `flag`. */
nl_status nl_folder_ready(const char *flag, const char *folder) NL_MUST_CHECK;

/* NL_EUSAGE where what `flag` would write, `output`, is the file `input`; either may be NULL. */
nl_status nl_is_no_input(const char *flag, const char *output, const char *input) NL_MUST_CHECK;

#endif
