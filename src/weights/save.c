#include "src/weights/safetensors.h"

#include "src/core/memory.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char ending[] = "_velocity_0";

/* Tensors leave their backend's memory one by one. */
struct saving {
    const char *path;
    const struct nl_params *params;
    const struct nl_entry *list; /* parameters, then velocities */
    void *scratch;
};

static nl_status read_values(const struct saving *saving, const struct nl_entry *entry)
{
    const int at = (int)(entry - saving->list), count = saving->params->count;
    if (at >= count) {
        const int index = nl_params_find_velocity(saving->params, entry->name);
        if (entry->type == NL_F64)
            return nl_params_get_velocity_f64(saving->params, index, saving->scratch);
        return nl_params_get_velocity(saving->params, index, saving->scratch);
    }
    if (entry->type == NL_F64) return nl_params_get_f64(saving->params, at, saving->scratch);
    return nl_params_get(saving->params, at, saving->scratch);
}

static bool all_finite(const struct nl_entry *entry, const void *values)
{
    const size_t count = nl_entry_count(entry);
    bool finite = true;
    for (size_t i = 0; finite && i < count; i++)
        finite = entry->type == NL_F64 ? isfinite(((const double *)values)[i])
                                       : isfinite(((const float *)values)[i]);
    return finite;
}

/* What cannot be loaded is not saved over what can. */
static nl_status take_values(void *user, const struct nl_entry *entry, const void **data)
{
    const struct saving *saving = user;
    *data = saving->scratch;
    NL_TRY(read_values(saving, entry));
    NL_REQUIRE(all_finite(entry, *data), NL_EIO,
               "%s: not written, since %s has a number that is not finite", saving->path,
               entry->name);
    return NL_OK;
}

/* An entry without data, borrowing the parameter's name. */
static void describe(const struct nl_param *param, struct nl_entry *entry, size_t *most)
{
    const nl_type type = param->tensor.type == NL_F64 ? NL_F64 : NL_F32;
    entry->name = param->name;
    entry->type = type;
    entry->rank = nl_param_file_shape(param, entry->dim);
    entry->bytes = (size_t)nl_tensor_count(&param->tensor) * nl_type_size(type);
    if (entry->bytes > *most) *most = entry->bytes;
}

/* Velocities of what is trained, under names of their own. */
static nl_status describe_velocities(const struct nl_params *params, struct nl_entry *list,
                                     int *count, size_t *most)
{
    char name[NL_ENTRY_NAME_MAX];
    for (int i = 0; i < params->count; i++) {
        const struct nl_param *param = &params->list[i];
        if (param->role == NL_ROLE_STATISTIC) continue;
        struct nl_entry *entry = &list[*count];
        describe(param, entry, most);
        entry->name = NULL;
        snprintf(name, sizeof name, "%.900s%s", param->name, ending);
        NL_TRY(nl_copy_text(name, &entry->name));
        ++*count;
    }
    return NL_OK;
}

static nl_status write_all(const struct nl_params *params, const char *path, struct nl_entry *list,
                           bool velocities, const struct nl_meta *meta, int n_meta)
{
    struct saving saving = {path, params, list, NULL};
    size_t most = 0;
    int count = params->count;
    for (int i = 0; i < count; i++) describe(&params->list[i], &list[i], &most);
    nl_status st = velocities ? describe_velocities(params, list, &count, &most) : NL_OK;
    if (st == NL_OK) st = nl_alloc(most, &saving.scratch);
    if (st == NL_OK)
        st = nl_safetensors_write(path, list, count, meta, n_meta, take_values, &saving);
    for (int i = params->count; i < count; i++) nl_free(list[i].name);
    nl_free(saving.scratch);
    return st;
}

nl_status nl_params_save(const struct nl_params *params, const char *path,
                         const struct nl_meta *meta, int n_meta, bool velocities)
{
    struct nl_entry *list = NULL;
    struct nl_meta *all = NULL;
    char key[] = "format", value[] = "nonlocal";
    nl_status st = nl_calloc(2 * (size_t)params->count + 1, sizeof *list, &list);
    if (st == NL_OK) st = nl_calloc((size_t)n_meta + 1, sizeof *all, &all);
    if (st == NL_OK) {
        all[0] = (struct nl_meta){key, value};
        if (n_meta) memcpy(all + 1, meta, (size_t)n_meta * sizeof *meta);
        st = write_all(params, path, list, velocities, all, n_meta + 1);
    }
    nl_free(all);
    nl_free(list);
    return st;
}

int nl_params_find_velocity(const struct nl_params *params, const char *name)
{
    char param[NL_ENTRY_NAME_MAX];
    const size_t length = strlen(name), tail = sizeof ending - 1;
    if (length <= tail || length >= sizeof param || strcmp(name + length - tail, ending) != 0)
        return -1;
    snprintf(param, sizeof param, "%.*s", (int)(length - tail), name);
    return nl_params_find(params, param);
}

static nl_status load_one(struct nl_params *params, int index, const struct nl_entry *entry)
{
    const size_t count = (size_t)nl_tensor_count(&params->list[index].tensor);
    double *values = NULL;
    NL_REQUIRE(nl_entry_count(entry) == count, NL_ESHAPE, "%s has %zu elements, want %zu",
               entry->name, nl_entry_count(entry), count);
    NL_TRY(nl_calloc(count, sizeof *values, &values));
    for (size_t i = 0; i < count; i++) values[i] = nl_entry_value(entry, i);
    const nl_status st = nl_params_set_velocity_f64(params, index, values);
    nl_free(values);
    return st;
}

nl_status nl_params_load_velocities(struct nl_params *params, const struct nl_state *state,
                                    bool *found)
{
    int loaded = 0, wanted = 0;
    for (int i = 0; i < params->count; i++) wanted += params->list[i].role != NL_ROLE_STATISTIC;
    for (int i = 0; i < state->count; i++) {
        const int index = nl_params_find_velocity(params, state->list[i].name);
        if (index < 0) continue;
        NL_TRY(load_one(params, index, &state->list[i]));
        loaded++;
    }
    *found = loaded > 0;
    NL_REQUIRE(loaded == 0 || loaded == wanted, NL_ESHAPE,
               "%s: optimizer state of %d parameters, want %d", state->path, loaded, wanted);
    return NL_OK;
}
