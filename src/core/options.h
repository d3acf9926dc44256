/* options.h - one table gives defaults, YAML, --set, range checks, help and docs/options.md.
 *
 * Every option remembers who set it. A flag or --set goes before a checkpoint, which goes before
 * the configuration file, which goes before the default, in whatever order they are read.
 */
#ifndef NL_OPTIONS_H
#define NL_OPTIONS_H

#include "src/core/config.h"
#include "src/core/status.h"
#include "src/core/text.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef enum {
    NL_OPT_BOOL,   /* bool: True, False, yes, no, 1, 0 in any case */
    NL_OPT_INT,    /* int */
    NL_OPT_INT64,  /* int64_t */
    NL_OPT_REAL,   /* double */
    NL_OPT_NAME,   /* char[NL_NAME_MAX], not empty */
    NL_OPT_PATH,   /* char[NL_PATH_MAX]; "" is not given */
    NL_OPT_CHOICE, /* int: place in `choices` */
    NL_OPT_INTS,   /* int[count], exactly count of them */
    NL_OPT_STEPS,  /* TRAIN.step_sizes: train.step_sizes and train.n_steps */
    NL_OPT_GROUPS, /* NONLOCAL.group_size: a number, or a map from stage to number */
    NL_OPT_BLOCKS, /* NONLOCAL.blocks: a map from stage to blocks */
} nl_option_type;

enum {
    NL_OPT_UNUSED = 1, /* the original's; accepted, one warning where it is not the default */
    NL_OPT_OURS = 2,   /* not a key of the original */
    NL_OPT_LOCAL = 4,  /* of a machine or a run: never taken from a checkpoint */
};

struct nl_option {
    const char *section, *key;
    nl_option_type type;
    size_t offset;      /* in struct nl_config */
    int count;          /* of NL_OPT_INTS */
    const char *preset; /* default, as YAML */
    double min, max;
    const char *const *choices; /* NULL-terminated */
    unsigned flags;
    const char *help;
};

/* Rows of a section stand together, NONLOCAL's first is bn_momentum. */
extern const struct nl_option nl_options[];
extern const int nl_n_options;

typedef enum { NL_BY_DEFAULT, NL_BY_FILE, NL_BY_CHECKPOINT, NL_BY_FLAG } nl_setter;

enum { NL_OPTIONS_MAX = 192 };

/* A place of NONLOCAL.blocks with the switches given there (bit i: row i of the NONLOCAL rows). */
struct nl_place_override {
    struct nl_block_place place;
    uint64_t given;
};

struct nl_settings {
    struct nl_config config;
    unsigned char origin[NL_OPTIONS_MAX]; /* nl_setter of each row */
    bool warned[NL_OPTIONS_MAX];          /* rows that nl_settings_resolve warned of */
    struct nl_place_override overrides[NL_BLOCKS_MAX];
};

/* All defaults. NL_ENOMEM. */
nl_status nl_settings_init(struct nl_settings *settings) NL_MUST_CHECK;

/* Reads a YAML file (origin NL_BY_FILE). NL_EUSAGE with "file:line: ..." for unknown keys (naming
 * the nearest), wrong types, values out of range, duplicates, syntax; NL_EIO where it cannot be
 * read. After an error the settings are incomplete, but valid. */
nl_status nl_settings_load(struct nl_settings *settings, const char *path) NL_MUST_CHECK;

/* The same from text; `name` stands for the file in messages. */
nl_status nl_settings_read(struct nl_settings *settings, const char *text, const char *name,
                           nl_setter setter) NL_MUST_CHECK;

/* One option, "SECTION.KEY"; `value` as it would stand in YAML. */
nl_status nl_settings_set(struct nl_settings *settings, const char *key, const char *value,
                          nl_setter setter) NL_MUST_CHECK;

/* A path or a name, "SECTION.KEY", as it is: any bytes, no YAML. */
nl_status nl_settings_set_text(struct nl_settings *settings, const char *key, const char *text,
                               nl_setter setter) NL_MUST_CHECK;

/* Who set "SECTION.KEY", which must exist. */
nl_setter nl_settings_origin(const struct nl_settings *settings, const char *key);

/* Appends the value of "SECTION.KEY", which must exist, as YAML. */
void nl_settings_write(const struct nl_settings *settings, const char *key, struct nl_text *out);

/* NL_EUSAGE where a flag set "SECTION.KEY" of `settings` to other than `theirs` has; `name` is the
 * file that theirs come from. */
nl_status nl_settings_agree(const struct nl_settings *settings, const struct nl_settings *theirs,
                            const char *key, const char *name) NL_MUST_CHECK;

/* Derives what depends on several options (pool and scale from use_maxpool and use_scale, the
 * switches of each block) and checks them together: NL_EUSAGE. Warns once of each key that has no
 * effect. Call it when all are set; again after more. */
nl_status nl_settings_resolve(struct nl_settings *settings) NL_MUST_CHECK;

/* Everything as YAML. Read back, resolved settings give the same configuration, but for bytes of
 * paths that are no UTF-8. */
void nl_settings_dump(const struct nl_settings *settings, struct nl_text *out);

/* The row of `key` in `section`; -1 if there is none. */
int nl_option_find(const char *section, const char *key);

/* "an integer from 1 to 64", "True or False", ...: what the option wants, for messages and docs. */
char *nl_option_wanted(const struct nl_option *option, char *out, size_t size);

/* The page docs/options.md. */
void nl_options_markdown(FILE *out);

#endif
