/* log.h - lines for a person: where they go is decided by the program, not by the library.
 *
 * Nothing below src/app prints by itself: library code calls nl_warn or nl_note, and the
 * program installs a sink (default: "warning: ..." and plain lines on stderr).
 */
#ifndef NL_LOG_H
#define NL_LOG_H

#include "src/core/status.h"

typedef enum { NL_LOG_NOTE, NL_LOG_WARN } nl_log_level;
typedef void nl_log_sink(nl_log_level level, const char *line, void *user);

/* NULL restores the default sink. Not thread-safe: set it before threads start. */
void nl_log_set_sink(nl_log_sink *sink, void *user);

/* One line without a trailing newline. Thread-safe. */
void nl_note(const char *fmt, ...) NL_PRINTF(1, 2);
void nl_warn(const char *fmt, ...) NL_PRINTF(1, 2);

#endif
