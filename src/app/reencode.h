/* reencode.h - a video once more, small and with many key frames, so that training reads it quickly
 * at any place. */
#ifndef NL_REENCODE_H
#define NL_REENCODE_H

#include "src/core/status.h"

#include <stdbool.h>

struct nl_reencode_spec {
    int short_side;   /* pixels; smaller videos keep their size */
    int key_interval; /* frames */
};

/* Writes the frames of `from` to `to`, which appears whole. *broken says that `from` is to blame
 * for a failure. NL_EIO, NL_ENOMEM; NL_EINTR when nl_interrupted. */
nl_status nl_reencode(const char *from, const char *to, const struct nl_reencode_spec *spec,
                      bool *broken) NL_MUST_CHECK;

#endif
