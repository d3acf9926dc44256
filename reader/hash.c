#include "reader/hash.h"

#include "src/core/file.h"
#include "src/core/memory.h"

#include <libavutil/mem.h>
#include <libavutil/sha.h>
#include <stdint.h>
#include <stdio.h>

nl_status nl_file_sha256(const char *path, char out[NL_HASH_TEXT])
{
    struct nl_file_map map;
    uint8_t digest[32];
    NL_TRY(nl_file_map(path, &map));
    struct AVSHA *sha = av_sha_alloc();
    if (!sha) {
        nl_file_unmap(&map);
        return nl_fail(NL_ENOMEM, "out of memory for the hash of %s", path);
    }
    av_sha_init(sha, 256);
    if (map.size) av_sha_update(sha, map.data, map.size);
    av_sha_final(sha, digest);
    av_free(sha);
    nl_file_unmap(&map);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(out + 2 * i, 3, "%02x", (unsigned)digest[i]);
    return NL_OK;
}
