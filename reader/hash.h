/* hash.h - SHA-256 of a file, for manifests (libavutil's). */
#ifndef NL_HASH_H
#define NL_HASH_H

#include "src/core/status.h"

enum { NL_HASH_TEXT = 65 };

/* 64 hexadecimal digits and a NUL. NL_EIO with the path. */
nl_status nl_file_sha256(const char *path, char out[NL_HASH_TEXT]) NL_MUST_CHECK;

#endif
