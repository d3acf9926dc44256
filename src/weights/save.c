#include "src/weights/safetensors.h"

#include "src/core/memory.h"

#include <string.h>

/* Parameters leave their backend's memory one by one. */
struct saving {
    const struct nl_params *params;
    void *scratch;
};

static nl_status take_values(void *user, const struct nl_entry *entry, const void **data)
{
    const struct saving *saving = user;
    const int index = nl_params_find(saving->params, entry->name);
    *data = saving->scratch;
    if (entry->type == NL_F64) return nl_params_get_f64(saving->params, index, saving->scratch);
    return nl_params_get(saving->params, index, saving->scratch);
}

/* Entries without data, borrowing the parameters' names; the bytes of the largest. */
static void describe(const struct nl_params *params, struct nl_entry *list, size_t *most)
{
    *most = 0;
    for (int i = 0; i < params->count; i++) {
        const struct nl_param *param = &params->list[i];
        struct nl_entry *entry = &list[i];
        entry->name = param->name;
        entry->type = param->tensor.type == NL_F64 ? NL_F64 : NL_F32;
        entry->rank = nl_param_file_shape(param, entry->dim);
        entry->bytes = (size_t)nl_tensor_count(&param->tensor) * nl_type_size(entry->type);
        if (entry->bytes > *most) *most = entry->bytes;
    }
}

nl_status nl_params_save(const struct nl_params *params, const char *path,
                         const struct nl_meta *meta, int n_meta)
{
    struct saving saving = {params, NULL};
    struct nl_entry *list = NULL;
    struct nl_meta *all = NULL;
    char key[] = "format", value[] = "nonlocal";
    size_t most;
    nl_status st = nl_calloc((size_t)params->count, sizeof *list, &list);
    if (st == NL_OK) st = nl_calloc((size_t)n_meta + 1, sizeof *all, &all);
    if (st != NL_OK) goto out;
    describe(params, list, &most);
    all[0] = (struct nl_meta){key, value};
    if (n_meta) memcpy(all + 1, meta, (size_t)n_meta * sizeof *meta);
    NL_TRY_GOTO(st, nl_alloc(most, &saving.scratch), out);
    st = nl_safetensors_write(path, list, params->count, all, n_meta + 1, take_values, &saving);
out:
    nl_free(saving.scratch);
    nl_free(all);
    nl_free(list);
    return st;
}
