#include "src/app/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

double nl_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void nl_progress_begin(struct nl_progress *p, const char *unit, int64_t total, int64_t log_interval)
{
    *p = (struct nl_progress){.unit = unit,
                              .total = total,
                              .log_interval = log_interval,
                              .start = nl_seconds(),
                              .terminal = isatty(STDERR_FILENO) == 1};
    p->shown = p->start;
}

void nl_duration(double seconds, char *out, size_t size)
{
    const long s = (long)(seconds + 0.5);
    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else if (s >= 60)
        snprintf(out, size, "%ld:%02ld min", s / 60, s % 60);
    else
        snprintf(out, size, "%ld s", s);
}

/* In a log a line is due at each multiple of the interval; without one, every ten seconds. */
static bool due(const struct nl_progress *p, int64_t done, double now)
{
    if (p->terminal) return now - p->shown >= 0.1 || done == p->total;
    if (p->log_interval > 0) return done / p->log_interval > p->done / p->log_interval;
    return now - p->shown >= 10;
}

void nl_progress_show(struct nl_progress *p, int64_t done, const char *what)
{
    const double now = nl_seconds(), passed = now - p->start;
    const bool show = due(p, done, now);
    char left[32];
    p->done = done;
    if (!show) return;
    const double rate = passed > 0 ? (double)done / passed : 0;
    nl_duration(rate > 0 ? (double)(p->total - done) / rate : 0, left, sizeof left);
    fprintf(stderr, "%s%lld/%lld %s  %.2f %s/s  ETA %s  %s%s", p->terminal ? "\r\033[K" : "",
            (long long)done, (long long)p->total, p->unit, rate, p->unit, left, what,
            p->terminal ? "" : "\n");
    fflush(stderr);
    p->visible = p->terminal;
    p->shown = now;
}

void nl_progress_hide(struct nl_progress *p)
{
    if (p->visible) fputs("\r\033[K", stderr);
    p->visible = false;
}
