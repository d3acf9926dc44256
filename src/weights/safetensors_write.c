#include "src/weights/safetensors.h"

#include "src/core/memory.h"
#include "src/core/text.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What the header calls our types. */
static const char *type_name(nl_type type)
{
    switch (type) {
    case NL_F32:
        return "F32";
    case NL_F64:
        return "F64";
    case NL_BF16:
        return "BF16";
    case NL_F16:
        return "F16";
    case NL_U8:
        return "U8";
    case NL_I64:
        return "I64";
    }
    return "";
}

static int by_name(const void *a, const void *b)
{
    const struct nl_entry *const *one = a, *const *two = b;
    return strcmp((*one)->name, (*two)->name);
}

static json_t *describe(const struct nl_entry *entry, size_t from)
{
    const size_t to = from + entry->bytes;
    json_t *shape = json_array();
    for (int i = 0; i < entry->rank; i++) json_array_append_new(shape, json_integer(entry->dim[i]));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", type_name(entry->type), "shape", shape,
                     "data_offsets", (json_int_t)from, (json_int_t)to);
}

/* Takes `value` over. jansson refuses texts that are not UTF-8, and runs out of memory, in the same
 * way. */
static nl_status set(json_t *object, const char *key, json_t *value)
{
    if (json_object_get(object, key)) {
        json_decref(value);
        return nl_fail(NL_EINVAL, "the name %s comes twice", key);
    }
    NL_REQUIRE(json_object_set_new(object, key, value) == 0, NL_EINVAL,
               "%s cannot be written as JSON: want UTF-8", key);
    return NL_OK;
}

static nl_status fill_header(json_t *header, const struct nl_entry *const *sorted, int count,
                             const struct nl_meta *meta, int n_meta)
{
    size_t at = 0;
    json_t *texts = json_object();
    if (n_meta == 0)
        json_decref(texts);
    else
        NL_TRY(set(header, "__metadata__", texts));
    for (int i = 0; i < n_meta; i++) NL_TRY(set(texts, meta[i].key, json_string(meta[i].value)));
    for (int i = 0; i < count; i++) {
        NL_TRY(set(header, sorted[i]->name, describe(sorted[i], at)));
        NL_TRY(nl_size_add(at, sorted[i]->bytes, &at));
    }
    return NL_OK;
}

/* The header with its length in front, padded so that the data begins at a multiple of 8. */
static nl_status put_header(FILE *file, const json_t *header)
{
    const size_t length = json_dumpb(header, NULL, 0, JSON_COMPACT), padding = (8 - length % 8) % 8;
    unsigned char size[8];
    char *text = NULL;
    NL_REQUIRE(length, NL_ENOMEM, "out of memory for the header");
    NL_TRY(nl_alloc(length + padding, &text));
    json_dumpb(header, text, length, JSON_COMPACT);
    memset(text + length, ' ', padding);
    for (size_t i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)(length + padding) >> (8 * i));
    fwrite(size, 1, sizeof size, file);
    fwrite(text, 1, length + padding, file);
    nl_free(text);
    return NL_OK;
}

static nl_status put_data(FILE *file, const struct nl_entry *const *sorted, int count,
                          nl_entry_source *source, void *user)
{
    for (int i = 0; i < count; i++) {
        const void *data = sorted[i]->data;
        if (source) NL_TRY(source(user, sorted[i], &data));
        if (sorted[i]->bytes && fwrite(data, 1, sorted[i]->bytes, file) != sorted[i]->bytes)
            return NL_OK; /* commit sees the file's error and reports it */
    }
    return NL_OK;
}

static nl_status write_file(const char *path, const json_t *header,
                            const struct nl_entry *const *sorted, int count,
                            nl_entry_source *source, void *user)
{
    struct nl_file_write w;
    NL_TRY(nl_file_write_begin(&w, path));
    nl_status st = put_header(w.file, header);
    if (st == NL_OK) st = put_data(w.file, sorted, count, source, user);
    if (st == NL_OK) return nl_file_write_commit(&w);
    nl_file_write_abort(&w);
    return st;
}

nl_status nl_safetensors_write(const char *path, const struct nl_entry *list, int count,
                               const struct nl_meta *meta, int n_meta, nl_entry_source *source,
                               void *user)
{
    const struct nl_entry **sorted = NULL;
    json_t *header = json_object();
    NL_REQUIRE(header, NL_ENOMEM, "out of memory for the header");
    nl_status st = nl_calloc((size_t)count, sizeof(const struct nl_entry *), &sorted);
    for (int i = 0; st == NL_OK && i < count; i++) sorted[i] = &list[i];
    if (st == NL_OK && count)
        qsort(sorted, (size_t)count, sizeof(const struct nl_entry *), by_name);
    if (st == NL_OK) st = fill_header(header, sorted, count, meta, n_meta);
    if (st == NL_OK) st = write_file(path, header, sorted, count, source, user);
    json_decref(header);
    nl_free(sorted);
    return st;
}
