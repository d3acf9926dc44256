#include "reader/npy_clip.h"

#include "src/core/text.h"
#include "src/tensor/npy.h"

#include <string.h>

bool nl_npy_clip_is(const char *path)
{
    const size_t length = strlen(path);
    return length >= 4 && strcmp(path + length - 4, ".npy") == 0;
}

static nl_status check(const char *path, const struct nl_npy *npy, int length, int crop)
{
    const int64_t want[4] = {3, length, crop, crop};
    char shown[512], shape[128] = "";
    nl_text_escape(path, shown, sizeof shown);
    size_t used = 0;
    for (int i = 0; i < npy->rank; i++)
        used += (size_t)snprintf(shape + used, sizeof shape - used, "%s%lld", i ? "," : "",
                                 (long long)npy->dim[i] % 1000000000000);
    const bool same = npy->rank == 4 && memcmp(npy->dim, want, sizeof want) == 0;
    if (same && npy->type == NL_F32) return NL_OK;
    return nl_fail(NL_EIO, "%s: want a clip of type f32 and shape (3,%d,%d,%d), got %s (%s)", shown,
                   length, crop, crop, nl_type_name(npy->type), shape);
}

nl_status nl_npy_clip_read(const char *path, int length, int crop, float *clip)
{
    struct nl_npy npy;
    NL_TRY(nl_npy_read(path, &npy));
    const nl_status st = check(path, &npy, length, crop);
    const int64_t pixels = (int64_t)length * crop * crop;
    const float *restrict from = npy.data;
    for (int64_t i = 0; st == NL_OK && i < pixels; i++)
        for (int64_t c = 0; c < 3; c++) clip[3 * i + c] = from[c * pixels + i];
    nl_npy_clear(&npy);
    return st;
}
