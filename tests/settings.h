/* settings.h - what the tests of options, files and flags share. */
#ifndef NL_TESTS_SETTINGS_H
#define NL_TESTS_SETTINGS_H

#include "src/core/options.h"

/* Settings of this test, all defaults after reset_settings. */
extern struct nl_settings settings;
void reset_settings(void);

/* Warnings since reset_settings, each ending with a newline. */
extern char warnings[4096];

/* Sets by flag; NL_OK is asserted. */
void give(const char *key, const char *value);

/* The value of "SECTION.KEY" is written as `want`. */
void assert_value(const char *key, const char *want);

/* The last error's message contains `part`. */
void assert_error(const char *part);

#endif
