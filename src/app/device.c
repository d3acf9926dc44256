#include "src/app/device.h"

#include "src/core/log.h"

#include <stdio.h>
#include <string.h>

/* The name that the precedence --backend, MODEL.backend, use_gpu leaves. */
static const char *backend_name(const struct nl_run *run)
{
    const char *name = run->settings.config.model.backend;
    if (strcmp(name, "auto") == 0 && run->args.use_gpu == NL_GPU_TRUE) return "cuda";
    return name;
}

static void warn_of_emulation(const struct nl_run *run, const struct nl_backend *be)
{
    const char *why = NULL;
    if (run->settings.config.model.precision != NL_PRECISION_BF16 || !be->ops->emulates) return;
    if ((why = be->ops->emulates(be, NL_BF16)))
        nl_warn("--precision=bf16 is emulated by backend %s, which saves memory, not time: %s",
                be->ops->name, why);
}

/* Who serves a small convolution of this type; NULL: nobody. */
static const struct nl_backend_ops *who_multiplies(struct nl_backend *be, nl_type type)
{
    static const int64_t x[5] = {1, 1, 4, 4, 16}, w[5] = {16, 1, 1, 1, 16};
    const struct nl_op_desc desc = {
        .op = NL_OP_CONV,
        .attr = {.conv = {.stride = {1, 1, 1}}},
        .in = {nl_tensor_dense(type, 5, x), nl_tensor_dense(type, 5, w)},
        .out = {nl_tensor_dense(type, 5, x)}};
    struct nl_kernel kernel;
    if (nl_kernel_prepare(be, &desc, NULL, &kernel) != NL_OK) return NULL;
    nl_kernel_drop(be, &kernel);
    return kernel.owner;
}

/* Whether F64 stays where F32 goes, and does not fall through to a slow backend unasked. */
static bool multiplies_f64(struct nl_backend *be)
{
    const struct nl_backend_ops *wide = who_multiplies(be, NL_F64);
    return wide && (wide == be->ops || wide == who_multiplies(be, NL_F32));
}

/* The name of the first backend that does; NULL: none. */
static const char *first_for_f64(int threads)
{
    const struct nl_backend_ops *ops = NULL;
    for (int i = 0; (ops = nl_backend_at(i)); i++) {
        struct nl_backend be;
        if (nl_backend_open(ops->name, threads, &be) != NL_OK) continue;
        const bool does = multiplies_f64(&be);
        nl_backend_close(&be);
        if (does) return ops->name;
    }
    return NULL;
}

static nl_status open_by_precision(const struct nl_run *run, struct nl_backend *be)
{
    const char *name = backend_name(run), *other = NULL;
    const int threads = (int)run->args.threads;
    const bool wide = run->settings.config.model.precision == NL_PRECISION_F64;
    if (wide) other = first_for_f64(threads);
    if (wide && other && strcmp(name, "auto") == 0) name = other;
    NL_TRY(nl_backend_open(name, threads, be));
    if (!wide || multiplies_f64(be)) return NL_OK;
    nl_backend_close(be);
    return nl_fail(NL_EUSAGE,
                   "--precision=f64: backend %s does not multiply f64; --backend=%s does", name,
                   other ? other : "(none)");
}

nl_status nl_open_backend(const struct nl_run *run, struct nl_backend *be)
{
    if (open_by_precision(run, be) == NL_OK) {
        warn_of_emulation(run, be);
        return NL_OK;
    }
    if (run->args.use_gpu == NL_GPU_TRUE)
        return nl_fail(NL_EUSAGE, "--use_gpu=True: %s; --use_gpu=False runs on the CPU",
                       nl_error());
    return NL_EUSAGE;
}

/* Adds the name to a list "a, b", once. True if it is `wanted`. */
static bool add_name(char *list, size_t size, const char *name, const char *wanted)
{
    const size_t used = strlen(list), length = strlen(name);
    for (const char *at = list; (at = strstr(at, name)); at += length)
        if ((at == list || at[-1] == ' ') && (at[length] == ',' || !at[length])) return false;
    snprintf(list + used, size - used, "%s%s", used ? ", " : "", name);
    return strcmp(name, wanted) == 0;
}

static nl_status check_impl(const struct nl_graph *g, const struct nl_backend *be,
                            const struct nl_block_note *note)
{
    const struct nl_node *node = &g->nodes[note->node];
    const struct nl_op_desc desc = nl_graph_desc(g, node);
    const struct nl_impl *impl = NULL;
    char has[512] = "";
    bool found = !*node->force || strcmp(node->force, "auto") == 0;
    for (int i = 0; (impl = nl_kernel_choice(be, &desc, i)); i++)
        found = add_name(has, sizeof has, impl->name, node->force) || found;
    NL_REQUIRE(found, NL_EUSAGE,
               "--nl_impl, NONLOCAL.impl: %s of %s has no implementation \"%s\" on backend %s; it "
               "has %s, and "
               "auto takes the fastest",
               note->variant, note->name, node->force, be->ops->name, has);
    return NL_OK;
}

nl_status nl_check_impls(const struct nl_graph *g, const struct nl_backend *be)
{
    for (int i = 0; i < g->n_notes; i++) NL_TRY(check_impl(g, be, &g->notes[i]));
    return NL_OK;
}
