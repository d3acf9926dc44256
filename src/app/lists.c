#include "src/app/lists.h"

#include "src/core/memory.h"

#include <stdlib.h>
#include <string.h>

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
