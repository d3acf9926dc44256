#include "src/weights/pickle.h"

#include "src/core/memory.h"
#include "src/weights/pickle_machine.h"

#include <assert.h>
#include <string.h>

/* Blocks are chained so that values never move. */
enum { BLOCK = 64 << 10 };

struct block {
    struct block *next;
};

struct nl_pickle_arena {
    struct block *blocks;
    char *free;
    size_t left, used;
};

nl_status nl_pickle_arena_new(struct nl_pickle_arena **out)
{
    return nl_calloc(1, sizeof **out, out);
}

void nl_pickle_arena_free(struct nl_pickle_arena *arena)
{
    if (!arena) return;
    while (arena->blocks) {
        struct block *next = arena->blocks->next;
        nl_free(arena->blocks);
        arena->blocks = next;
    }
    nl_free(arena);
}

/* A new block of NL_ALIGN bytes for the chain and `size` for use. */
static nl_status add_block(struct nl_pickle_arena *arena, size_t size, char **out)
{
    struct block *block;
    NL_TRY(nl_size_add(size, NL_ALIGN, &size));
    NL_TRY(nl_alloc(size, &block));
    block->next = arena->blocks;
    arena->blocks = block;
    *out = (char *)block + NL_ALIGN;
    return NL_OK;
}

/* `size` zeroed bytes for a value or a cell. */
static nl_status take(struct nl_pickle_arena *arena, size_t size, void **out)
{
    if (arena->left < size) {
        NL_REQUIRE(arena->used < NL_PICKLE_MEMORY, NL_EIO,
                   "more objects than a weights file has use for");
        NL_TRY(add_block(arena, BLOCK, &arena->free));
        arena->left = BLOCK;
        arena->used += BLOCK;
    }
    *out = memset(arena->free, 0, size);
    arena->free += size;
    arena->left -= size;
    return NL_OK;
}

nl_status nl_pickle_bytes_new(struct nl_pickle_arena *arena, size_t size, unsigned char **out)
{
    char *bytes = NULL;
    NL_TRY(add_block(arena, size, &bytes));
    *out = (unsigned char *)bytes;
    return NL_OK;
}

nl_status nl_pickle_value_new(struct nl_pickle_arena *arena, nl_pickle_kind kind,
                              struct nl_pickle_value **out)
{
    void *value = NULL;
    NL_TRY(take(arena, sizeof **out, &value));
    assert(value);
    *out = value;
    (*out)->kind = kind;
    return NL_OK;
}

nl_status nl_pickle_append(struct nl_pickle_arena *arena, struct nl_pickle_value *items,
                           struct nl_pickle_value *key, struct nl_pickle_value *value)
{
    void *room = NULL;
    NL_TRY(take(arena, sizeof(struct nl_pickle_cell), &room));
    assert(room);
    struct nl_pickle_cell *cell = room;
    cell->key = key;
    cell->value = value;
    if (items->u.items.last)
        items->u.items.last->next = cell;
    else
        items->u.items.first = cell;
    items->u.items.last = cell;
    items->u.items.count++;
    return NL_OK;
}

nl_status nl_pickle_push(struct nl_pickle_machine *m, struct nl_pickle_value *value)
{
    if (m->n_stack == m->stack_room) {
        const size_t room = m->stack_room ? 2 * m->stack_room : 256;
        NL_REQUIRE(room <= NL_PICKLE_MEMORY / sizeof(void *), NL_EIO, "too deep a stack");
        NL_TRY(nl_resize(&m->stack, room, sizeof(struct nl_pickle_value *)));
        m->stack_room = room;
    }
    m->stack[m->n_stack++] = value;
    return NL_OK;
}

static size_t floor_of(const struct nl_pickle_machine *m)
{
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

nl_status nl_pickle_top(const struct nl_pickle_machine *m, struct nl_pickle_value **value)
{
    NL_REQUIRE(m->n_stack > floor_of(m), NL_EIO, "broken pickle: nothing on the stack at byte %zu",
               m->at);
    *value = m->stack[m->n_stack - 1];
    return NL_OK;
}

nl_status nl_pickle_pop(struct nl_pickle_machine *m, struct nl_pickle_value **value)
{
    NL_TRY(nl_pickle_top(m, value));
    m->n_stack--;
    return NL_OK;
}

nl_status nl_pickle_mark(struct nl_pickle_machine *m)
{
    if (m->n_marks == m->marks_room) {
        const size_t room = m->marks_room ? 2 * m->marks_room : 16;
        NL_REQUIRE(room <= NL_PICKLE_MEMORY / sizeof(size_t), NL_EIO, "too many marks");
        NL_TRY(nl_resize(&m->marks, room, sizeof *m->marks));
        m->marks_room = room;
    }
    m->marks[m->n_marks++] = m->n_stack;
    return NL_OK;
}

nl_status nl_pickle_unmark(struct nl_pickle_machine *m, size_t *from)
{
    NL_REQUIRE(m->n_marks, NL_EIO, "broken pickle: no mark at byte %zu", m->at);
    *from = m->marks[--m->n_marks];
    return NL_OK;
}

nl_status nl_pickle_collect(struct nl_pickle_machine *m, size_t from, struct nl_pickle_value *items)
{
    const bool pairs = items->kind == NL_PICKLE_DICT;
    const size_t step = pairs ? 2 : 1;
    NL_REQUIRE((m->n_stack - from) % step == 0, NL_EIO,
               "broken pickle: a key without a value at byte %zu", m->at);
    for (size_t i = from; i < m->n_stack; i += step)
        NL_TRY(
            nl_pickle_append(m->arena, items, pairs ? m->stack[i] : NULL, m->stack[i + step - 1]));
    m->n_stack = from;
    return NL_OK;
}

/* Pickles number their memo from 0 or 1 on, one entry per object, so an index beyond the file's
 * size is no memo's. */
nl_status nl_pickle_memo_set(struct nl_pickle_machine *m, int64_t index,
                             struct nl_pickle_value *value)
{
    NL_REQUIRE(index >= 0 && (uint64_t)index <= m->size && (uint64_t)index < NL_PICKLE_MEMORY / 32,
               NL_EIO, "broken pickle: memo index %lld at byte %zu", (long long)index, m->at);
    const size_t i = (size_t)index;
    if (i >= m->memo_room) {
        const size_t room = 2 * i + 64;
        NL_TRY(nl_resize(&m->memo, room, sizeof(struct nl_pickle_value *)));
        memset(m->memo + m->memo_room, 0, (room - m->memo_room) * sizeof(struct nl_pickle_value *));
        m->memo_room = room;
    }
    if (!m->memo[i]) m->n_memo++;
    m->memo[i] = value;
    return NL_OK;
}

nl_status nl_pickle_memo_get(const struct nl_pickle_machine *m, int64_t index,
                             struct nl_pickle_value **value)
{
    const bool known = index >= 0 && (uint64_t)index < m->memo_room && m->memo[index];
    NL_REQUIRE(known, NL_EIO, "broken pickle: memo %lld was never set (byte %zu)", (long long)index,
               m->at);
    *value = m->memo[index];
    return NL_OK;
}

static nl_status run(struct nl_pickle_machine *m)
{
    NL_TRY(nl_pickle_arena_new(&m->arena));
    while (!m->done) NL_TRY(nl_pickle_step(m));
    return NL_OK;
}

nl_status nl_pickle_read(const unsigned char *data, size_t size, struct nl_pickle *pickle)
{
    struct nl_pickle_machine m = {.data = data, .size = size};
    *pickle = (struct nl_pickle){.top = NULL};
    nl_status st = run(&m);
    struct nl_pickle_value *top = NULL;
    if (st == NL_OK) st = nl_pickle_pop(&m, &top);
    nl_free(m.stack);
    nl_free(m.marks);
    nl_free(m.memo);
    if (st == NL_OK)
        *pickle = (struct nl_pickle){top, m.arena};
    else
        nl_pickle_arena_free(m.arena);
    return st;
}

void nl_pickle_clear(struct nl_pickle *pickle)
{
    nl_pickle_arena_free(pickle->arena);
    *pickle = (struct nl_pickle){.top = NULL};
}

bool nl_pickle_is(const unsigned char *data, size_t size)
{
    if (size < 2) return false;
    if (data[0] == 0x80) return data[1] >= 2 && data[1] <= 5;
    /* Protocols 0 and 1 have no header: what they may begin with, and the STOP at their end. */
    return strchr("(}]cd", data[0]) != NULL && data[0] && data[size - 1] == '.';
}

bool nl_pickle_equals(const struct nl_pickle_value *value, const char *text)
{
    const size_t length = strlen(text);
    if (value->kind != NL_PICKLE_BYTES && value->kind != NL_PICKLE_TEXT &&
        value->kind != NL_PICKLE_LATIN1)
        return false;
    return value->u.bytes.size == length && memcmp(value->u.bytes.data, text, length) == 0;
}

const struct nl_pickle_value *nl_pickle_item(const struct nl_pickle_value *items, size_t i)
{
    const struct nl_pickle_cell *cell = items->u.items.first;
    while (cell && i--) cell = cell->next;
    return cell ? cell->value : NULL;
}
