#include "src/tensor/backend.h"

#include "src/core/memory.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ADDED_MAX = 16 };
static const struct nl_backend_ops *added[ADDED_MAX];
static int n_added;

bool nl_decline(nl_reason *why, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why->text, sizeof why->text, fmt, ap);
    va_end(ap);
    return false;
}

static nl_status host_alloc(struct nl_backend *be, size_t bytes, void **out)
{
    (void)be;
    return nl_alloc(bytes, out);
}

static void host_release(struct nl_backend *be, void *pointer)
{
    (void)be;
    nl_free(pointer);
}

static nl_status host_copy(struct nl_backend *be, void *dst, const void *src, size_t bytes, nl_copy way)
{
    (void)be;
    (void)way;
    if (bytes) memcpy(dst, src, bytes);
    return NL_OK;
}

const struct nl_memory nl_host_memory = {
    .name = "host", .alloc = host_alloc, .release = host_release, .copy = host_copy};

const struct nl_backend_ops *nl_backend_at(int i)
{
    int built_in = 0;
    while (nl_backends[built_in]) built_in++;
    if (i < built_in) return nl_backends[i];
    return i - built_in < n_added ? added[i - built_in] : NULL;
}

static const struct nl_backend_ops *look_up(const char *name)
{
    const struct nl_backend_ops *ops = NULL;
    for (int i = 0; (ops = nl_backend_at(i)); i++)
        if (strcmp(ops->name, name) == 0) return ops;
    return NULL;
}

nl_status nl_backend_register(const struct nl_backend_ops *ops)
{
    NL_REQUIRE(!look_up(ops->name), NL_EINVAL, "there is already a backend %s", ops->name);
    NL_REQUIRE(n_added < ADDED_MAX, NL_EINVAL, "more than %d backends added", ADDED_MAX);
    added[n_added++] = ops;
    return NL_OK;
}

static int processors(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    const int count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return count > 0 ? count : 1;
}

static nl_status open_one(const struct nl_backend_ops *ops, int threads, struct nl_backend *be)
{
    *be = (struct nl_backend){.ops = ops, .threads = threads > 0 ? threads : processors()};
    const nl_status st = ops->open ? ops->open(be) : NL_OK;
    if (st != NL_OK) be->ops = NULL;
    return st;
}

static nl_status open_automatic(int threads, struct nl_backend *be)
{
    const struct nl_backend_ops *ops = NULL;
    for (int i = 0; (ops = nl_backend_at(i)); i++)
        if (ops->automatic && open_one(ops, threads, be) == NL_OK) return NL_OK;
    return nl_fail(NL_EUSAGE, "no backend opens");
}

nl_status nl_backend_open(const char *name, int threads, struct nl_backend *be)
{
    char known[512] = "";
    size_t used = 0;
    const struct nl_backend_ops *ops = NULL;
    if (strcmp(name, "auto") == 0) return open_automatic(threads, be);
    if ((ops = look_up(name))) return open_one(ops, threads, be);
    for (int i = 0; (ops = nl_backend_at(i)) && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, ", %s", ops->name);
    return nl_fail(NL_EUSAGE, "no backend \"%s\"; there are auto%s", name, known);
}

void nl_backend_close(struct nl_backend *be)
{
    if (be->ops && be->ops->close) be->ops->close(be);
    be->ops = NULL;
}

nl_status nl_backend_sync(struct nl_backend *be)
{
    return be->ops->sync ? be->ops->sync(be) : NL_OK;
}

static bool wanted(const char *force, const struct nl_impl *impl)
{
    return !force || !*force || strcmp(force, "auto") == 0 || strcmp(force, impl->name) == 0;
}

static const struct nl_impl *const *impls_of(const struct nl_backend_ops *ops, nl_op op)
{
    static const struct nl_impl *const none[] = {NULL};
    for (int i = 0; i < ops->n_impls; i++)
        if (ops->impls[i].op == op) return ops->impls[i].impl;
    return none;
}

/* The first of `ops` that can; notes why others declined. */
static const struct nl_impl *choose(const struct nl_backend *be, const struct nl_backend_ops *ops,
                                    const struct nl_op_desc *desc, const char *force, nl_reason *declined)
{
    for (const struct nl_impl *const *impl = impls_of(ops, desc->op); *impl; impl++) {
        nl_reason why = {""};
        if (!wanted(force, *impl)) continue;
        if ((*impl)->can(be, desc, &why)) return *impl;
        snprintf(declined->text, sizeof declined->text, "%s: %.*s", (*impl)->name, 120, why.text);
    }
    return NULL;
}

nl_status nl_kernel_prepare(struct nl_backend *be, const struct nl_op_desc *desc, const char *force,
                            struct nl_kernel *kernel)
{
    *kernel = (struct nl_kernel){.desc = *desc};
    for (const struct nl_backend_ops *ops = be->ops; ops && !kernel->impl; ops = ops->next) {
        kernel->impl = choose(be, ops, desc, force, &kernel->declined);
        kernel->owner = ops;
    }
    NL_REQUIRE(kernel->impl, NL_ENOSUP, "backend %s has no implementation%s%s%s%s", be->ops->name,
               force && *force ? " named " : "", force ? force : "", *kernel->declined.text ? "; " : "",
               kernel->declined.text);
    if (!kernel->impl->prepare) return NL_OK;
    return kernel->impl->prepare(be, &kernel->desc, &kernel->prepared, &kernel->need);
}

nl_status nl_kernel_pack(struct nl_backend *be, const struct nl_kernel *kernel, const struct nl_args *args,
                         void *packed)
{
    return kernel->impl->pack(be, kernel->prepared, &kernel->desc, args, packed);
}

nl_status nl_kernel_run(struct nl_backend *be, const struct nl_kernel *kernel, const struct nl_args *args)
{
    return kernel->impl->run(be, kernel->prepared, &kernel->desc, args);
}

void nl_kernel_drop(struct nl_backend *be, struct nl_kernel *kernel)
{
    if (kernel->impl && kernel->impl->drop) kernel->impl->drop(be, kernel->prepared);
    kernel->impl = NULL;
    kernel->prepared = NULL;
}
