/* pickle.h - a machine for Python's pickles that builds data and nothing else.
 *
 * Protocols 0 to 5, also as Python 2 wrote them. Numbers, texts, bytes, tuples, lists,
 * dictionaries, NumPy's arrays, scalars and types come out; a pickle that asks to run, look up or
 * make anything else is refused by name and nothing is run (there is nothing here that could run).
 * Nothing recurses; stack, memo and values are bounded by the number of bytes read, and by
 * NL_PICKLE_MEMORY. Source: Lib/pickletools.py of Python 3.11 describes every opcode.
 */
#ifndef NL_PICKLE_H
#define NL_PICKLE_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NL_PICKLE_MEMORY = 256 << 20 }; /* bytes of values; contents of texts are not counted */

typedef enum {
    NL_PICKLE_NONE,
    NL_PICKLE_BOOL,
    NL_PICKLE_INT,
    NL_PICKLE_BIG, /* an integer of more than 64 bits */
    NL_PICKLE_FLOAT,
    NL_PICKLE_BYTES,  /* bytes, bytearray, or a text of Python 2 */
    NL_PICKLE_TEXT,   /* UTF-8 */
    NL_PICKLE_LATIN1, /* bytes, one for each character of a UTF-8 text */
    NL_PICKLE_TUPLE,
    NL_PICKLE_LIST,
    NL_PICKLE_DICT,
    NL_PICKLE_GLOBAL,
    NL_PICKLE_DTYPE,
    NL_PICKLE_ARRAY
} nl_pickle_kind;

/* What a pickle may name. */
typedef enum {
    NL_GLOBAL_RECONSTRUCT, /* numpy.core.multiarray._reconstruct */
    NL_GLOBAL_SCALAR,      /* numpy.core.multiarray.scalar */
    NL_GLOBAL_FROMBUFFER,  /* numpy.core.numeric._frombuffer */
    NL_GLOBAL_NDARRAY,
    NL_GLOBAL_DTYPE,
    NL_GLOBAL_ENCODE, /* _codecs.encode */
    NL_GLOBAL_ORDERED_DICT,
    NL_GLOBAL_TUPLE,
    NL_GLOBAL_BYTES,
    NL_GLOBAL_EVAL /* Paddle's idiom eval('data', {'data': array}), read as array; only that */
} nl_pickle_global;

struct nl_pickle_cell {
    struct nl_pickle_value *key; /* of a dictionary; else NULL */
    struct nl_pickle_value *value;
    struct nl_pickle_cell *next;
};

struct nl_pickle_value {
    nl_pickle_kind kind;
    union {
        int64_t integer; /* BOOL, INT */
        double real;
        struct {
            const unsigned char *data; /* in the file, or in the machine's memory */
            size_t size;
        } bytes;
        struct {
            struct nl_pickle_cell *first, *last;
            size_t count;
        } items;
        nl_pickle_global global;
        struct {
            char kind; /* NumPy's: f i u b; other letters as they come */
            int size;  /* bytes */
            bool big_endian, structured;
        } dtype;
        struct {
            const struct nl_pickle_value *shape, *dtype, *data; /* NULL: not given (yet) */
            bool fortran;
        } array;
    } u;
};

struct nl_pickle {
    const struct nl_pickle_value *top;
    struct nl_pickle_arena *arena;
};

/* Whether data begins as a pickle does. */
bool nl_pickle_is(const unsigned char *data, size_t size);

/* Reads one pickle; its values point into `data`. NL_EIO with a line that says what is wrong or
 * what was refused (without a path); NL_ENOMEM. `*pickle` is for nl_pickle_clear after success and
 * empty after failure. */
nl_status nl_pickle_read(const unsigned char *data, size_t size,
                         struct nl_pickle *pickle) NL_MUST_CHECK;
void nl_pickle_clear(struct nl_pickle *pickle);

/* Bytes of one of the kinds BYTES, TEXT and LATIN1 equal to `text`. */
bool nl_pickle_equals(const struct nl_pickle_value *value, const char *text);

/* Item `i` of a tuple or list; NULL past its end. Walks. */
const struct nl_pickle_value *nl_pickle_item(const struct nl_pickle_value *items, size_t i);

#endif
