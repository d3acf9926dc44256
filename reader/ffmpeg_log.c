#include "reader/container.h"
#include "src/core/text.h"

#include <libavutil/log.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char said[256];

static void keep_line(void *source, int level, const char *fmt, va_list ap)
{
    (void)source;
    char line[192];
    if (level > AV_LOG_ERROR || said[0]) return;
    const int length = vsnprintf(line, sizeof line, fmt, ap);
    if (length <= 0) return;
    line[strcspn(line, "\n")] = '\0';
    if (line[0]) nl_text_escape(line, said, sizeof said);
}

static void install(void)
{
    av_log_set_callback(keep_line);
}

const char *nl_ffmpeg_said(void)
{
    return said;
}

void nl_ffmpeg_forget(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    said[0] = '\0';
}
