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

nl_status nl_list_real_path(const char *path, char **real)
{
    *real = realpath(path, NULL);
    return *real ? NL_OK : nl_copy_text(path, real);
}

struct named {
    char *real;
    const struct nl_input *input;
};

static int by_file(const void *a, const void *b)
{
    const struct named *one = a, *two = b;
    const int order = strcmp(one->real, two->real);
    return order ? order : one->input->line - two->input->line;
}

static nl_status refuse_twins(struct named *names, int count, const char *list)
{
    qsort(names, (size_t)count, sizeof *names, by_file);
    for (int i = 1; i < count; i++) {
        const struct nl_input *one = names[i - 1].input, *two = names[i].input;
        const bool same = strcmp(one->path, two->path) == 0;
        NL_REQUIRE(strcmp(names[i - 1].real, names[i].real) != 0, NL_EUSAGE,
                   "%s:%d: %s is in line %d already%s%s", list, two->line, two->path, one->line,
                   same ? "" : ", as ", same ? "" : one->path);
    }
    return NL_OK;
}

nl_status nl_list_check_twice(const struct nl_inputs *inputs, const char *list)
{
    struct named *names = NULL;
    nl_status st = NL_OK;
    NL_TRY(nl_calloc((size_t)inputs->count, sizeof *names, &names));
    for (int i = 0; st == NL_OK && i < inputs->count; i++) {
        names[i].input = &inputs->list[i];
        st = nl_list_real_path(inputs->list[i].path, &names[i].real);
    }
    if (st == NL_OK) st = refuse_twins(names, inputs->count, list);
    for (int i = 0; i < inputs->count; i++) nl_free(names[i].real);
    nl_free(names);
    return st;
}

static nl_status check_view(const struct nl_input *input, const char *list,
                            const struct nl_view_spec *spec, struct nl_input_view view)
{
    const int positions = spec->positions, crops = nl_view_crops(spec);
    NL_REQUIRE(view.temporal < positions && view.spatial < crops, NL_EUSAGE,
               "%s:%d: %s has a view %d %d; want positions 0 to %d and crops 0 to %d", list,
               input->line, input->path, view.temporal, view.spatial, positions - 1, crops - 1);
    return NL_OK;
}

nl_status nl_list_check_views(const struct nl_inputs *inputs, const char *list,
                              const struct nl_view_spec *spec)
{
    for (int i = 0; i < inputs->count; i++)
        for (int k = 0; k < inputs->list[i].n_views; k++)
            NL_TRY(check_view(&inputs->list[i], list, spec, inputs->list[i].views[k]));
    return NL_OK;
}
