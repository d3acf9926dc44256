#include "src/weights/pickle_machine.h"

#include <string.h>

/* Everything that a weights file may name. NumPy and Python moved some of it over the years. */
static const struct {
    const char *module, *name;
    nl_pickle_global is;
} globals[] = {
    {"numpy.core.multiarray", "_reconstruct", NL_GLOBAL_RECONSTRUCT},
    {"numpy._core.multiarray", "_reconstruct", NL_GLOBAL_RECONSTRUCT},
    {"numpy.core.multiarray", "scalar", NL_GLOBAL_SCALAR},
    {"numpy._core.multiarray", "scalar", NL_GLOBAL_SCALAR},
    {"numpy.core.numeric", "_frombuffer", NL_GLOBAL_FROMBUFFER},
    {"numpy._core.numeric", "_frombuffer", NL_GLOBAL_FROMBUFFER},
    {"numpy", "ndarray", NL_GLOBAL_NDARRAY},
    {"numpy", "dtype", NL_GLOBAL_DTYPE},
    {"_codecs", "encode", NL_GLOBAL_ENCODE},
    {"collections", "OrderedDict", NL_GLOBAL_ORDERED_DICT},
    {"__builtin__", "tuple", NL_GLOBAL_TUPLE},
    {"builtins", "tuple", NL_GLOBAL_TUPLE},
    {"__builtin__", "bytes", NL_GLOBAL_BYTES},
    {"builtins", "bytes", NL_GLOBAL_BYTES},
    {"__builtin__", "bytearray", NL_GLOBAL_BYTES},
    {"builtins", "bytearray", NL_GLOBAL_BYTES},
    {"__builtin__", "eval", NL_GLOBAL_EVAL},
    {"builtins", "eval", NL_GLOBAL_EVAL},
};

static bool same(const struct nl_pickle_operand *text, const char *word)
{
    return text->size == strlen(word) && memcmp(text->data, word, text->size) == 0;
}

/* As much of a name from a file as a message wants. */
static int shown(size_t size)
{
    return size < 80 ? (int)size : 80;
}

nl_status nl_pickle_global_find(struct nl_pickle_machine *m, const struct nl_pickle_operand *module,
                                const struct nl_pickle_operand *name)
{
    struct nl_pickle_value *value;
    size_t i = 0;
    while (i < NL_COUNT(globals) &&
           !(same(module, globals[i].module) && same(name, globals[i].name)))
        i++;
    NL_REQUIRE(i < NL_COUNT(globals), NL_EIO, "refused: the file asks to run %.*s.%.*s",
               shown(module->size), (const char *)module->data, shown(name->size),
               (const char *)name->data);
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_GLOBAL, &value));
    value->u.global = globals[i].is;
    return nl_pickle_push(m, value);
}

typedef nl_status call(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                       size_t count);

static nl_status wrong_arguments(const char *what)
{
    return nl_fail(NL_EIO, "broken pickle: %s with unusual arguments", what);
}

static bool is_bytes(const struct nl_pickle_value *value)
{
    return value->kind == NL_PICKLE_BYTES || value->kind == NL_PICKLE_LATIN1;
}

static bool is_global(const struct nl_pickle_value *value, nl_pickle_global global)
{
    return value->kind == NL_PICKLE_GLOBAL && value->u.global == global;
}

static nl_status call_reconstruct(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                                  size_t count)
{
    struct nl_pickle_value *value;
    if (count != 3 || !is_global(args[0], NL_GLOBAL_NDARRAY))
        return wrong_arguments("_reconstruct");
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_ARRAY, &value));
    return nl_pickle_push(m, value);
}

static nl_status call_scalar(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                             size_t count)
{
    struct nl_pickle_value *value, *shape;
    if (count != 2 || args[0]->kind != NL_PICKLE_DTYPE || !is_bytes(args[1]))
        return wrong_arguments("scalar");
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_TUPLE, &shape));
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_ARRAY, &value));
    value->u.array.shape = shape;
    value->u.array.dtype = args[0];
    value->u.array.data = args[1];
    return nl_pickle_push(m, value);
}

static nl_status call_frombuffer(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                                 size_t count)
{
    struct nl_pickle_value *value;
    if (count != 4 || !is_bytes(args[0]) || args[1]->kind != NL_PICKLE_DTYPE ||
        args[2]->kind != NL_PICKLE_TUPLE)
        return wrong_arguments("_frombuffer");
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_ARRAY, &value));
    value->u.array.data = args[0];
    value->u.array.dtype = args[1];
    value->u.array.shape = args[2];
    value->u.array.fortran = nl_pickle_equals(args[3], "F");
    return nl_pickle_push(m, value);
}

/* dtype('f4', ...): kind and size; its byte order comes by BUILD, or in front as in '<f4'. */
static nl_status call_dtype(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                            size_t count)
{
    struct nl_pickle_value *value;
    if (count < 1 || (args[0]->kind != NL_PICKLE_TEXT && args[0]->kind != NL_PICKLE_BYTES))
        return wrong_arguments("dtype");
    const unsigned char *text = args[0]->u.bytes.data;
    size_t size = args[0]->u.bytes.size;
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_DTYPE, &value));
    if (size && strchr("<>=|", text[0])) {
        value->u.dtype.big_endian = text[0] == '>';
        text++;
        size--;
    }
    const bool known = size >= 2 && size <= 3 && text[1] >= '0' && text[1] <= '9';
    value->u.dtype.kind = '?';
    if (size) value->u.dtype.kind = (char)text[0];
    value->u.dtype.size = known ? text[1] - '0' : 0;
    if (known && size == 3) value->u.dtype.size = value->u.dtype.size * 10 + (text[2] - '0');
    return nl_pickle_push(m, value);
}

/* _codecs.encode(text, 'latin1') is how Python 3 writes bytes in protocols 0 to 2. */
static nl_status call_encode(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                             size_t count)
{
    struct nl_pickle_value *value;
    if (count != 2 || args[0]->kind != NL_PICKLE_TEXT ||
        (!nl_pickle_equals(args[1], "latin1") && !nl_pickle_equals(args[1], "latin-1")))
        return wrong_arguments("_codecs.encode");
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_LATIN1, &value));
    value->u.bytes = args[0]->u.bytes;
    return nl_pickle_push(m, value);
}

/* OrderedDict(), filled later, or Python 2's OrderedDict([[key, value], ...]). */
static nl_status call_ordered_dict(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                                   size_t count)
{
    struct nl_pickle_value *value;
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_DICT, &value));
    if (count == 0) return nl_pickle_push(m, value);
    if (count != 1 || args[0]->kind != NL_PICKLE_LIST) return wrong_arguments("OrderedDict");
    for (const struct nl_pickle_cell *c = args[0]->u.items.first; c; c = c->next) {
        const struct nl_pickle_value *pair = c->value;
        if ((pair->kind != NL_PICKLE_LIST && pair->kind != NL_PICKLE_TUPLE) ||
            pair->u.items.count != 2)
            return wrong_arguments("OrderedDict");
        NL_TRY(nl_pickle_append(m->arena, value, pair->u.items.first->value,
                                pair->u.items.last->value));
    }
    return nl_pickle_push(m, value);
}

static nl_status call_tuple(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                            size_t count)
{
    if (count != 1 || args[0]->kind != NL_PICKLE_TUPLE) return wrong_arguments("tuple");
    return nl_pickle_push(m, args[0]);
}

/* bytes() is empty; bytearray(x) holds what x holds. */
static nl_status call_bytes(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                            size_t count)
{
    struct nl_pickle_value *value;
    if (count == 1 && is_bytes(args[0])) return nl_pickle_push(m, args[0]);
    if (count != 0) return wrong_arguments("bytes");
    NL_TRY(nl_pickle_value_new(m->arena, NL_PICKLE_BYTES, &value));
    value->u.bytes.data = m->data;
    return nl_pickle_push(m, value);
}

static nl_status call_eval(struct nl_pickle_machine *m, struct nl_pickle_value *const *args,
                           size_t count)
{
    const bool idiom = count == 2 && nl_pickle_equals(args[0], "data") &&
                       args[1]->kind == NL_PICKLE_DICT && args[1]->u.items.count == 1 &&
                       nl_pickle_equals(args[1]->u.items.first->key, "data");
    NL_REQUIRE(idiom, NL_EIO, "refused: the file asks to run builtins.eval");
    return nl_pickle_push(m, args[1]->u.items.last->value);
}

nl_status nl_pickle_reduce(struct nl_pickle_machine *m)
{
    enum { ARGS_MAX = 8 };
    static call *const calls[] = {
        [NL_GLOBAL_RECONSTRUCT] = call_reconstruct,
        [NL_GLOBAL_SCALAR] = call_scalar,
        [NL_GLOBAL_FROMBUFFER] = call_frombuffer,
        [NL_GLOBAL_NDARRAY] = NULL,
        [NL_GLOBAL_DTYPE] = call_dtype,
        [NL_GLOBAL_ENCODE] = call_encode,
        [NL_GLOBAL_ORDERED_DICT] = call_ordered_dict,
        [NL_GLOBAL_TUPLE] = call_tuple,
        [NL_GLOBAL_BYTES] = call_bytes,
        [NL_GLOBAL_EVAL] = call_eval,
    };
    struct nl_pickle_value *args = NULL, *callee = NULL, *list[ARGS_MAX];
    size_t count = 0;
    NL_TRY(nl_pickle_pop(m, &args));
    NL_TRY(nl_pickle_pop(m, &callee));
    NL_REQUIRE(callee->kind == NL_PICKLE_GLOBAL && calls[callee->u.global], NL_EIO,
               "refused: the file asks to run what is no function of a weights file");
    if (args->kind != NL_PICKLE_TUPLE || args->u.items.count > ARGS_MAX)
        return wrong_arguments("a call");
    for (const struct nl_pickle_cell *c = args->u.items.first; c; c = c->next)
        list[count++] = c->value;
    return calls[callee->u.global](m, list, count);
}

/* (version, byte order, subarray, names, fields, ...) */
static nl_status build_dtype(struct nl_pickle_value *dtype, const struct nl_pickle_value *state)
{
    if (state->kind != NL_PICKLE_TUPLE || state->u.items.count < 5) return wrong_arguments("dtype");
    dtype->u.dtype.big_endian = nl_pickle_equals(nl_pickle_item(state, 1), ">");
    for (size_t i = 2; i < 5; i++)
        if (nl_pickle_item(state, i)->kind != NL_PICKLE_NONE) dtype->u.dtype.structured = true;
    return NL_OK;
}

/* (version, shape, dtype, fortran order, data) */
static nl_status build_array(struct nl_pickle_value *array, const struct nl_pickle_value *state)
{
    if (state->kind != NL_PICKLE_TUPLE || state->u.items.count != 5)
        return wrong_arguments("ndarray");
    const struct nl_pickle_value *shape = nl_pickle_item(state, 1);
    const struct nl_pickle_value *dtype = nl_pickle_item(state, 2);
    const struct nl_pickle_value *fortran = nl_pickle_item(state, 3);
    const bool flag = fortran->kind == NL_PICKLE_BOOL || fortran->kind == NL_PICKLE_INT;
    if (shape->kind != NL_PICKLE_TUPLE || dtype->kind != NL_PICKLE_DTYPE || !flag)
        return wrong_arguments("ndarray");
    array->u.array.shape = shape;
    array->u.array.dtype = dtype;
    array->u.array.fortran = fortran->u.integer != 0;
    array->u.array.data = nl_pickle_item(state, 4);
    return NL_OK;
}

nl_status nl_pickle_build(struct nl_pickle_machine *m)
{
    struct nl_pickle_value *state = NULL, *object = NULL;
    NL_TRY(nl_pickle_pop(m, &state));
    NL_TRY(nl_pickle_top(m, &object));
    if (object->kind == NL_PICKLE_DTYPE) return build_dtype(object, state);
    if (object->kind == NL_PICKLE_ARRAY) return build_array(object, state);
    /* Attributes of an OrderedDict say nothing about weights. */
    NL_REQUIRE(object->kind == NL_PICKLE_DICT, NL_EIO,
               "refused: the file asks to fill in an object of its own");
    return NL_OK;
}
