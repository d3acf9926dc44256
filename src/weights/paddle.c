#include "src/weights/paddle.h"

#include "src/core/memory.h"
#include "src/core/text.h"
#include "src/weights/raw.h"
#include "src/weights/state_build.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

enum { DESCRIPTION_MAX = 1024, LEVELS_MAX = 16, FILES_MAX = 16384 };

struct cursor {
    const unsigned char *data;
    size_t size, at;
};

static nl_status truncated(const struct cursor *c)
{
    return nl_fail(NL_EIO, "truncated: the tensor stream ends at byte %zu", c->size);
}

static nl_status skip(struct cursor *c, uint64_t bytes)
{
    if (bytes > c->size - c->at) return truncated(c);
    c->at += (size_t)bytes;
    return NL_OK;
}

static nl_status read_number(struct cursor *c, size_t width, uint64_t *out)
{
    const unsigned char *from = c->data + c->at;
    NL_TRY(skip(c, width));
    *out = 0;
    for (size_t i = width; i-- > 0;) *out = *out << 8 | from[i];
    return NL_OK;
}

/* Protobuf's: seven bits a byte, low ones first; at most ten bytes. */
static nl_status read_varint(struct cursor *c, uint64_t *out)
{
    uint64_t byte = 0x80;
    *out = 0;
    for (int shift = 0; byte & 0x80; shift += 7) {
        NL_REQUIRE(shift < 70, NL_EIO, "a number of more than ten bytes in a tensor's description");
        NL_TRY(read_number(c, 1, &byte));
        *out |= shift < 64 ? (byte & 0x7F) << shift : 0;
    }
    return NL_OK;
}

static nl_status set_type(uint64_t number, struct nl_raw *raw)
{
    static const struct {
        unsigned number;
        nl_raw_type type;
    } known[] = {{0, NL_RAW_BOOL}, {1, NL_RAW_I16},  {2, NL_RAW_I32}, {3, NL_RAW_I64},
                 {4, NL_RAW_F16},  {5, NL_RAW_F32},  {6, NL_RAW_F64}, {20, NL_RAW_U8},
                 {21, NL_RAW_I8},  {22, NL_RAW_BF16}};
    for (size_t i = 0; i < NL_COUNT(known); i++)
        if (known[i].number == number) {
            raw->type = known[i].type;
            return NL_OK;
        }
    return nl_fail(NL_EIO, "Paddle's data type %llu is not read", (unsigned long long)number);
}

static nl_status add_dim(uint64_t number, struct nl_raw *raw)
{
    NL_REQUIRE(raw->rank < NL_ENTRY_RANK, NL_EIO, "a tensor of more than %d axes",
               (int)NL_ENTRY_RANK);
    raw->dim[raw->rank++] = (int64_t)number;
    return NL_OK;
}

/* Dims come one field each, or packed into one. */
static nl_status read_field(struct cursor *c, struct nl_raw *raw, bool *typed)
{
    enum { TYPE = 0x08, DIM = 0x10, PACKED_DIMS = 0x12 };
    uint64_t tag, number;
    NL_TRY(read_varint(c, &tag));
    NL_TRY(read_varint(c, &number));
    if (tag == TYPE) {
        *typed = true;
        return set_type(number, raw);
    }
    if (tag == DIM) return add_dim(number, raw);
    NL_REQUIRE(tag == PACKED_DIMS, NL_EIO, "unknown field %llu in a tensor's description",
               (unsigned long long)tag);
    const size_t from = c->at;
    NL_TRY(skip(c, number));
    struct cursor dims = {c->data, c->at, from};
    while (dims.at < dims.size) {
        NL_TRY(read_varint(&dims, &number));
        NL_TRY(add_dim(number, raw));
    }
    return NL_OK;
}

static nl_status read_description(struct cursor *c, struct nl_raw *raw)
{
    uint64_t length;
    bool typed = false;
    NL_TRY(read_number(c, 4, &length));
    NL_REQUIRE(length <= DESCRIPTION_MAX, NL_EIO,
               "a tensor's description of %llu bytes, want at most %d", (unsigned long long)length,
               DESCRIPTION_MAX);
    const size_t from = c->at;
    NL_TRY(skip(c, length));
    struct cursor about = {c->data, c->at, from};
    while (about.at < about.size) NL_TRY(read_field(&about, raw, &typed));
    NL_REQUIRE(typed, NL_EIO, "a tensor's description without data type");
    return NL_OK;
}

static nl_status skip_levels(struct cursor *c)
{
    uint64_t levels, bytes;
    NL_TRY(read_number(c, 8, &levels));
    NL_REQUIRE(levels <= LEVELS_MAX, NL_EIO, "a tensor of %llu levels, want at most %d",
               (unsigned long long)levels, LEVELS_MAX);
    for (uint64_t i = 0; i < levels; i++) {
        NL_TRY(read_number(c, 8, &bytes));
        NL_TRY(skip(c, bytes));
    }
    return NL_OK;
}

static nl_status read_stream(struct cursor *c, struct nl_raw *raw)
{
    uint64_t version;
    size_t count, bytes;
    NL_TRY(read_number(c, 4, &version));
    NL_REQUIRE(version == 0, NL_EIO, "no tensor stream of version 0 at byte %zu", c->at - 4);
    NL_TRY(skip_levels(c));
    NL_TRY(read_number(c, 4, &version));
    NL_REQUIRE(version == 0, NL_EIO, "no tensor of version 0 at byte %zu", c->at - 4);
    NL_TRY(read_description(c, raw));
    NL_TRY(nl_raw_bytes(raw, "tensor", &count, &bytes));
    raw->data = c->data + c->at;
    return skip(c, bytes);
}

/* The same message with the file in front; other failures as they are. */
static nl_status with_path(const struct nl_state *state, const char *file, nl_status st)
{
    if (st != NL_EIO) return st;
    return nl_state_fail(state, "%s%s%s", file, *file ? ": " : "", nl_error());
}

bool nl_paddle_is(const unsigned char *data, size_t size)
{
    static const unsigned char version[4] = {0};
    struct cursor c = {data, size, 4};
    uint64_t length;
    if (size < 20 || memcmp(data, version, 4) != 0) return false;
    if (skip_levels(&c) != NL_OK || read_number(&c, 4, &length) != NL_OK || length != 0)
        return false;
    return true;
}

nl_status nl_paddle_read_combined(struct nl_state *state)
{
    struct cursor c = {state->maps[0].data, state->maps[0].size, 0};
    state->origin = NL_ORIGIN_PADDLE;
    state->nameless = true;
    while (c.at < c.size) {
        struct nl_raw raw = {.rank = 0};
        NL_TRY(with_path(state, "", read_stream(&c, &raw)));
        NL_TRY(nl_raw_add(state, "", 0, &raw));
    }
    return NL_OK;
}

static nl_status read_file(struct nl_state *state, const char *name)
{
    char path[4096 + 256];
    struct stat about;
    struct nl_file_map map;
    struct nl_raw raw = {.rank = 0};
    snprintf(path, sizeof path, "%s/%s", state->path, name);
    const bool regular = stat(path, &about) == 0 && S_ISREG(about.st_mode);
    if (!regular) return nl_names_add(&state->ignored, name);
    NL_TRY(nl_state_map(state, path, &map));
    if (!nl_paddle_is(map.data, map.size)) return nl_names_add(&state->ignored, name);
    struct cursor c = {map.data, map.size, 0};
    NL_TRY(with_path(state, name, read_stream(&c, &raw)));
    if (c.at != c.size)
        return nl_state_fail(state, "%s: %zu bytes after its tensor", name, c.size - c.at);
    return nl_raw_add(state, name, strlen(name), &raw);
}

static nl_status read_files(struct nl_state *state, DIR *folder)
{
    int files = 0;
    for (const struct dirent *file; (file = readdir(folder));) {
        if (strcmp(file->d_name, ".") == 0 || strcmp(file->d_name, "..") == 0) continue;
        if (++files > FILES_MAX)
            return nl_state_fail(state, "a folder of more than %d files", FILES_MAX);
        NL_TRY(read_file(state, file->d_name));
    }
    return NL_OK;
}

nl_status nl_paddle_read_folder(struct nl_state *state)
{
    DIR *folder = opendir(state->path);
    if (!folder) return nl_state_fail(state, "%s", strerror(errno));
    state->origin = NL_ORIGIN_PADDLE;
    const nl_status st = read_files(state, folder);
    closedir(folder);
    return st;
}
