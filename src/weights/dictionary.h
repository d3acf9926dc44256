/* dictionary.h - weights in a pickled dictionary: Paddle's .pdparams, Caffe2's .pkl. */
#ifndef NL_DICTIONARY_H
#define NL_DICTIONARY_H

#include "src/weights/state.h"

/* Adds the arrays of the pickle mapped in state->maps[0] and sets the origin. Caffe2's files hold
 * them under `blobs` or, cleaned, at the top; its blobs get the original's names, momenta, learning
 * rate and iteration are counted in state->solver and left out. Other values than arrays are listed
 * in state->ignored. NL_EIO. */
nl_status nl_dictionary_read(struct nl_state *state) NL_MUST_CHECK;

#endif
