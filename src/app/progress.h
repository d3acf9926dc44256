/* progress.h - long work shows itself: a line that rewrites itself on a terminal, plain lines in a
 * log.
 *
 * All output goes to stderr, so stdout stays for results.
 */
#ifndef NL_PROGRESS_H
#define NL_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct nl_progress {
    const char *unit; /* "views" */
    int64_t total, done;
    int64_t log_interval; /* in a log: one line every so many units; 0: only when 10 s passed */
    double start, shown;  /* seconds, monotonic */
    bool terminal, visible;
};

/* Seconds of a clock that only goes forward. */
double nl_seconds(void);

/* "1:02:03", "2:03 min" or "45 s". */
void nl_duration(double seconds, char *out, size_t size);

void nl_progress_begin(struct nl_progress *p, const char *unit, int64_t total,
                       int64_t log_interval);

/* `done` units are finished; `what` (may be "") names the one at hand. */
void nl_progress_show(struct nl_progress *p, int64_t done, const char *what);

/* Clears the terminal line, so that other output starts at the left margin. */
void nl_progress_hide(struct nl_progress *p);

#endif
