/* load.h - weights of --weights: what they say about the network, and their values.
 *
 * A flag or --set goes before the checkpoint, which goes before the configuration file. A
 * checkpoint of ours carries its configuration; of foreign files arc, width, classes and blocks
 * are told from names and shapes. A flag that contradicts the file is an error that says what fits.
 */
#ifndef NL_LOAD_H
#define NL_LOAD_H

#include "src/app/command.h"
#include "src/tensor/params.h"
#include "src/weights/state.h"

/* Reads run->args.weights and resolves run->settings with what it says. NL_EIO, NL_EUSAGE.
 * `*state` is for nl_state_clear after success. */
nl_status nl_load_open(struct nl_run *run, struct nl_state *state) NL_MUST_CHECK;

/* Sets the parameters and notes one line: loaded, reshaped, rescaled, missing, unused. */
nl_status nl_load_apply(const struct nl_run *run, struct nl_state *state,
                        struct nl_params *params) NL_MUST_CHECK;

/* What to say where weights are needed and none were given. */
const char *nl_load_hint(void);

#endif
