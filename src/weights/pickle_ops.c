#include "src/weights/pickle_machine.h"

#include <string.h>

/* How an opcode's argument is written. */
typedef enum {
    ARG_NONE,
    ARG_U8,
    ARG_U16,
    ARG_I32,
    ARG_U32,
    ARG_U64,
    ARG_F64,    /* big endian */
    ARG_LINE,   /* up to a newline */
    ARG_BYTES1, /* a length of 1, 4 or 8 bytes, then as many bytes */
    ARG_BYTES4,
    ARG_BYTES8
} argument;

typedef nl_status step(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg);

struct opcode {
    const char *name;
    argument argument;
    step *run; /* NULL: refused */
    int row;   /* given to run */
};

static nl_status push_new(struct nl_pickle_machine *m, nl_pickle_kind kind,
                          struct nl_pickle_value **value)
{
    NL_TRY(nl_pickle_value_new(m->arena, kind, value));
    return nl_pickle_push(m, *value);
}

static nl_status op_nothing(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)m;
    (void)arg;
    return NL_OK;
}

static nl_status op_proto(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)m;
    NL_REQUIRE(arg->number <= 5, NL_EIO, "pickle of protocol %d, want at most 5", (int)arg->number);
    return NL_OK;
}

static nl_status op_frame(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    const uint64_t left = m->size - m->at;
    NL_REQUIRE((uint64_t)arg->number <= left, NL_EIO,
               "truncated: a frame of %llu bytes, %llu are left", (unsigned long long)arg->number,
               (unsigned long long)left);
    return NL_OK;
}

static nl_status op_stop(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)arg;
    m->done = true;
    return NL_OK;
}

static nl_status op_mark(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)arg;
    return nl_pickle_mark(m);
}

static nl_status op_pop(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    size_t from;
    (void)arg;
    const bool at_mark = m->n_marks && m->marks[m->n_marks - 1] == m->n_stack;
    return at_mark ? nl_pickle_unmark(m, &from) : nl_pickle_pop(m, &value);
}

static nl_status op_pop_mark(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)arg;
    return nl_pickle_unmark(m, &m->n_stack);
}

static nl_status op_dup(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    (void)arg;
    NL_TRY(nl_pickle_top(m, &value));
    return nl_pickle_push(m, value);
}

/* A value without contents, of the row's kind. */
static nl_status op_empty(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    return push_new(m, (nl_pickle_kind)arg->row, &value);
}

static nl_status push_integer(struct nl_pickle_machine *m, nl_pickle_kind kind, int64_t number)
{
    struct nl_pickle_value *value;
    NL_TRY(push_new(m, kind, &value));
    value->u.integer = number;
    return NL_OK;
}

static nl_status op_bool(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    return push_integer(m, NL_PICKLE_BOOL, arg->row);
}

static nl_status op_int(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    return push_integer(m, NL_PICKLE_INT, arg->number);
}

/* Little endian two's complement of any length. */
static nl_status op_long(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    uint64_t value = arg->size && arg->data[arg->size - 1] & 0x80 ? UINT64_MAX : 0;
    if (arg->size > sizeof value) return push_integer(m, NL_PICKLE_BIG, 0);
    for (size_t i = arg->size; i-- > 0;) value = value << 8 | arg->data[i];
    return push_integer(m, NL_PICKLE_INT, (int64_t)value);
}

static nl_status op_float(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    NL_TRY(push_new(m, NL_PICKLE_FLOAT, &value));
    memcpy(&value->u.real, &arg->number, sizeof value->u.real);
    return NL_OK;
}

static nl_status op_bytes(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    NL_TRY(push_new(m, (nl_pickle_kind)arg->row, &value));
    value->u.bytes.data = arg->data;
    value->u.bytes.size = arg->size;
    return NL_OK;
}

/* What lies above height `from`, as one value. */
static nl_status gather(struct nl_pickle_machine *m, nl_pickle_kind kind, size_t from)
{
    struct nl_pickle_value *value;
    NL_TRY(nl_pickle_value_new(m->arena, kind, &value));
    NL_TRY(nl_pickle_collect(m, from, value));
    return nl_pickle_push(m, value);
}

/* TUPLE, LIST, DICT: from the last mark on. */
static nl_status op_gather(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    size_t from;
    NL_TRY(nl_pickle_unmark(m, &from));
    return gather(m, (nl_pickle_kind)arg->row, from);
}

/* That the topmost `count` values are there, above the last mark. */
static nl_status need(struct nl_pickle_machine *m, size_t count)
{
    struct nl_pickle_value *value;
    const size_t height = m->n_stack;
    for (size_t i = 0; i < count; i++) NL_TRY(nl_pickle_pop(m, &value));
    m->n_stack = height;
    return NL_OK;
}

/* TUPLE1, TUPLE2, TUPLE3. */
static nl_status op_tuple(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    NL_TRY(need(m, (size_t)arg->row));
    return gather(m, NL_PICKLE_TUPLE, m->n_stack - (size_t)arg->row);
}

/* Moves what lies above `from` into the list or dictionary just below it. */
static nl_status extend(struct nl_pickle_machine *m, size_t from, nl_pickle_kind kind)
{
    const size_t count = m->n_stack - from;
    struct nl_pickle_value *items = NULL;
    m->n_stack = from;
    NL_TRY(nl_pickle_top(m, &items));
    NL_REQUIRE(items->kind == kind, NL_EIO, "broken pickle: no %s to add to at byte %zu",
               kind == NL_PICKLE_LIST ? "list" : "dictionary", m->at);
    m->n_stack = from + count;
    return nl_pickle_collect(m, from, items);
}

static nl_status op_append(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    const size_t count = arg->row == NL_PICKLE_DICT ? 2 : 1;
    NL_TRY(need(m, count));
    return extend(m, m->n_stack - count, (nl_pickle_kind)arg->row);
}

static nl_status op_appends(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    size_t from;
    NL_TRY(nl_pickle_unmark(m, &from));
    return extend(m, from, (nl_pickle_kind)arg->row);
}

static nl_status op_put(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    NL_TRY(nl_pickle_top(m, &value));
    return nl_pickle_memo_set(m, arg->number, value);
}

static nl_status op_put_line(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_operand number = {0};
    NL_TRY(nl_pickle_line_number(arg, &number.number));
    return op_put(m, &number);
}

static nl_status op_memoize(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)arg;
    return op_put(m, &(struct nl_pickle_operand){.number = (int64_t)m->n_memo});
}

static nl_status op_get(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_value *value;
    NL_TRY(nl_pickle_memo_get(m, arg->number, &value));
    return nl_pickle_push(m, value);
}

static nl_status op_get_line(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_operand number = {0};
    NL_TRY(nl_pickle_line_number(arg, &number.number));
    return op_get(m, &number);
}

static nl_status read_line(struct nl_pickle_machine *m, struct nl_pickle_operand *arg)
{
    const unsigned char *from = m->data + m->at;
    const unsigned char *end = memchr(from, '\n', m->size - m->at);
    NL_REQUIRE(end, NL_EIO, "truncated: a line without end after byte %zu", m->at);
    arg->data = from;
    arg->size = (size_t)(end - from);
    m->at += arg->size + 1;
    if (arg->size && end[-1] == '\r') arg->size--;
    return NL_OK;
}

/* GLOBAL: module and name, a line each. INST is the same after its arguments. */
static nl_status op_global(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_operand name = {0};
    NL_TRY(read_line(m, &name));
    return nl_pickle_global_find(m, arg, &name);
}

static nl_status pop_text(struct nl_pickle_machine *m, struct nl_pickle_operand *text)
{
    struct nl_pickle_value *value = NULL;
    NL_TRY(nl_pickle_pop(m, &value));
    NL_REQUIRE(value->kind == NL_PICKLE_TEXT || value->kind == NL_PICKLE_BYTES, NL_EIO,
               "broken pickle: no name at byte %zu", m->at);
    text->data = value->u.bytes.data;
    text->size = value->u.bytes.size;
    return NL_OK;
}

static nl_status op_stack_global(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_operand module = {0}, name = {0};
    (void)arg;
    NL_TRY(pop_text(m, &name));
    NL_TRY(pop_text(m, &module));
    return nl_pickle_global_find(m, &module, &name);
}

static nl_status op_inst(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    struct nl_pickle_operand name = {0};
    NL_TRY(read_line(m, &name));
    NL_TRY(nl_pickle_global_find(m, arg, &name));
    return nl_fail(NL_EIO, "refused: the file asks to make an object of %.*s", (int)name.size,
                   (const char *)name.data);
}

static nl_status op_reduce(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)arg;
    return nl_pickle_reduce(m);
}

static nl_status op_build(struct nl_pickle_machine *m, const struct nl_pickle_operand *arg)
{
    (void)arg;
    return nl_pickle_build(m);
}

static const struct opcode opcodes[256] = {
    ['('] = {"MARK", ARG_NONE, op_mark, 0},
    ['.'] = {"STOP", ARG_NONE, op_stop, 0},
    ['0'] = {"POP", ARG_NONE, op_pop, 0},
    ['1'] = {"POP_MARK", ARG_NONE, op_pop_mark, 0},
    ['2'] = {"DUP", ARG_NONE, op_dup, 0},
    ['F'] = {"FLOAT", ARG_LINE, nl_pickle_line_float, 0},
    ['I'] = {"INT", ARG_LINE, nl_pickle_line_int, 0},
    ['L'] = {"LONG", ARG_LINE, nl_pickle_line_int, 0},
    ['J'] = {"BININT", ARG_I32, op_int, 0},
    ['K'] = {"BININT1", ARG_U8, op_int, 0},
    ['M'] = {"BININT2", ARG_U16, op_int, 0},
    ['G'] = {"BINFLOAT", ARG_F64, op_float, 0},
    ['N'] = {"NONE", ARG_NONE, op_empty, NL_PICKLE_NONE},
    ['P'] = {"PERSID", ARG_LINE, NULL, 0},
    ['Q'] = {"BINPERSID", ARG_NONE, NULL, 0},
    ['R'] = {"REDUCE", ARG_NONE, op_reduce, 0},
    ['S'] = {"STRING", ARG_LINE, nl_pickle_line_string, 0},
    ['T'] = {"BINSTRING", ARG_BYTES4, op_bytes, NL_PICKLE_BYTES},
    ['U'] = {"SHORT_BINSTRING", ARG_BYTES1, op_bytes, NL_PICKLE_BYTES},
    ['V'] = {"UNICODE", ARG_LINE, nl_pickle_line_unicode, 0},
    ['X'] = {"BINUNICODE", ARG_BYTES4, op_bytes, NL_PICKLE_TEXT},
    ['B'] = {"BINBYTES", ARG_BYTES4, op_bytes, NL_PICKLE_BYTES},
    ['C'] = {"SHORT_BINBYTES", ARG_BYTES1, op_bytes, NL_PICKLE_BYTES},
    ['a'] = {"APPEND", ARG_NONE, op_append, NL_PICKLE_LIST},
    ['b'] = {"BUILD", ARG_NONE, op_build, 0},
    ['c'] = {"GLOBAL", ARG_LINE, op_global, 0},
    ['d'] = {"DICT", ARG_NONE, op_gather, NL_PICKLE_DICT},
    ['}'] = {"EMPTY_DICT", ARG_NONE, op_empty, NL_PICKLE_DICT},
    ['e'] = {"APPENDS", ARG_NONE, op_appends, NL_PICKLE_LIST},
    ['g'] = {"GET", ARG_LINE, op_get_line, 0},
    ['h'] = {"BINGET", ARG_U8, op_get, 0},
    ['i'] = {"INST", ARG_LINE, op_inst, 0},
    ['j'] = {"LONG_BINGET", ARG_U32, op_get, 0},
    ['l'] = {"LIST", ARG_NONE, op_gather, NL_PICKLE_LIST},
    [']'] = {"EMPTY_LIST", ARG_NONE, op_empty, NL_PICKLE_LIST},
    ['o'] = {"OBJ", ARG_NONE, NULL, 0},
    ['p'] = {"PUT", ARG_LINE, op_put_line, 0},
    ['q'] = {"BINPUT", ARG_U8, op_put, 0},
    ['r'] = {"LONG_BINPUT", ARG_U32, op_put, 0},
    ['s'] = {"SETITEM", ARG_NONE, op_append, NL_PICKLE_DICT},
    ['t'] = {"TUPLE", ARG_NONE, op_gather, NL_PICKLE_TUPLE},
    [')'] = {"EMPTY_TUPLE", ARG_NONE, op_empty, NL_PICKLE_TUPLE},
    ['u'] = {"SETITEMS", ARG_NONE, op_appends, NL_PICKLE_DICT},
    [0x80] = {"PROTO", ARG_U8, op_proto, 0},
    [0x81] = {"NEWOBJ", ARG_NONE, NULL, 0},
    [0x82] = {"EXT1", ARG_U8, NULL, 0},
    [0x83] = {"EXT2", ARG_U16, NULL, 0},
    [0x84] = {"EXT4", ARG_I32, NULL, 0},
    [0x85] = {"TUPLE1", ARG_NONE, op_tuple, 1},
    [0x86] = {"TUPLE2", ARG_NONE, op_tuple, 2},
    [0x87] = {"TUPLE3", ARG_NONE, op_tuple, 3},
    [0x88] = {"NEWTRUE", ARG_NONE, op_bool, 1},
    [0x89] = {"NEWFALSE", ARG_NONE, op_bool, 0},
    [0x8a] = {"LONG1", ARG_BYTES1, op_long, 0},
    [0x8b] = {"LONG4", ARG_BYTES4, op_long, 0},
    [0x8c] = {"SHORT_BINUNICODE", ARG_BYTES1, op_bytes, NL_PICKLE_TEXT},
    [0x8d] = {"BINUNICODE8", ARG_BYTES8, op_bytes, NL_PICKLE_TEXT},
    [0x8e] = {"BINBYTES8", ARG_BYTES8, op_bytes, NL_PICKLE_BYTES},
    [0x8f] = {"EMPTY_SET", ARG_NONE, NULL, 0},
    [0x90] = {"ADDITEMS", ARG_NONE, NULL, 0},
    [0x91] = {"FROZENSET", ARG_NONE, NULL, 0},
    [0x92] = {"NEWOBJ_EX", ARG_NONE, NULL, 0},
    [0x93] = {"STACK_GLOBAL", ARG_NONE, op_stack_global, 0},
    [0x94] = {"MEMOIZE", ARG_NONE, op_memoize, 0},
    [0x95] = {"FRAME", ARG_U64, op_frame, 0},
    [0x96] = {"BYTEARRAY8", ARG_BYTES8, op_bytes, NL_PICKLE_BYTES},
    [0x97] = {"NEXT_BUFFER", ARG_NONE, NULL, 0},
    [0x98] = {"READONLY_BUFFER", ARG_NONE, op_nothing, 0},
};

static nl_status read_little(struct nl_pickle_machine *m, size_t width, uint64_t *out)
{
    NL_REQUIRE(m->size - m->at >= width, NL_EIO, "truncated: the file ends at byte %zu", m->size);
    *out = 0;
    for (size_t i = width; i-- > 0;) *out = *out << 8 | m->data[m->at + i];
    m->at += width;
    return NL_OK;
}

static nl_status read_bytes(struct nl_pickle_machine *m, size_t width,
                            struct nl_pickle_operand *arg)
{
    uint64_t size = 0;
    NL_TRY(read_little(m, width, &size));
    NL_REQUIRE(size <= m->size - m->at, NL_EIO,
               "truncated: %llu bytes wanted after byte %zu, the file has %zu more",
               (unsigned long long)size, m->at, m->size - m->at);
    arg->data = m->data + m->at;
    arg->size = (size_t)size;
    m->at += arg->size;
    return NL_OK;
}

static nl_status read_number(struct nl_pickle_machine *m, size_t width,
                             struct nl_pickle_operand *arg)
{
    uint64_t number = 0;
    NL_TRY(read_little(m, width, &number));
    arg->number = (int64_t)number;
    return NL_OK;
}

static uint64_t swapped(uint64_t number)
{
    uint64_t out = 0;
    for (int i = 0; i < 8; i++, number >>= 8) out = out << 8 | (number & 255);
    return out;
}

static nl_status read_argument(struct nl_pickle_machine *m, argument kind,
                               struct nl_pickle_operand *arg)
{
    switch (kind) {
    case ARG_NONE:
        return NL_OK;
    case ARG_U8:
        return read_number(m, 1, arg);
    case ARG_U16:
        return read_number(m, 2, arg);
    case ARG_U32:
    case ARG_I32:
        NL_TRY(read_number(m, 4, arg));
        if (kind == ARG_I32) arg->number = (int32_t)(uint32_t)arg->number;
        return NL_OK;
    case ARG_U64:
        return read_number(m, 8, arg);
    case ARG_F64:
        NL_TRY(read_number(m, 8, arg));
        arg->number = (int64_t)swapped((uint64_t)arg->number);
        return NL_OK;
    case ARG_LINE:
        return read_line(m, arg);
    case ARG_BYTES1:
        return read_bytes(m, 1, arg);
    case ARG_BYTES4:
        return read_bytes(m, 4, arg);
    case ARG_BYTES8:
        return read_bytes(m, 8, arg);
    }
    return NL_EINVAL;
}

nl_status nl_pickle_step(struct nl_pickle_machine *m)
{
    struct nl_pickle_operand arg = {.row = 0};
    NL_REQUIRE(m->at < m->size, NL_EIO, "truncated: the file ends at byte %zu", m->size);
    const unsigned char code = m->data[m->at++];
    const struct opcode *op = &opcodes[code];
    NL_REQUIRE(op->name, NL_EIO, "broken pickle: unknown opcode 0x%02x at byte %zu", code,
               m->at - 1);
    NL_REQUIRE(op->run, NL_EIO, "refused: the file asks for %s, which makes more than arrays",
               op->name);
    arg.row = op->row;
    NL_TRY(read_argument(m, op->argument, &arg));
    return op->run(m, &arg);
}
