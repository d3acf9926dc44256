#include "src/tensor/params.h"

#include "src/core/memory.h"
#include "src/core/rng.h"

#include <math.h>
#include <string.h>

int nl_params_find(const struct nl_params *params, const char *name)
{
    for (int i = 0; i < params->count; i++)
        if (strcmp(params->list[i].name, name) == 0) return i;
    return -1;
}

static nl_status agree(const struct nl_param *known, const nl_tensor *tensor)
{
    char one[160], two[160];
    NL_REQUIRE(nl_tensor_same_shape(&known->tensor, tensor), NL_ESHAPE, "parameter %s: was %s, now %s",
               known->name, nl_tensor_text(&known->tensor, one, sizeof one),
               nl_tensor_text(tensor, two, sizeof two));
    return NL_OK;
}

nl_status nl_params_add(struct nl_params *params, const char *name, const nl_tensor *tensor,
                        nl_param_role role, struct nl_init init, int *index)
{
    *index = nl_params_find(params, name);
    if (*index >= 0) return agree(&params->list[*index], tensor);
    NL_REQUIRE(!params->block, NL_EINVAL, "parameter %s comes after the memory was given out", name);
    if (params->count == params->room) {
        const int room = params->room ? 2 * params->room : 64;
        NL_TRY(nl_resize(&params->list, (size_t)room, sizeof *params->list));
        params->room = room;
    }
    struct nl_param *param = &params->list[params->count];
    *param = (struct nl_param){.tensor = *tensor, .role = role, .init = init};
    NL_TRY(nl_copy_text(name, &param->name));
    *index = params->count++;
    return NL_OK;
}

nl_status nl_params_alloc(struct nl_params *params, struct nl_backend *be, nl_type type)
{
    size_t total = 0, bytes;
    for (int i = 0; i < params->count; i++) {
        params->list[i].tensor.type = type;
        NL_TRY(nl_tensor_bytes(&params->list[i].tensor, &bytes));
        NL_TRY(nl_size_add(total, nl_align_up(bytes), &total));
    }
    NL_TRY(be->ops->memory->alloc(be, total, &params->block));
    params->be = be;
    char *at = params->block;
    for (int i = 0; i < params->count; i++) {
        params->list[i].tensor.data = at;
        NL_TRY(nl_tensor_bytes(&params->list[i].tensor, &bytes));
        at += nl_align_up(bytes);
    }
    return NL_OK;
}

int nl_param_file_shape(const struct nl_param *param, int64_t dim[NL_MAX_RANK])
{
    const int64_t *ours = param->tensor.dim;
    if (param->tensor.rank != 5) {
        memcpy(dim, ours, sizeof param->tensor.dim);
        return param->tensor.rank;
    }
    const int64_t theirs[5] = {ours[0], ours[4], ours[1], ours[2], ours[3]};
    memcpy(dim, theirs, sizeof theirs);
    return param->role == NL_ROLE_FC ? 2 : 5;
}

/* Element (k, c, s) in the file is element (k, s, c) here; s runs over kt, kh, kw. A vector has
 * K = its length, C = S = 1. */
struct layout {
    int64_t filters, channels, taps;
};

static struct layout layout_of(const nl_tensor *t)
{
    if (t->rank != 5) return (struct layout){nl_tensor_count(t), 1, 1};
    return (struct layout){t->dim[0], t->dim[4], t->dim[1] * t->dim[2] * t->dim[3]};
}

/* Values in the file's order to or from `ours`, in the memory's type. */
static void reorder(const nl_tensor *t, void *ours, float *theirs, bool to_ours)
{
    const struct layout l = layout_of(t);
    for (int64_t k = 0; k < l.filters; k++)
        for (int64_t c = 0; c < l.channels; c++)
            for (int64_t s = 0; s < l.taps; s++) {
                const int64_t here = (k * l.taps + s) * l.channels + c;
                float *there = theirs + (k * l.channels + c) * l.taps + s;
                if (t->type == NL_F64 && to_ours) ((double *)ours)[here] = *there;
                if (t->type == NL_F64 && !to_ours) *there = (float)((double *)ours)[here];
                if (t->type == NL_F32 && to_ours) ((float *)ours)[here] = *there;
                if (t->type == NL_F32 && !to_ours) *there = ((float *)ours)[here];
            }
}

/* Copies through a host buffer, since the parameter's memory may not be the host's. */
static nl_status exchange(struct nl_backend *be, const nl_tensor *t, float *values, bool set)
{
    void *host = NULL;
    size_t bytes;
    NL_TRY(nl_tensor_bytes(t, &bytes));
    NL_TRY(nl_alloc(bytes, &host));
    nl_status st = NL_OK;
    if (set) reorder(t, host, values, true);
    if (set)
        st = be->ops->memory->copy(be, t->data, host, bytes, NL_TO_DEVICE);
    else
        st = be->ops->memory->copy(be, host, t->data, bytes, NL_TO_HOST);
    if (!set && st == NL_OK) reorder(t, host, values, false);
    nl_free(host);
    return st;
}

nl_status nl_params_set(struct nl_params *params, int index, const float *values)
{
    float *source = NULL;
    memcpy(&source, &values, sizeof source); /* exchange() only reads when it sets */
    NL_TRY(exchange(params->be, &params->list[index].tensor, source, true));
    params->version++;
    return NL_OK;
}

nl_status nl_params_get(const struct nl_params *params, int index, float *values)
{
    return exchange(params->be, &params->list[index].tensor, values, false);
}

static bool ends_with(const char *name, const char *end)
{
    const size_t n = strlen(name), m = strlen(end);
    return n >= m && strcmp(name + n - m, end) == 0;
}

/* Ranges that let every part of the network show in its output: gammas and filters are not zero. */
static double non_trivial_value(const struct nl_param *param, struct nl_rng *rng)
{
    const bool block = strncmp(param->name, "nonlocal", 8) == 0;
    const double fan_in = (double)nl_tensor_count(&param->tensor) / (double)param->tensor.dim[0];
    if (ends_with(param->name, "_variance")) return 0.5 + nl_rng_double(rng);
    if (param->role == NL_ROLE_BN && (ends_with(param->name, "_scale") || ends_with(param->name, "_s")))
        return (0.5 + 0.5 * nl_rng_double(rng)) * (block || strstr(param->name, "branch2c") ? 0.5 : 1);
    if (param->tensor.rank == 1) return 0.1 * nl_rng_normal(rng);
    if (param->role == NL_ROLE_FC) return 0.05 * nl_rng_normal(rng);
    return sqrt((block ? 1 : 2) / fan_in) * nl_rng_normal(rng);
}

static double initial_value(const struct nl_param *param, struct nl_rng *rng)
{
    switch (param->init.kind) {
    case NL_INIT_NORMAL:
        return param->init.value == 0 ? 0 : param->init.value * nl_rng_normal(rng);
    case NL_INIT_UNIFORM:
        return param->init.value * (2 * nl_rng_double(rng) - 1);
    default:
        return param->init.value;
    }
}

nl_status nl_params_init(struct nl_params *params, uint64_t seed, bool non_trivial)
{
    for (int i = 0; i < params->count; i++) {
        const struct nl_param *param = &params->list[i];
        const int64_t n = nl_tensor_count(&param->tensor);
        struct nl_rng rng;
        float *values = NULL;
        nl_rng_seed(&rng, seed, param->name);
        NL_TRY(nl_calloc((size_t)n, sizeof *values, &values));
        for (int64_t k = 0; k < n; k++)
            values[k] = (float)(non_trivial ? non_trivial_value(param, &rng) : initial_value(param, &rng));
        const nl_status st = nl_params_set(params, i, values);
        nl_free(values);
        NL_TRY(st);
    }
    return NL_OK;
}

void nl_params_clear(struct nl_params *params)
{
    for (int i = 0; i < params->count; i++) nl_free(params->list[i].name);
    nl_free(params->list);
    if (params->block) params->be->ops->memory->release(params->be, params->block);
    *params = (struct nl_params){.list = NULL};
}
