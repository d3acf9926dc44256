#include "src/weights/dictionary.h"

#include "src/core/memory.h"
#include "src/weights/latin1.h"
#include "src/weights/names.h"
#include "src/weights/pickle.h"
#include "src/weights/raw.h"
#include "src/weights/state_build.h"

#include <string.h>

typedef const struct nl_pickle_value value;

static bool is_text(value *v)
{
    return v->kind == NL_PICKLE_TEXT || v->kind == NL_PICKLE_BYTES;
}

static bool raw_type(value *dtype, nl_raw_type *out)
{
    static const struct {
        char kind;
        int size;
        nl_raw_type type;
    } known[] = {{'f', 8, NL_RAW_F64}, {'f', 4, NL_RAW_F32}, {'f', 2, NL_RAW_F16},
                 {'i', 8, NL_RAW_I64}, {'i', 4, NL_RAW_I32}, {'i', 2, NL_RAW_I16},
                 {'i', 1, NL_RAW_I8},  {'u', 4, NL_RAW_U32}, {'u', 2, NL_RAW_U16},
                 {'u', 1, NL_RAW_U8},  {'b', 1, NL_RAW_BOOL}};
    for (size_t i = 0; i < NL_COUNT(known) && !dtype->u.dtype.structured; i++)
        if (known[i].kind == dtype->u.dtype.kind && known[i].size == dtype->u.dtype.size) {
            *out = known[i].type;
            return true;
        }
    return false;
}

/* Type and extents of an array; its data is checked by take_data. */
static nl_status describe(const struct nl_state *state, const char *name, value *array,
                          struct nl_raw *raw)
{
    value *shape = array->u.array.shape, *dtype = array->u.array.dtype;
    if (!shape) return nl_state_fail(state, "%s is an array without contents", name);
    if (!raw_type(dtype, &raw->type))
        return nl_state_fail(state, "%s is of NumPy's type %c%d, which is not read", name,
                             dtype->u.dtype.kind, dtype->u.dtype.size);
    if (shape->u.items.count > NL_ENTRY_RANK)
        return nl_state_fail(state, "%s has %zu axes, want at most %d", name, shape->u.items.count,
                             (int)NL_ENTRY_RANK);
    for (const struct nl_pickle_cell *c = shape->u.items.first; c; c = c->next) {
        if (c->value->kind != NL_PICKLE_INT || c->value->u.integer < 0)
            return nl_state_fail(state, "%s has an extent that is none", name);
        raw->dim[raw->rank++] = c->value->u.integer;
    }
    raw->big_endian = dtype->u.dtype.big_endian;
    raw->fortran = array->u.array.fortran;
    return NL_OK;
}

/* Data in the mapped file is borrowed; what the machine made goes with the machine and is
 * copied. */
static nl_status take_data(const struct nl_state *state, const char *name, value *data,
                           struct nl_raw *raw)
{
    size_t count, bytes;
    if (nl_raw_bytes(raw, name, &count, &bytes) != NL_OK)
        return nl_state_fail(state, "%s", nl_error());
    const bool latin1 = data->kind == NL_PICKLE_LATIN1;
    const size_t size = latin1 || data->kind == NL_PICKLE_BYTES ? data->u.bytes.size : 0;
    if (latin1 ? bytes > size || size > 2 * bytes : size != bytes)
        return nl_state_fail(state, "%s has %zu bytes of data, its shape wants %zu", name, size,
                             bytes);
    const unsigned char *from = data->u.bytes.data, *file = state->maps[0].data;
    if (!latin1 && bytes && from >= file && from < file + state->maps[0].size) {
        raw->data = from;
        return NL_OK;
    }
    NL_TRY(nl_alloc(bytes, &raw->owned));
    raw->data = raw->owned;
    if (!latin1) {
        if (bytes) memcpy(raw->owned, from, bytes);
        return NL_OK;
    }
    if (nl_latin1_decode(from, size, raw->owned, bytes)) return NL_OK;
    nl_free(raw->owned);
    return nl_state_fail(state, "%s: its text does not hold the %zu bytes that its shape wants",
                         name, bytes);
}

static nl_status add_array(struct nl_state *state, const char *name, value *array)
{
    struct nl_raw raw = {.rank = 0};
    NL_TRY(describe(state, name, array, &raw));
    NL_TRY(take_data(state, name, array->u.array.data, &raw));
    return nl_raw_add(state, name, strlen(name), &raw);
}

/* Paddle 2 writes some tensors as (name, array). */
static value *array_of(value *v)
{
    if (v->kind == NL_PICKLE_TUPLE && v->u.items.count == 2 && is_text(v->u.items.first->value))
        v = v->u.items.last->value;
    return v->kind == NL_PICKLE_ARRAY ? v : NULL;
}

/* Copies a key; one that is no text gets a name that says so. */
static void name_of(value *key, char name[NL_ENTRY_NAME_MAX + 1])
{
    const bool good = is_text(key) && key->u.bytes.size <= NL_ENTRY_NAME_MAX &&
                      !memchr(key->u.bytes.data, '\0', key->u.bytes.size);
    const size_t size = good ? key->u.bytes.size : 0;
    if (size) memcpy(name, key->u.bytes.data, size);
    name[size] = '\0';
}

static nl_status add_value(struct nl_state *state, value *key, value *v)
{
    char name[NL_ENTRY_NAME_MAX + 1];
    value *array = array_of(v);
    name_of(key, name);
    if (!name[0]) return nl_state_fail(state, "holds a key that is no name");
    if (strcmp(name, "UnpackBigParamInfor@@") == 0)
        return nl_state_fail(state,
                             "its large tensors are split (UnpackBigParamInfor@@), which is not "
                             "read; save it with protocol 4");
    if (state->origin == NL_ORIGIN_CAFFE2 && nl_state_is_solver(name)) {
        state->solver++;
        return NL_OK;
    }
    if (array) return add_array(state, name, array);
    if (state->ignored.count == NL_STATE_ENTRIES_MAX)
        return nl_state_fail(state, "more than %d keys", (int)NL_STATE_ENTRIES_MAX);
    return nl_names_add(&state->ignored, name);
}

/* Caffe2's files keep their tensors one level down. */
static value *find_blobs(value *dict)
{
    for (const struct nl_pickle_cell *c = dict->u.items.first; c; c = c->next)
        if (c->value->kind == NL_PICKLE_DICT && nl_pickle_equals(c->key, "blobs")) return c->value;
    return NULL;
}

/* A flat dictionary is Caffe2's if a name in it is. */
static bool has_caffe2_names(value *dict)
{
    char name[NL_ENTRY_NAME_MAX + 1];
    for (const struct nl_pickle_cell *c = dict->u.items.first; c; c = c->next) {
        name_of(c->key, name);
        if (nl_part_only_caffe2(name)) return true;
    }
    return false;
}

/* Blocks of res4 are numbered from the second on where there are 23, and are letters where 6. */
static bool is_deep(const struct nl_state *state)
{
    struct nl_part part;
    for (int i = 0; i < state->count; i++)
        if (nl_part_parse_caffe2(state->list[i].name, &part) && part.kind == NL_PART_CONV &&
            part.stage == 4 && part.index >= 6)
            return true;
    return false;
}

/* The list is not sorted yet. */
static bool holds(const struct nl_state *state, const char *name)
{
    for (int i = 0; i < state->count; i++)
        if (strcmp(state->list[i].name, name) == 0) return true;
    return false;
}

static nl_status rename_blobs(struct nl_state *state)
{
    /* Affine networks have scales without statistics, and res3's blocks work on groups of frames:
     * there the original's names differ, Caffe2's do not. */
    const bool deep = is_deep(state), affine = !holds(state, "res_conv1_bn_rm");
    char name[NL_PART_NAME_MAX];
    struct nl_part part;
    for (int i = 0; i < state->count; i++) {
        if (!nl_part_parse_caffe2(state->list[i].name, &part)) continue;
        part.numbered = deep && part.stage == 4 && part.index > 0;
        part.grouped = affine && part.stage == 3;
        char *copy = NULL;
        NL_TRY(nl_copy_text(nl_part_name(&part, name), &copy));
        nl_free(state->list[i].name);
        state->list[i].name = copy;
    }
    return NL_OK;
}

static nl_status read_top(struct nl_state *state, value *top)
{
    if (top->kind != NL_PICKLE_DICT)
        return nl_state_fail(state, "is a pickle without a dictionary of weights");
    value *blobs = find_blobs(top);
    const bool caffe2 = blobs || has_caffe2_names(top);
    if (blobs) top = blobs;
    state->origin = caffe2 ? NL_ORIGIN_CAFFE2 : NL_ORIGIN_PADDLE;
    for (const struct nl_pickle_cell *c = top->u.items.first; c; c = c->next)
        NL_TRY(add_value(state, c->key, c->value));
    return caffe2 ? rename_blobs(state) : NL_OK;
}

nl_status nl_dictionary_read(struct nl_state *state)
{
    struct nl_pickle pickle;
    const struct nl_file_map *map = &state->maps[0];
    nl_status st = nl_pickle_read(map->data, map->size, &pickle);
    if (st == NL_EIO) return nl_state_fail(state, "%s", nl_error());
    NL_TRY(st);
    st = read_top(state, pickle.top);
    nl_pickle_clear(&pickle);
    return st;
}
