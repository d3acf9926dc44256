/* state_build.h - what the readers of the forms share; nothing here is for users of a state. */
#ifndef NL_STATE_BUILD_H
#define NL_STATE_BUILD_H

#include "src/weights/state.h"

/* NL_EIO with "PATH: " and the message, control characters escaped (names come from files). */
nl_status nl_state_fail(const struct nl_state *state, const char *fmt, ...) NL_PRINTF(2, 3);

/* Appends an entry. It borrows `data`, or takes `owned` over (also on failure) where that is not
 * NULL. NL_EIO for too many or a name too long; NL_ENOMEM. */
nl_status nl_state_add(struct nl_state *state, const char *name, size_t length,
                       const struct nl_entry *entry) NL_MUST_CHECK;

/* Maps a file and keeps the mapping with the state. `*map` stays valid until the state is cleared.
 * NL_EIO. */
nl_status nl_state_map(struct nl_state *state, const char *path,
                       struct nl_file_map *map) NL_MUST_CHECK;

/* Sorts by name. NL_EIO for a name held twice. */
nl_status nl_state_sort(struct nl_state *state) NL_MUST_CHECK;

/* The first few names as text, "a, b, c and 5 more". */
void nl_names_text(const struct nl_names *names, char *out, size_t size);

#endif
