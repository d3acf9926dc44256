#include "tests/fixture.h"

#include "src/core/memory.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *fixture_path(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", getenv("NL_FIXTURES"), name);
    return path;
}

double *fixture_values(const struct nl_state *state, const char *name)
{
    const struct nl_entry *entry = nl_state_find(state, name);
    double *values = NULL;
    ck_assert_msg(entry != NULL, "no %s", name);
    const size_t count = entry->bytes / nl_type_size(entry->type);
    ck_assert_int_eq(nl_calloc(count, sizeof *values, &values), NL_OK);
    for (size_t i = 0; i < count; i++) values[i] = nl_entry_value(entry, i);
    return values;
}

double fixture_norm(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i] * values[i];
    return sqrt(sum);
}

double fixture_difference(const double *got, const double *want, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++) {
        if (isnan(got[i])) return INFINITY;
        sum += (got[i] - want[i]) * (got[i] - want[i]);
    }
    return sqrt(sum);
}

/* Before any test runs, where Check's assertions do not work. */
static void need(bool holds, const char *what)
{
    if (holds) return;
    fprintf(stderr, "fixtures: %s\n", what);
    exit(EXIT_FAILURE);
}

int fixture_names(const char *prefix, int least, char ***names)
{
    struct dirent **entries;
    const char *folder = getenv("NL_FIXTURES");
    char what[128];
    int kept = 0;
    need(folder != NULL, "NL_FIXTURES is not set");
    const int count = scandir(folder, &entries, NULL, alphasort);
    need(count >= 0, "NL_FIXTURES is no folder");
    need(nl_calloc((size_t)count + 1, sizeof **names, names) == NL_OK, nl_error());
    for (int i = 0; i < count; i++) {
        if (strncmp(entries[i]->d_name, prefix, strlen(prefix)) == 0)
            need(nl_copy_text(entries[i]->d_name, &(*names)[kept++]) == NL_OK, nl_error());
        free(entries[i]);
    }
    free(entries);
    snprintf(what, sizeof what, "wanted %d files %s* in NL_FIXTURES, found %d", least, prefix,
             kept);
    need(kept >= least, what);
    return kept;
}

void fixture_names_free(char **names, int count)
{
    for (int i = 0; i < count; i++) nl_free(names[i]);
    nl_free(names);
}
