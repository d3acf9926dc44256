#include "src/weights/state.h"

#include "src/core/memory.h"
#include "src/core/text.h"
#include "src/tensor/half.h"
#include "src/weights/state_build.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

const char *nl_origin_name(nl_origin origin)
{
    static const char *const names[] = {
        [NL_ORIGIN_OURS] = "nonlocal",     [NL_ORIGIN_PADDLE] = "Paddle",
        [NL_ORIGIN_CAFFE2] = "Caffe2",     [NL_ORIGIN_PYTORCH] = "PyTorch",
        [NL_ORIGIN_PLAIN] = "safetensors",
    };
    return names[origin];
}

nl_status nl_state_fail(const struct nl_state *state, const char *fmt, ...)
{
    char said[768], message[1024];
    const int used = snprintf(said, sizeof said, "%.400s: ", state->path ? state->path : "weights");
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(said + used, sizeof said - (size_t)used, fmt, ap);
    va_end(ap);
    return nl_fail(NL_EIO, "%s", nl_text_escape(said, message, sizeof message));
}

nl_status nl_names_add(struct nl_names *names, const char *name)
{
    if (names->count == names->room) {
        const int room = names->room ? 2 * names->room : 16;
        NL_TRY(nl_resize(&names->list, (size_t)room, sizeof *names->list));
        names->room = room;
    }
    NL_TRY(nl_copy_text(name, &names->list[names->count]));
    names->count++;
    return NL_OK;
}

void nl_names_clear(struct nl_names *names)
{
    for (int i = 0; i < names->count; i++) nl_free(names->list[i]);
    nl_free(names->list);
    *names = (struct nl_names){.list = NULL};
}

void nl_names_text(const struct nl_names *names, char *out, size_t size)
{
    enum { SHOWN = 3 };
    size_t used = 0;
    out[0] = '\0';
    for (int i = 0; i < names->count && i < SHOWN && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%.100s", i ? ", " : "", names->list[i]);
    if (names->count > SHOWN && used < size)
        snprintf(out + used, size - used, " and %d more", names->count - SHOWN);
}

static nl_status make_room(struct nl_state *state)
{
    if (state->count < state->room) return NL_OK;
    if (state->count == NL_STATE_ENTRIES_MAX)
        return nl_state_fail(state, "more than %d tensors", (int)NL_STATE_ENTRIES_MAX);
    const int room = state->room ? 2 * state->room : 64;
    NL_TRY(nl_resize(&state->list, (size_t)room, sizeof *state->list));
    state->room = room;
    return NL_OK;
}

/* Bytes of the UTF-8 character at `c`, 0 if it is none: overlong forms and surrogates are not. */
static size_t character(const unsigned char *c, size_t left)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t size = c[0] < 0x80 ? 1 : c[0] >= 0xF0 ? 4 : c[0] >= 0xE0 ? 3 : 2;
    uint32_t value = size == 1 ? c[0] : c[0] & (0x7FU >> size);
    if (size > left || (c[0] >= 0x80 && c[0] < 0xC0) || c[0] > 0xF4) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((c[i] & 0xC0) != 0x80) return 0;
        value = value << 6 | (c[i] & 0x3F);
    }
    const bool good =
        value >= least[size] && value <= 0x10FFFF && (value < 0xD800 || value > 0xDFFF);
    return good ? size : 0;
}

/* Names are text, so that they can be shown and written as JSON. */
static bool is_text(const char *name, size_t length)
{
    for (size_t i = 0; i < length;) {
        const size_t size = character((const unsigned char *)name + i, length - i);
        if (size == 0 || name[i] == '\0') return false;
        i += size;
    }
    return true;
}

static nl_status copy_name(const struct nl_state *state, const char *name, size_t length,
                           char **out)
{
    if (length > NL_ENTRY_NAME_MAX)
        return nl_state_fail(state, "a name of %zu bytes, want at most %d", length,
                             (int)NL_ENTRY_NAME_MAX);
    if (!is_text(name, length)) return nl_state_fail(state, "a name that is no UTF-8 text");
    if (length == 12 && memcmp(name, "__metadata__", 12) == 0)
        return nl_state_fail(state, "a tensor called __metadata__, which safetensors reserve");
    NL_TRY(nl_calloc(length + 1, 1, out));
    memcpy(*out, name, length);
    return NL_OK;
}

nl_status nl_state_add(struct nl_state *state, const char *name, size_t length,
                       const struct nl_entry *entry)
{
    struct nl_entry added = *entry;
    nl_status st = make_room(state);
    if (st == NL_OK) st = copy_name(state, name, length, &added.name);
    if (st == NL_OK)
        state->list[state->count++] = added;
    else
        nl_free(added.owned);
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct nl_entry *)a)->name, ((const struct nl_entry *)b)->name);
}

nl_status nl_state_sort(struct nl_state *state)
{
    if (state->count) qsort(state->list, (size_t)state->count, sizeof *state->list, by_name);
    for (int i = 1; i < state->count; i++)
        if (by_name(&state->list[i - 1], &state->list[i]) == 0)
            return nl_state_fail(state, "holds %s twice", state->list[i].name);
    return NL_OK;
}

const struct nl_entry *nl_state_find(const struct nl_state *state, const char *name)
{
    int low = 0, high = state->nameless ? 0 : state->count;
    while (low < high) {
        const int middle = low + (high - low) / 2;
        const int order = strcmp(state->list[middle].name, name);
        if (order == 0) return &state->list[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const char *nl_state_meta(const struct nl_state *state, const char *key)
{
    for (int i = 0; i < state->n_meta; i++)
        if (strcmp(state->meta[i].key, key) == 0) return state->meta[i].value;
    return NULL;
}

static nl_status add_meta(struct nl_state *state, const char *key)
{
    NL_TRY(nl_resize(&state->meta, (size_t)state->n_meta + 1, sizeof *state->meta));
    struct nl_meta *meta = &state->meta[state->n_meta];
    *meta = (struct nl_meta){.value = NULL};
    NL_TRY(nl_copy_text(key, &meta->key));
    state->n_meta++;
    return NL_OK;
}

nl_status nl_state_set_meta(struct nl_state *state, const char *key, const char *value)
{
    int i = 0;
    while (i < state->n_meta && strcmp(state->meta[i].key, key) != 0) i++;
    if (i == state->n_meta) NL_TRY(add_meta(state, key));
    nl_free(state->meta[i].value);
    return nl_copy_text(value, &state->meta[i].value);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t length = strlen(name), tail = strlen(end);
    return length > tail && strcmp(name + length - tail, end) == 0;
}

bool nl_state_is_solver(const char *name)
{
    static const char *const whole[] = {"lr", "model_iter", "epoch", "@LR_DECAY_COUNTER@"};
    for (size_t i = 0; i < NL_COUNT(whole); i++)
        if (strcmp(name, whole[i]) == 0) return true;
    return ends_with(name, "_momentum") || ends_with(name, "_velocity_0") ||
           strncmp(name, "learning_rate", 13) == 0;
}

size_t nl_entry_count(const struct nl_entry *entry)
{
    return entry->bytes / nl_type_size(entry->type);
}

char *nl_entry_text(const struct nl_entry *entry, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < entry->rank && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%" PRId64, i ? "," : "", entry->dim[i]);
    if (used < size) snprintf(out + used, size - used, "]");
    return out;
}

double nl_entry_value(const struct nl_entry *entry, size_t i)
{
    const unsigned char *at = (const unsigned char *)entry->data + i * nl_type_size(entry->type);
    float single;
    double number;
    uint16_t half;
    int64_t integer;
    switch (entry->type) {
    case NL_F32:
        memcpy(&single, at, sizeof single);
        return single;
    case NL_F64:
        memcpy(&number, at, sizeof number);
        return number;
    case NL_BF16:
        memcpy(&half, at, sizeof half);
        return nl_bf16_to_float(half);
    case NL_F16:
        memcpy(&half, at, sizeof half);
        return nl_f16_to_float(half);
    case NL_I64:
        memcpy(&integer, at, sizeof integer);
        return (double)integer;
    case NL_U8:
        return *at;
    }
    return 0;
}

nl_status nl_state_map(struct nl_state *state, const char *path, struct nl_file_map *map)
{
    if (state->n_maps == state->maps_room) {
        const int room = state->maps_room ? 2 * state->maps_room : 1;
        NL_TRY(nl_resize(&state->maps, (size_t)room, sizeof *state->maps));
        state->maps_room = room;
    }
    NL_TRY(nl_file_map(path, map));
    state->maps[state->n_maps++] = *map;
    return NL_OK;
}

void nl_state_clear(struct nl_state *state)
{
    for (int i = 0; i < state->count; i++) {
        nl_free(state->list[i].name);
        nl_free(state->list[i].owned);
    }
    for (int i = 0; i < state->n_meta; i++) {
        nl_free(state->meta[i].key);
        nl_free(state->meta[i].value);
    }
    for (int i = 0; i < state->n_maps; i++) nl_file_unmap(&state->maps[i]);
    nl_names_clear(&state->ignored);
    nl_free(state->list);
    nl_free(state->meta);
    nl_free(state->maps);
    nl_free(state->path);
    *state = (struct nl_state){.path = NULL};
}
