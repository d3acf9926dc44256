#include "tests/opcase.h"

#include "src/app/plugin.h"
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "tests/beside.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHIFT = 3 };                 /* elements between the start of the memory and of the view */
static const double sentinel = 768; /* BF16 holds it */

/* One tensor's memory, on the host in double and on the backend in its type. */
struct buffer {
    double *host;
    int64_t elements;
    void *device;
};

void op_load_plugins(void)
{
    char path[NL_PATH_MAX];
    const char *folder = getenv("NL_TEST_PLUGINS");
    if (!folder) {
        puts("skip: NL_TEST_PLUGINS is not set: no backend of a plug-in is tested");
        return;
    }
    snprintf(path, sizeof path, "%s/plugin_guarded.so", folder);
    if (nl_plugins_load(path) == NL_OK) return;
    fprintf(stderr, "%s\n", nl_error());
    exit(EXIT_FAILURE);
}

/* Where the view's i-th element, last axis fastest, lies in its memory. */
static int64_t place(const nl_tensor *view, int64_t i)
{
    int64_t at = SHIFT;
    for (int axis = view->rank - 1; axis >= 0; axis--) {
        at += i % view->dim[axis] * view->stride[axis];
        i /= view->dim[axis];
    }
    return at;
}

static double draw(enum op_fill fill, struct nl_rng *rng)
{
    switch (fill) {
    case FILL_POSITIVE:
        return (float)(0.5 + nl_rng_double(rng));
    case FILL_LARGE:
        return (float)(60 * nl_rng_normal(rng));
    default:
        return (float)nl_rng_normal(rng);
    }
}

static void fill(const struct op_case *c, int input, struct buffer *b)
{
    struct nl_rng rng;
    const nl_tensor *view = &c->desc.in[input];
    const bool variance = c->desc.op == NL_OP_BN_FOLD && input == 3;
    nl_rng_seed(&rng, (uint64_t)input, c->name);
    for (int64_t i = 0; i < b->elements; i++)
        b->host[i] = draw(variance ? FILL_POSITIVE : c->fill, &rng);
    for (int64_t i = 0; c->given[input] && i < nl_tensor_count(view); i++)
        b->host[place(view, i)] = c->given[input][i];
    if (c->coarse && is_rounded(c->desc.op, view, false, input))
        for (int64_t i = 0; i < b->elements; i++) b->host[i] = to_bf16(b->host[i]);
}

static void open_buffer(struct nl_backend *be, const nl_tensor *view, nl_type type,
                        struct buffer *b)
{
    b->elements = nl_tensor_span(view) + SHIFT;
    ck_assert_int_eq(nl_calloc((size_t)b->elements, sizeof *b->host, &b->host), NL_OK);
    ck_assert_int_eq(
        be->ops->memory->alloc(be, (size_t)b->elements * nl_type_size(type), &b->device), NL_OK);
}

static void close_buffer(struct nl_backend *be, struct buffer *b)
{
    be->ops->memory->release(be, b->device);
    nl_free(b->host);
}

/* Element i of an array of `type`, both ways. */
static double load(const void *raw, nl_type type, int64_t i)
{
    if (type == NL_BF16) return (double)nl_bf16_to_float(((const uint16_t *)raw)[i]);
    return type == NL_F64 ? ((const double *)raw)[i] : (double)((const float *)raw)[i];
}

static void store(void *raw, nl_type type, int64_t i, double value)
{
    if (type == NL_BF16)
        ((uint16_t *)raw)[i] = nl_float_to_bf16((float)value);
    else if (type == NL_F64)
        ((double *)raw)[i] = value;
    else
        ((float *)raw)[i] = (float)value;
}

/* Through an array of the host's. */
static void exchange(struct nl_backend *be, struct buffer *b, nl_type type, nl_copy way)
{
    const size_t bytes = (size_t)b->elements * nl_type_size(type);
    void *raw = NULL;
    ck_assert_int_eq(nl_alloc(bytes, &raw), NL_OK);
    if (way == NL_TO_HOST)
        ck_assert_int_eq(be->ops->memory->copy(be, raw, b->device, bytes, way), 0);
    for (int64_t i = 0; i < b->elements; i++) {
        if (way == NL_TO_HOST)
            b->host[i] = load(raw, type, i);
        else
            store(raw, type, i, b->host[i]);
    }
    if (way == NL_TO_DEVICE)
        ck_assert_int_eq(be->ops->memory->copy(be, b->device, raw, bytes, way), 0);
    nl_free(raw);
}

static void bind(nl_tensor *view, const struct buffer *b)
{
    view->data = (char *)b->device + SHIFT * nl_type_size(view->type);
}

/* Packs if the kernel wants that, hiding the filters from run() then. */
static void run_kernel(struct nl_backend *be, const struct nl_kernel *kernel, struct nl_args *args)
{
    void *packed = NULL, *workspace = NULL;
    const struct nl_memory *memory = be->ops->memory;
    if (kernel->need.packed) {
        ck_assert_int_eq(memory->alloc(be, kernel->need.packed, &packed), NL_OK);
        ck_assert_int_eq(nl_kernel_pack(be, kernel, args, packed), NL_OK);
        args->packed = packed;
        args->in[1].data = NULL;
    }
    if (kernel->need.workspace) {
        ck_assert_int_eq(memory->alloc(be, kernel->need.workspace, &workspace), NL_OK);
        args->workspace = workspace;
    }
    const nl_status st = nl_kernel_run(be, kernel, args);
    ck_assert_msg(st == NL_OK, "%s: %s", kernel->impl->name, nl_error());
    ck_assert_int_eq(nl_backend_sync(be), NL_OK);
    memory->release(be, packed);
    memory->release(be, workspace);
}

static double *copied(const struct buffer *b)
{
    double *values = NULL;
    ck_assert_int_eq(nl_calloc((size_t)b->elements, sizeof *values, &values), NL_OK);
    memcpy(values, b->host, (size_t)b->elements * sizeof *values);
    return values;
}

/* The kernel on memory of its own. */
static void run_on_buffers(struct nl_backend *be, const struct op_case *c,
                           const struct nl_kernel *kernel, struct op_result *result)
{
    struct buffer in[NL_MAX_IN] = {{.host = NULL}}, out[NL_MAX_OUT] = {{.host = NULL}};
    struct buffer *made[NL_MAX_OUT] = {NULL};
    struct nl_args args = {.packed = NULL};
    for (int i = 0; i < NL_MAX_IN; i++) {
        if (!c->desc.in[i].rank) continue;
        const nl_type type = kernel->desc.in[i].type;
        open_buffer(be, &c->desc.in[i], type, &in[i]);
        fill(c, i, &in[i]);
        exchange(be, &in[i], type, NL_TO_DEVICE);
        args.in[i] = kernel->desc.in[i];
        bind(&args.in[i], &in[i]);
    }
    for (int i = 0; i < NL_MAX_OUT; i++) {
        if (!c->desc.out[i].rank) continue;
        const nl_type type = kernel->desc.out[i].type;
        made[i] = i == 0 && c->shares ? &in[c->shares - 1] : &out[i];
        if (made[i] == &out[i]) {
            open_buffer(be, &c->desc.out[i], type, &out[i]);
            for (int64_t k = 0; k < out[i].elements; k++) out[i].host[k] = sentinel;
            exchange(be, &out[i], type, NL_TO_DEVICE);
        }
        args.out[i] = result->view[i] = kernel->desc.out[i];
        bind(&args.out[i], made[i]);
        result->span[i] = made[i]->elements;
        result->before[i] = copied(made[i]);
    }
    run_kernel(be, kernel, &args);
    for (int i = 0; i < NL_MAX_OUT; i++) {
        if (!made[i]) continue;
        exchange(be, made[i], kernel->desc.out[i].type, NL_TO_HOST);
        result->after[i] = copied(made[i]);
    }
    for (int i = 0; i < NL_MAX_IN; i++) close_buffer(be, &in[i]);
    for (int i = 0; i < NL_MAX_OUT; i++) close_buffer(be, &out[i]);
}

nl_status op_run(struct nl_backend *be, const struct op_case *c, nl_type type, const char *force,
                 struct op_result *result)
{
    struct nl_kernel kernel;
    struct nl_op_desc desc = c->desc;
    *result = (struct op_result){.span = {0}};
    for (int i = 0; i < NL_MAX_IN; i++)
        desc.in[i].type = type_beside(desc.op, &desc.in[i], false, i, type);
    for (int i = 0; i < NL_MAX_OUT; i++)
        desc.out[i].type = type_beside(desc.op, &desc.out[i], true, i, type);
    if (desc.op == NL_OP_CAST) desc.out[0].type = desc.attr.cast.type;
    const nl_status st = nl_kernel_prepare(be, &desc, force, &kernel);
    if (st == NL_ENOSUP) return st;
    ck_assert_msg(st == NL_OK, "%s on %s: %s", c->name, be->ops->name, nl_error());
    run_on_buffers(be, c, &kernel, result);
    nl_kernel_drop(be, &kernel);
    return NL_OK;
}

double op_element(const struct op_result *result, int o, int64_t i)
{
    return result->after[o][place(&result->view[o], i)];
}

void op_result_clear(struct op_result *result)
{
    for (int i = 0; i < NL_MAX_OUT; i++) {
        nl_free(result->before[i]);
        nl_free(result->after[i]);
    }
    *result = (struct op_result){.span = {0}};
}

/* Largest difference and largest finite value wanted of output `o`, into the two maxima. */
static void compare(const struct op_result *got, const struct op_result *want, int o, double *worst,
                    double *largest)
{
    const nl_tensor *view = &want->view[o];
    for (int64_t i = 0; i < nl_tensor_count(view); i++) {
        const int64_t at = place(view, i);
        const double g = got->after[o][at], w = want->after[o][at];
        if (isnan(g) != isnan(w)) *worst = INFINITY;
        if (isnan(g) || isnan(w)) continue;
        if (g != w) *worst = fmax(*worst, fabs(g - w));
        if (isfinite(w)) *largest = fmax(*largest, fabs(w));
    }
}

double op_distance(const struct op_result *got, const struct op_result *want)
{
    double relative = 0;
    for (int o = 0; o < NL_MAX_OUT; o++) {
        double worst = 0, largest = 0;
        if (!want->view[o].rank) continue;
        compare(got, want, o, &worst, &largest);
        if (worst > 0) relative = fmax(relative, worst / largest);
    }
    return relative;
}

/* Like op_gaps_untouched, for one output. */
static bool untouched(const struct op_result *result, int o)
{
    const nl_tensor *view = &result->view[o];
    bool *own = NULL, same = true;
    ck_assert_int_eq(nl_calloc((size_t)result->span[o], sizeof *own, &own), NL_OK);
    for (int64_t i = 0; i < nl_tensor_count(view); i++) own[place(view, i)] = true;
    for (int64_t i = 0; i < result->span[o]; i++)
        same = same && (own[i] || result->before[o][i] == result->after[o][i]);
    nl_free(own);
    return same;
}

bool op_gaps_untouched(const struct op_result *result)
{
    for (int o = 0; o < NL_MAX_OUT; o++)
        if (result->view[o].rank && !untouched(result, o)) return false;
    return true;
}
