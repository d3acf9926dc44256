#include "src/core/log.h"

#include <stdarg.h>
#include <stdio.h>

static void print_line(nl_log_level level, const char *line, void *user)
{
    (void)user;
    fprintf(stderr, "%s%s\n", level == NL_LOG_WARN ? "warning: " : "", line);
}

static nl_log_sink *current = print_line;
static void *current_user;

void nl_log_set_sink(nl_log_sink *sink, void *user)
{
    current = sink ? sink : print_line;
    current_user = user;
}

static void emit(nl_log_level level, const char *fmt, va_list ap)
{
    char line[2048];
    vsnprintf(line, sizeof line, fmt, ap);
    current(level, line, current_user);
}

void nl_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(NL_LOG_NOTE, fmt, ap);
    va_end(ap);
}

void nl_warn(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(NL_LOG_WARN, fmt, ap);
    va_end(ap);
}
