#include "tests/settings.h"

#include "src/core/log.h"

#include <check.h>
#include <string.h>

struct nl_settings settings;
char warnings[4096];

static void collect(nl_log_level level, const char *line, void *user)
{
    (void)user;
    ck_assert_int_eq(level, NL_LOG_WARN);
    const size_t used = strlen(warnings);
    snprintf(warnings + used, sizeof warnings - used, "%s\n", line);
}

void reset_settings(void)
{
    warnings[0] = '\0';
    nl_log_set_sink(collect, NULL);
    ck_assert_int_eq(nl_settings_init(&settings), NL_OK);
}

void give(const char *key, const char *value)
{
    const nl_status st = nl_settings_set(&settings, key, value, NL_BY_FLAG);
    ck_assert_msg(st == NL_OK, "%s=%s: %s", key, value, nl_error());
}

void assert_value(const char *key, const char *want)
{
    struct nl_text text = {.data = NULL};
    nl_settings_write(&settings, key, &text);
    ck_assert_int_eq(nl_text_check(&text), NL_OK);
    ck_assert_msg(strcmp(text.data, want) == 0, "%s is %s, want %s", key, text.data, want);
    nl_text_clear(&text);
}

void assert_error(const char *part)
{
    ck_assert_msg(strstr(nl_error(), part) != NULL, "\"%s\" does not say \"%s\"", nl_error(), part);
    ck_assert_msg(strpbrk(nl_error(), "\n\033") == NULL, "\"%s\" is not one line", nl_error());
}
