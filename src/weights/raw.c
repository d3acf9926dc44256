#include "src/weights/raw.h"

#include "src/core/memory.h"
#include "src/weights/state_build.h"

#include <string.h>

static const struct {
    const char *name;
    nl_type as;
    size_t size;
    bool is_signed;
} types[NL_RAW_COUNT] = {
    [NL_RAW_F64] = {"F64", NL_F64, 8, true},  [NL_RAW_F32] = {"F32", NL_F32, 4, true},
    [NL_RAW_F16] = {"F16", NL_F16, 2, true},  [NL_RAW_BF16] = {"BF16", NL_BF16, 2, true},
    [NL_RAW_I64] = {"I64", NL_I64, 8, true},  [NL_RAW_I32] = {"I32", NL_I64, 4, true},
    [NL_RAW_I16] = {"I16", NL_I64, 2, true},  [NL_RAW_I8] = {"I8", NL_I64, 1, true},
    [NL_RAW_U32] = {"U32", NL_I64, 4, false}, [NL_RAW_U16] = {"U16", NL_I64, 2, false},
    [NL_RAW_U8] = {"U8", NL_U8, 1, false},    [NL_RAW_BOOL] = {"BOOL", NL_U8, 1, false},
};

size_t nl_raw_size(nl_raw_type type)
{
    return types[type].size;
}

const char *nl_raw_name(nl_raw_type type)
{
    return types[type].name;
}

nl_status nl_raw_bytes(const struct nl_raw *raw, const char *name, size_t *count, size_t *bytes)
{
    const size_t most = SIZE_MAX / 16;
    *count = 1;
    for (int i = 0; i < raw->rank; i++) {
        const int64_t dim = raw->dim[i];
        NL_REQUIRE(dim >= 0 && (dim == 0 || *count <= most / (size_t)dim), NL_EIO,
                   "%s: impossible extent %lld", name, (long long)dim);
        *count *= (size_t)dim;
    }
    *bytes = *count * types[raw->type].size;
    return NL_OK;
}

/* The integer of `size` bytes at `at`, low byte first. */
static int64_t widen(const unsigned char *at, size_t size, bool is_signed)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++) value |= (uint64_t)at[i] << (8 * i);
    const uint64_t sign = (uint64_t)1 << ((8 * size - 1) & 63);
    if (is_signed && size < 8 && (value & sign)) value |= ~(2 * sign - 1);
    return (int64_t)value;
}

/* One element, its bytes brought into our order and width. */
static void put(const struct nl_raw *raw, const unsigned char *from, unsigned char *to)
{
    const size_t size = types[raw->type].size;
    unsigned char bytes[8];
    for (size_t i = 0; i < size; i++) bytes[i] = from[raw->big_endian ? size - 1 - i : i];
    if (nl_type_size(types[raw->type].as) == size) {
        memcpy(to, bytes, size);
        return;
    }
    const int64_t value = widen(bytes, size, types[raw->type].is_signed);
    memcpy(to, &value, sizeof value);
}

/* All elements in row-major order; `index` walks the axes as an odometer, last axis first. */
static void rewrite(const struct nl_raw *raw, size_t count, unsigned char *to)
{
    const size_t size = types[raw->type].size, step = nl_type_size(types[raw->type].as);
    int64_t index[NL_ENTRY_RANK] = {0};
    size_t stride[NL_ENTRY_RANK] = {0}, run = size, at = 0;
    for (int i = 0; i < raw->rank; i++) {
        const int axis = raw->fortran ? i : raw->rank - 1 - i;
        stride[axis] = run;
        run *= (size_t)raw->dim[axis];
    }
    const unsigned char *from = raw->data;
    for (size_t n = 0; n < count; n++, to += step) {
        put(raw, from + at, to);
        for (int axis = raw->rank - 1; axis >= 0; axis--) {
            at += stride[axis];
            if (++index[axis] < raw->dim[axis]) break;
            at -= stride[axis] * (size_t)raw->dim[axis];
            index[axis] = 0;
        }
    }
}

static bool is_ours(const struct nl_raw *raw)
{
    const bool swapped = raw->big_endian && types[raw->type].size > 1;
    const bool same = nl_type_size(types[raw->type].as) == types[raw->type].size;
    return same && !swapped && !(raw->fortran && raw->rank > 1);
}

nl_status nl_raw_add(struct nl_state *state, const char *name, size_t length,
                     const struct nl_raw *raw)
{
    struct nl_entry entry = {.type = types[raw->type].as, .rank = raw->rank};
    size_t count = 0, bytes = 0;
    memcpy(entry.dim, raw->dim, sizeof entry.dim);
    nl_status st = nl_raw_bytes(raw, state->path, &count, &bytes);
    if (st == NL_OK && is_ours(raw)) {
        entry.data = raw->data;
        entry.owned = raw->owned;
        entry.bytes = bytes;
        return nl_state_add(state, name, length, &entry);
    }
    if (st == NL_OK) st = nl_size_mul(count, nl_type_size(entry.type), &entry.bytes);
    if (st == NL_OK) st = nl_alloc(entry.bytes, &entry.owned);
    if (st == NL_OK) {
        rewrite(raw, count, entry.owned);
        entry.data = entry.owned;
        st = nl_state_add(state, name, length, &entry);
    }
    nl_free(raw->owned);
    return st;
}
