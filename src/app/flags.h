/* flags.h - the table of flags: what each is called, who takes it and where its value goes. */
#ifndef NL_FLAGS_H
#define NL_FLAGS_H

#include "src/app/command.h"

typedef enum {
    NL_FLAG_TEXT,     /* const char *, not empty */
    NL_FLAG_PATH,     /* const char *; empty means not given */
    NL_FLAG_NUMBER,   /* int64_t in [low, high] */
    NL_FLAG_SWITCH,   /* bool: bare, or with a Python literal */
    NL_FLAG_GPU,      /* int: True, False or auto */
    NL_FLAG_SET,      /* SECTION.KEY=VALUE */
    NL_FLAG_KEY,      /* a key of the configuration; empty means not given */
    NL_FLAG_KEY_PATH, /* likewise, any bytes */
    NL_FLAG_UNUSED,   /* the original's, without effect */
    NL_FLAG_BARE,     /* likewise, without a value */
} nl_flag_type;

struct nl_flag {
    const char *name;
    nl_flag_type type;
    unsigned commands; /* NL_CMD_... */
    size_t offset;     /* in struct nl_flags; of TEXT to GPU */
    const char *key;   /* SECTION.KEY of KEY and KEY_PATH */
    double low, high;
    const char *help;
};

/* The row of --name among those of a command (NL_CMD_...), keys of NONLOCAL included; NULL if
 * there is none. */
const struct nl_flag *nl_flag_find(const char *name, unsigned command);

/* The i-th row that a command takes, for listings: first those of the table, then a row for every
 * key of NONLOCAL; NULL after the last. Valid until the next call. */
const struct nl_flag *nl_flag_at(int i, unsigned command);

#endif
