#include "src/app/lists.h"

#include "src/core/memory.h"
#include "src/core/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Labels 1..N where 0..N-1 are wanted are a common slip. */
nl_status nl_list_check_labels(const struct nl_inputs *inputs, const char *list, int classes)
{
    bool zero = false, all_above = true;
    for (int i = 0; i < inputs->count; i++) {
        zero = zero || inputs->list[i].label == 0;
        all_above = all_above && inputs->list[i].label >= 1 && inputs->list[i].label <= classes;
    }
    for (int i = 0; i < inputs->count; i++) {
        const struct nl_input *input = &inputs->list[i];
        if (input->label >= 0 && input->label < classes) continue;
        return nl_fail(NL_EUSAGE, "%s:%d: label %lld, want 0 to %d%s", list, input->line,
                       (long long)input->label, classes - 1,
                       all_above && !zero ? "; the list seems to count from 1" : "");
    }
    return NL_OK;
}

struct named {
    const char *path;
    int line;
};

static int by_path(const void *a, const void *b)
{
    const struct named *one = a, *two = b;
    const int order = strcmp(one->path, two->path);
    return order ? order : one->line - two->line;
}

nl_status nl_list_check_twice(const struct nl_inputs *inputs, const char *list)
{
    struct named *names = NULL;
    nl_status st = NL_OK;
    NL_TRY(nl_calloc((size_t)inputs->count, sizeof *names, &names));
    for (int i = 0; i < inputs->count; i++)
        names[i] = (struct named){inputs->list[i].path, inputs->list[i].line};
    qsort(names, (size_t)inputs->count, sizeof *names, by_path);
    for (int i = 1; st == NL_OK && i < inputs->count; i++)
        if (strcmp(names[i - 1].path, names[i].path) == 0)
            st = nl_fail(NL_EUSAGE, "%s:%d: %s is in line %d already", list, names[i].line,
                         names[i].path, names[i - 1].line);
    nl_free(names);
    return st;
}

static nl_status make_folder(const char *flag, const char *path)
{
    struct nl_text part = {.data = NULL};
    struct stat about;
    nl_status st = NL_OK;
    for (const char *end = path; st == NL_OK && *end;) {
        end += strspn(end, "/");
        end += strcspn(end, "/");
        nl_text_clear(&part);
        nl_text_add(&part, "%.*s", (int)(end - path), path);
        st = nl_text_check(&part);
        if (st == NL_OK && mkdir(part.data, 0777) != 0 && errno != EEXIST && errno != EISDIR &&
            !(errno == EROFS && stat(part.data, &about) == 0))
            st = nl_fail(NL_EUSAGE, "%s: cannot make %s: %s", flag, part.data, strerror(errno));
    }
    nl_text_clear(&part);
    if (st == NL_OK && (stat(path, &about) != 0 || !S_ISDIR(about.st_mode)))
        st = nl_fail(NL_EUSAGE, "%s: %s is no folder", flag, path);
    return st;
}

/* Writing is tried, since permissions alone do not tell. */
static nl_status try_folder(const char *flag, const char *folder)
{
    struct nl_text path = {.data = NULL};
    nl_text_add(&path, "%s/.nonlocal-XXXXXX", folder);
    nl_status st = nl_text_check(&path);
    if (st == NL_OK) {
        const int fd = mkstemp(path.data);
        if (fd < 0)
            st = nl_fail(NL_EUSAGE, "%s: cannot write to %s: %s", flag, folder, strerror(errno));
        else {
            close(fd);
            unlink(path.data);
        }
    }
    nl_text_clear(&path);
    return st;
}

nl_status nl_folder_ready(const char *flag, const char *folder)
{
    NL_TRY(make_folder(flag, folder));
    return try_folder(flag, folder);
}
