#include "src/weights/safetensors.h"

#include "src/core/memory.h"
#include "src/weights/raw.h"
#include "src/weights/state_build.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The format's own limit of the header, and how many JSON values we are ready to build from it. */
enum { HEADER_MAX = 100 * 1000 * 1000, VALUES_MAX = 2 * 1000 * 1000 };

/* Data of one tensor, in bytes after the header. */
struct extent {
    uint64_t from, to;
};

static uint64_t header_size(const struct nl_file_map *map)
{
    uint64_t size = 0;
    for (int i = 8; i-- > 0;) size = size << 8 | map->data[i];
    return size;
}

bool nl_safetensors_is(const struct nl_file_map *map)
{
    return map->size > 8 && header_size(map) <= HEADER_MAX && map->data[8] == '{';
}

static bool type_of(const char *name, nl_raw_type *out)
{
    for (int type = 0; type < NL_RAW_COUNT; type++)
        if (strcmp(name, nl_raw_name((nl_raw_type)type)) == 0) {
            *out = (nl_raw_type)type;
            return true;
        }
    return false;
}

static nl_status read_shape(const struct nl_state *state, const char *name, const json_t *shape,
                            struct nl_raw *raw)
{
    if (!json_is_array(shape) || json_array_size(shape) > NL_ENTRY_RANK)
        return nl_state_fail(state, "%s: want a shape of at most %d extents", name,
                             (int)NL_ENTRY_RANK);
    raw->rank = (int)json_array_size(shape);
    for (int i = 0; i < raw->rank; i++) {
        const json_t *dim = json_array_get(shape, (size_t)i);
        if (!json_is_integer(dim) || json_integer_value(dim) < 0)
            return nl_state_fail(state, "%s: an extent that is no number", name);
        raw->dim[i] = json_integer_value(dim);
    }
    return NL_OK;
}

static nl_status read_extent(const struct nl_state *state, const char *name, const json_t *offsets,
                             uint64_t size, struct extent *extent)
{
    const json_t *from = json_array_get(offsets, 0), *to = json_array_get(offsets, 1);
    if (json_array_size(offsets) != 2 || !json_is_integer(from) || !json_is_integer(to))
        return nl_state_fail(state, "%s: want data_offsets of two numbers", name);
    const int64_t first = json_integer_value(from), last = json_integer_value(to);
    if (first < 0 || last < first || (uint64_t)last > size)
        return nl_state_fail(state,
                             "%s: truncated or broken: its data is bytes %lld to %lld of %llu",
                             name, (long long)first, (long long)last, (unsigned long long)size);
    *extent = (struct extent){(uint64_t)first, (uint64_t)last};
    return NL_OK;
}

static nl_status read_tensor(struct nl_state *state, const char *name, const json_t *about,
                             const unsigned char *data, uint64_t size, struct extent *extent)
{
    const char *type = json_string_value(json_object_get(about, "dtype"));
    struct nl_raw raw = {.rank = 0};
    size_t count, bytes;
    if (!type || !type_of(type, &raw.type))
        return nl_state_fail(state, "%s: data type %s is not read", name, type ? type : "(none)");
    NL_TRY(read_shape(state, name, json_object_get(about, "shape"), &raw));
    NL_TRY(read_extent(state, name, json_object_get(about, "data_offsets"), size, extent));
    if (nl_raw_bytes(&raw, name, &count, &bytes) != NL_OK)
        return nl_state_fail(state, "%s", nl_error());
    if (bytes != extent->to - extent->from)
        return nl_state_fail(state, "%s: %llu bytes of data, its shape wants %zu", name,
                             (unsigned long long)(extent->to - extent->from), bytes);
    raw.data = data + extent->from;
    return nl_raw_add(state, name, strlen(name), &raw);
}

static int by_place(const void *a, const void *b)
{
    const struct extent *one = a, *two = b;
    if (one->from != two->from) return one->from < two->from ? -1 : 1;
    return one->to < two->to ? -1 : one->to > two->to;
}

/* The format wants every byte to belong to one tensor. */
static nl_status check_cover(const struct nl_state *state, struct extent *extents, size_t count,
                             uint64_t size)
{
    uint64_t at = 0;
    if (count) qsort(extents, count, sizeof *extents, by_place);
    for (size_t i = 0; i < count; i++) {
        if (extents[i].from != at)
            return nl_state_fail(state, "broken: tensors %s at byte %llu of the data",
                                 extents[i].from < at ? "overlap" : "leave a gap",
                                 (unsigned long long)at);
        at = extents[i].to;
    }
    if (at != size)
        return nl_state_fail(state, "%llu bytes of data belong to no tensor",
                             (unsigned long long)(size - at));
    return NL_OK;
}

static nl_status read_meta(struct nl_state *state, json_t *meta)
{
    const char *key;
    json_t *text;
    if (!json_is_object(meta) || json_object_size(meta) > 4096)
        return nl_state_fail(state, "want __metadata__ of at most 4096 texts");
    json_object_foreach(meta, key, text)
    {
        if (!json_is_string(text)) return nl_state_fail(state, "metadata %s is no text", key);
        NL_TRY(nl_state_set_meta(state, key, json_string_value(text)));
    }
    return NL_OK;
}

static nl_status read_tensors(struct nl_state *state, json_t *header, const unsigned char *data,
                              uint64_t size)
{
    const char *name;
    json_t *about;
    struct extent *extents = NULL;
    size_t count = 0;
    nl_status st = nl_calloc(json_object_size(header), sizeof *extents, &extents);
    json_object_foreach(header, name, about)
    {
        if (st != NL_OK) break;
        if (strcmp(name, "__metadata__") == 0)
            st = read_meta(state, about);
        else
            st = read_tensor(state, name, about, data, size, &extents[count++]);
    }
    if (st == NL_OK) st = check_cover(state, extents, count, size);
    nl_free(extents);
    return st;
}

/* Each JSON value but the first ends a "[", "{", "," or ":", so these bound what jansson
 * allocates. */
static size_t count_values(const unsigned char *text, size_t size)
{
    size_t count = 1;
    for (size_t i = 0; i < size; i++)
        count += text[i] == ',' || text[i] == '[' || text[i] == '{' || text[i] == ':';
    return count;
}

static nl_status parse(const struct nl_state *state, const unsigned char *text, size_t size,
                       json_t **out)
{
    json_error_t error;
    if (count_values(text, size) > VALUES_MAX)
        return nl_state_fail(state, "a header of more than %d values", VALUES_MAX);
    *out = json_loadb((const char *)text, size, JSON_REJECT_DUPLICATES, &error);
    if (!*out) return nl_state_fail(state, "its header is no JSON: %s", error.text);
    if (json_is_object(*out)) return NL_OK;
    json_decref(*out);
    return nl_state_fail(state, "its header is no JSON object");
}

nl_status nl_safetensors_read(struct nl_state *state)
{
    const struct nl_file_map *map = &state->maps[0];
    const uint64_t size = header_size(map);
    json_t *header = NULL;
    if (size > map->size - 8)
        return nl_state_fail(state, "truncated: a header of %llu bytes in a file of %zu",
                             (unsigned long long)size, map->size);
    NL_TRY(parse(state, map->data + 8, (size_t)size, &header));
    const nl_status st = read_tensors(state, header, map->data + 8 + size, map->size - 8 - size);
    json_decref(header);
    const char *format = nl_state_meta(state, "format");
    state->origin = format && strcmp(format, "nonlocal") == 0 ? NL_ORIGIN_OURS : NL_ORIGIN_PLAIN;
    return st;
}
