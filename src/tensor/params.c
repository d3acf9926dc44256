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
    NL_REQUIRE(nl_tensor_same_shape(&known->tensor, tensor), NL_ESHAPE,
               "parameter %s: was %s, now %s", known->name,
               nl_tensor_text(&known->tensor, one, sizeof one),
               nl_tensor_text(tensor, two, sizeof two));
    return NL_OK;
}

nl_status nl_params_add(struct nl_params *params, const char *name, const nl_tensor *tensor,
                        nl_param_role role, struct nl_init init, int *index)
{
    *index = nl_params_find(params, name);
    if (*index >= 0) return agree(&params->list[*index], tensor);
    NL_REQUIRE(!params->block, NL_EINVAL, "parameter %s comes after the memory was given out",
               name);
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
    NL_REQUIRE(type == NL_F32 || type == NL_F64, NL_EINVAL, "parameters are f32 or f64, not %s",
               nl_type_name(type));
    NL_REQUIRE(!params->block, NL_EINVAL, "the parameters have their memory already");
    for (int i = 0; i < params->count; i++) {
        params->list[i].tensor.type = type;
        NL_TRY(nl_tensor_bytes(&params->list[i].tensor, &bytes));
        NL_TRY(nl_size_add(total, nl_align_up(bytes), &total));
    }
    NL_TRY(be->ops->memory->alloc(be, total, &params->block));
    params->be = be;
    params->bytes = total;
    char *at = params->block;
    for (int i = 0; i < params->count; i++) {
        params->list[i].tensor.data = at;
        NL_TRY(nl_tensor_bytes(&params->list[i].tensor, &bytes));
        at += nl_align_up(bytes);
    }
    return NL_OK;
}

static nl_status zeroed(struct nl_params *params, void **out)
{
    struct nl_backend *be = params->be;
    void *zeros = NULL;
    NL_TRY(nl_calloc(params->bytes ? params->bytes : 1, 1, &zeros));
    nl_status st = be->ops->memory->alloc(be, params->bytes, out);
    if (st == NL_OK) st = be->ops->memory->copy(be, *out, zeros, params->bytes, NL_TO_DEVICE);
    nl_free(zeros);
    return st;
}

nl_status nl_params_train(struct nl_params *params)
{
    NL_REQUIRE(params->block, NL_EINVAL, "the parameters have no memory yet");
    if (!params->grads) NL_TRY(zeroed(params, &params->grads));
    return params->velocity ? NL_OK : zeroed(params, &params->velocity);
}

/* The parameter's tensor, in another block of the same layout. */
static nl_tensor within(const struct nl_params *params, int index, void *block)
{
    nl_tensor t = params->list[index].tensor;
    t.data = (char *)block + ((char *)t.data - (char *)params->block);
    return t;
}

nl_tensor nl_param_grad(const struct nl_params *params, int index)
{
    return within(params, index, params->grads);
}

nl_tensor nl_param_velocity(const struct nl_params *params, int index)
{
    return within(params, index, params->velocity);
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

/* to[i] = from[i], each of its own type. */
static void move(void *to, nl_type to_type, int64_t at, const void *from, nl_type type, int64_t i)
{
    const double value = type == NL_F64 ? ((const double *)from)[i] : ((const float *)from)[i];
    if (to_type == NL_F64)
        ((double *)to)[at] = value;
    else
        ((float *)to)[at] = (float)value;
}

/* A parameter on its way from a file, so many filters at a time. */
struct arrival {
    const nl_tensor *t; /* ours */
    void *ours;
    const void *values; /* of `type`, in the file's order */
    nl_type type;
    struct layout layout;
    int64_t step;
};

/* Filters `first` to `last` from channels before taps to taps before channels. */
static void turn(const struct arrival *a, int64_t first, int64_t last)
{
    const struct layout l = a->layout;
    for (int64_t k = first; k < last; k++)
        for (int64_t s = 0; s < l.taps; s++)
            for (int64_t c = 0; c < l.channels; c++)
                move(a->ours, a->t->type, (k * l.taps + s) * l.channels + c, a->values, a->type,
                     (k * l.channels + c) * l.taps + s);
}

static void arrive(void *user, int64_t i, int lane)
{
    const struct arrival *a = user;
    const struct layout l = a->layout;
    const int64_t first = i * a->step;
    const int64_t last = first + a->step < l.filters ? first + a->step : l.filters;
    const size_t filter = (size_t)(l.channels * l.taps) * nl_type_size(a->type);
    (void)lane;
    if (a->type == a->t->type && (l.channels == 1 || l.taps == 1))
        memcpy((char *)a->ours + (size_t)first * filter,
               (const char *)a->values + (size_t)first * filter, (size_t)(last - first) * filter);
    else
        turn(a, first, last);
}

/* `values` of `type` in the file's order into `ours`, of t's type in our order. New pages of memory
 * cost more than what is copied into them, so that all threads have a part in it. */
static void from_file(struct nl_backend *be, const nl_tensor *t, void *ours, const void *values,
                      nl_type type)
{
    enum { PART = 1 << 16 }; /* numbers that are worth a thread's turn */
    const struct layout l = layout_of(t);
    struct arrival a = {t, ours, values, type, l, PART / (l.channels * l.taps + 1) + 1};
    nl_backend_spread(be, (l.filters + a.step - 1) / a.step, arrive, &a);
}

/* The inverse of from_file. */
static void to_file(const nl_tensor *t, const void *ours, void *values, nl_type type)
{
    const struct layout l = layout_of(t);
    if (type == t->type && (l.channels == 1 || l.taps == 1)) {
        memcpy(values, ours, (size_t)nl_tensor_count(t) * nl_type_size(type));
        return;
    }
    for (int64_t k = 0; k < l.filters; k++)
        for (int64_t c = 0; c < l.channels; c++)
            for (int64_t s = 0; s < l.taps; s++)
                move(values, type, (k * l.channels + c) * l.taps + s, ours, t->type,
                     (k * l.taps + s) * l.channels + c);
}

static nl_status set_values(struct nl_params *params, const nl_tensor *t, const void *values,
                            nl_type type)
{
    struct nl_backend *be = params->be;
    const struct nl_memory *memory = be->ops->memory;
    const bool within_reach = memory == &nl_host_memory;
    void *host = t->data;
    size_t bytes;
    NL_TRY(nl_tensor_bytes(t, &bytes));
    if (!within_reach) NL_TRY(nl_alloc(bytes, &host));
    from_file(be, t, host, values, type);
    params->version++;
    if (within_reach) return NL_OK;
    const nl_status st = memory->copy(be, t->data, host, bytes, NL_TO_DEVICE);
    nl_free(host);
    return st;
}

static nl_status get_values(const struct nl_params *params, const nl_tensor *t, void *values,
                            nl_type type)
{
    struct nl_backend *be = params->be;
    void *host = NULL;
    size_t bytes;
    NL_TRY(nl_tensor_bytes(t, &bytes));
    NL_TRY(nl_alloc(bytes, &host));
    const nl_status st = be->ops->memory->copy(be, host, t->data, bytes, NL_TO_HOST);
    if (st == NL_OK) to_file(t, host, values, type);
    nl_free(host);
    return st;
}

nl_status nl_params_set(struct nl_params *params, int index, const float *values)
{
    return set_values(params, &params->list[index].tensor, values, NL_F32);
}

nl_status nl_params_get(const struct nl_params *params, int index, float *values)
{
    return get_values(params, &params->list[index].tensor, values, NL_F32);
}

nl_status nl_params_set_f64(struct nl_params *params, int index, const double *values)
{
    return set_values(params, &params->list[index].tensor, values, NL_F64);
}

nl_status nl_params_get_f64(const struct nl_params *params, int index, double *values)
{
    return get_values(params, &params->list[index].tensor, values, NL_F64);
}

nl_status nl_params_get_grad_f64(const struct nl_params *params, int index, double *values)
{
    const nl_tensor t = nl_param_grad(params, index);
    return get_values(params, &t, values, NL_F64);
}

nl_status nl_params_set_velocity_f64(struct nl_params *params, int index, const double *values)
{
    const nl_tensor t = nl_param_velocity(params, index);
    return set_values(params, &t, values, NL_F64);
}

nl_status nl_params_get_velocity(const struct nl_params *params, int index, float *values)
{
    const nl_tensor t = nl_param_velocity(params, index);
    return get_values(params, &t, values, NL_F32);
}

nl_status nl_params_get_velocity_f64(const struct nl_params *params, int index, double *values)
{
    const nl_tensor t = nl_param_velocity(params, index);
    return get_values(params, &t, values, NL_F64);
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
    if ((param->role == NL_ROLE_BN || param->role == NL_ROLE_AFFINE) &&
        (ends_with(param->name, "_scale") || ends_with(param->name, "_s")))
        return (0.5 + 0.5 * nl_rng_double(rng)) *
               (block || strstr(param->name, "branch2c") ? 0.5 : 1);
    if (param->tensor.rank == 1) return 0.1 * nl_rng_normal(rng);
    if (param->role == NL_ROLE_FC) return 0.05 * nl_rng_normal(rng);
    /* Affinities without a softmax are not bounded by anything else. */
    if (block && ends_with(param->name, "_theta_w")) return 0.1 / sqrt(fan_in) * nl_rng_normal(rng);
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

/* In the file's order. */
static void draw(const struct nl_param *param, uint64_t seed, bool non_trivial, float *values)
{
    const int64_t count = nl_tensor_count(&param->tensor);
    struct nl_rng rng;
    nl_rng_seed(&rng, seed, param->name);
    for (int64_t i = 0; i < count; i++)
        values[i] =
            (float)(non_trivial ? non_trivial_value(param, &rng) : initial_value(param, &rng));
}

nl_status nl_params_init(struct nl_params *params, uint64_t seed, bool non_trivial)
{
    for (int i = 0; i < params->count; i++) {
        const struct nl_param *param = &params->list[i];
        float *values = NULL;
        NL_TRY(nl_calloc((size_t)nl_tensor_count(&param->tensor), sizeof *values, &values));
        draw(param, seed, non_trivial, values);
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
    void *const blocks[] = {params->block, params->grads, params->velocity};
    for (size_t i = 0; i < NL_COUNT(blocks); i++)
        if (blocks[i]) params->be->ops->memory->release(params->be, blocks[i]);
    *params = (struct nl_params){.list = NULL};
}
