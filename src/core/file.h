/* file.h - whole files: read, mapped, and written so that a crash leaves the old one intact. */
#ifndef NL_FILE_H
#define NL_FILE_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stdio.h>

/* Opens a regular file for reading without waiting (a FIFO would block) and gives its size. `*fd`
 * is the caller's to close. NL_EIO with the path and the reason: missing, a folder, no
 * permission. */
nl_status nl_file_open(const char *path, int *fd, size_t *size) NL_MUST_CHECK;

/* Reads a regular file fully, adding a NUL. `*text` is the caller's to nl_free. NL_EIO if it cannot
 * be read or is over `limit` bytes; NL_ENOMEM. */
nl_status nl_file_read(const char *path, size_t limit, char **text, size_t *size) NL_MUST_CHECK;

/* Makes a folder and those above it where they are missing. NL_EIO with the path and the reason. */
nl_status nl_folder_make(const char *path) NL_MUST_CHECK;

/* A regular file's bytes, read-only, in memory that the system fills on demand. */
struct nl_file_map {
    const unsigned char *data; /* NULL for an empty file */
    size_t size;
};
nl_status nl_file_map(const char *path, struct nl_file_map *map) NL_MUST_CHECK;
void nl_file_unmap(struct nl_file_map *map);

/* A file being written. It appears under its name, whole, at commit: written beside it, synced,
 * renamed. A target that exists and is no regular file (/dev/null) is written directly. */
struct nl_file_write {
    FILE *file;
    char path[4096], temporary[4200]; /* temporary is "" where the target is written directly */
};
nl_status nl_file_write_begin(struct nl_file_write *w, const char *path) NL_MUST_CHECK;
/* Exactly one of these ends a begun write. commit: NL_EIO (the old file stays) on any failure so
 * far. */
nl_status nl_file_write_commit(struct nl_file_write *w) NL_MUST_CHECK;
void nl_file_write_abort(struct nl_file_write *w);

#endif
