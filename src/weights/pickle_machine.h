/* pickle_machine.h - the machine's inside, shared by the files that implement it. */
#ifndef NL_PICKLE_MACHINE_H
#define NL_PICKLE_MACHINE_H

#include "src/weights/pickle.h"

struct nl_pickle_machine {
    const unsigned char *data;
    size_t size, at;
    struct nl_pickle_arena *arena;
    struct nl_pickle_value **stack;
    size_t n_stack, stack_room;
    size_t *marks; /* heights of the stack */
    size_t n_marks, marks_room;
    struct nl_pickle_value **memo; /* NULL: not set */
    size_t memo_room, n_memo;
    bool done;
};

/* An opcode's argument: a number, or bytes; and what its row of the table says. */
struct nl_pickle_operand {
    int row;
    int64_t number;
    const unsigned char *data;
    size_t size;
};

/* Memory for values, all released at once. `arena_bytes` counts against NL_PICKLE_MEMORY only where
 * `counted`. NL_EIO over the limit; NL_ENOMEM. */
nl_status nl_pickle_arena_new(struct nl_pickle_arena **out) NL_MUST_CHECK;
void nl_pickle_arena_free(struct nl_pickle_arena *arena);
nl_status nl_pickle_bytes_new(struct nl_pickle_arena *arena, size_t size,
                              unsigned char **out) NL_MUST_CHECK;
nl_status nl_pickle_value_new(struct nl_pickle_arena *arena, nl_pickle_kind kind,
                              struct nl_pickle_value **out) NL_MUST_CHECK;
/* To the end of a tuple or list (`key` NULL), or a dictionary. */
nl_status nl_pickle_append(struct nl_pickle_arena *arena, struct nl_pickle_value *items,
                           struct nl_pickle_value *key,
                           struct nl_pickle_value *value) NL_MUST_CHECK;

/* The stack. Popping stops at the last mark. NL_EIO. */
nl_status nl_pickle_push(struct nl_pickle_machine *m, struct nl_pickle_value *value) NL_MUST_CHECK;
nl_status nl_pickle_pop(struct nl_pickle_machine *m, struct nl_pickle_value **value) NL_MUST_CHECK;
nl_status nl_pickle_top(const struct nl_pickle_machine *m,
                        struct nl_pickle_value **value) NL_MUST_CHECK;
nl_status nl_pickle_mark(struct nl_pickle_machine *m) NL_MUST_CHECK;
/* Takes the last mark away: `*from` is the height it stood at. */
nl_status nl_pickle_unmark(struct nl_pickle_machine *m, size_t *from) NL_MUST_CHECK;
/* Moves what lies above height `from` to the end of `items`: keys and values in turns where it is a
 * dictionary. NL_EIO for a key without a value. */
nl_status nl_pickle_collect(struct nl_pickle_machine *m, size_t from,
                            struct nl_pickle_value *items) NL_MUST_CHECK;
nl_status nl_pickle_memo_set(struct nl_pickle_machine *m, int64_t index,
                             struct nl_pickle_value *value) NL_MUST_CHECK;
nl_status nl_pickle_memo_get(const struct nl_pickle_machine *m, int64_t index,
                             struct nl_pickle_value **value) NL_MUST_CHECK;

/* What opcodes mean. */
nl_status nl_pickle_step(struct nl_pickle_machine *m) NL_MUST_CHECK;

/* Numbers and texts of protocol 0, spelled out on a line. */
nl_status nl_pickle_line_int(struct nl_pickle_machine *m,
                             const struct nl_pickle_operand *line) NL_MUST_CHECK;
nl_status nl_pickle_line_float(struct nl_pickle_machine *m,
                               const struct nl_pickle_operand *line) NL_MUST_CHECK;
nl_status nl_pickle_line_string(struct nl_pickle_machine *m,
                                const struct nl_pickle_operand *line) NL_MUST_CHECK;
nl_status nl_pickle_line_unicode(struct nl_pickle_machine *m,
                                 const struct nl_pickle_operand *line) NL_MUST_CHECK;
/* The integer on a line, for memo indices. */
nl_status nl_pickle_line_number(const struct nl_pickle_operand *line, int64_t *out) NL_MUST_CHECK;

/* The few things that may be named, called and filled in; everything else is refused. */
nl_status nl_pickle_global_find(struct nl_pickle_machine *m, const struct nl_pickle_operand *module,
                                const struct nl_pickle_operand *name) NL_MUST_CHECK;
nl_status nl_pickle_reduce(struct nl_pickle_machine *m) NL_MUST_CHECK;
nl_status nl_pickle_build(struct nl_pickle_machine *m) NL_MUST_CHECK;

#endif
