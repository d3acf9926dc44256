#include "src/core/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_MAX = 2048 };

static _Thread_local char message[MESSAGE_MAX];

nl_status nl_fail(nl_status code, const char *fmt, ...)
{
    char text[MESSAGE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(message, text, sizeof message);
    return code;
}

const char *nl_error(void)
{
    return message;
}

const char *nl_status_name(nl_status code)
{
    static const char *const names[] = {
        [NL_OK] = "OK",         [NL_EINVAL] = "EINVAL", [NL_EUSAGE] = "EUSAGE",
        [NL_ESHAPE] = "ESHAPE", [NL_ENOMEM] = "ENOMEM", [NL_ENOSUP] = "ENOSUP",
        [NL_EIO] = "EIO",       [NL_EDEV] = "EDEV",     [NL_EINTR] = "EINTR",
    };
    return (size_t)code < NL_COUNT(names) ? names[code] : "unknown";
}
