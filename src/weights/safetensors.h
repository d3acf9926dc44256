/* safetensors.h - the safetensors format: 8 bytes header length, JSON header, data. */
#ifndef NL_SAFETENSORS_H
#define NL_SAFETENSORS_H

#include "src/weights/state.h"

/* Whether the mapped file begins as safetensors do. */
bool nl_safetensors_is(const struct nl_file_map *map);

/* Adds the tensors of the file mapped in state->maps[0] and its metadata, and sets the origin. Data
 * must be covered exactly, without gaps or overlaps. 8, 16 and 32 bit integers become I64 (U8 and
 * BOOL U8). NL_EIO. */
nl_status nl_safetensors_read(struct nl_state *state) NL_MUST_CHECK;

/* Gives the bytes of one entry, valid until the next call. */
typedef nl_status nl_entry_source(void *user, const struct nl_entry *entry, const void **data);

/* Writes entries in the order of their names, whole or not at all (nl_file_write). `source` NULL:
 * each entry's own data. NL_EIO with the path: full disk, no permission. */
nl_status nl_safetensors_write(const char *path, const struct nl_entry *list, int count,
                               const struct nl_meta *meta, int n_meta, nl_entry_source *source,
                               void *user) NL_MUST_CHECK;

/* Writes all parameters under their names in the field's layout, F32 (F64 parameters as F64), with
 * format=nonlocal and `meta` as metadata. `velocities`: the optimizer's too (nl_params_train), as
 * NAME_velocity_0 of the same type. NL_EIO names a tensor with a number that is not finite, and
 * leaves `path` as it was. */
nl_status nl_params_save(const struct nl_params *params, const char *path,
                         const struct nl_meta *meta, int n_meta, bool velocities) NL_MUST_CHECK;

/* The parameter whose velocity has that name; -1: none. */
int nl_params_find_velocity(const struct nl_params *params, const char *name);

/* Sets the velocities of a file written with them; *found says whether it has any. NL_ESHAPE where
 * one does not fit or some are missing. */
nl_status nl_params_load_velocities(struct nl_params *params, const struct nl_state *state,
                                    bool *found) NL_MUST_CHECK;

#endif
