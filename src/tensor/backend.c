#include "src/tensor/backend.h"

#include "src/core/memory.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

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

struct copying {
    char *to;
    const char *from;
    size_t bytes;
};

enum { COPY_PART = 1 << 18 }; /* bytes that are worth a thread's turn */

static void copy_part(void *user, int64_t i, int lane)
{
    const struct copying *c = user;
    const size_t at = (size_t)i * COPY_PART, left = c->bytes - at;
    (void)lane;
    memcpy(c->to + at, c->from + at, left < COPY_PART ? left : COPY_PART);
}

static nl_status host_copy(struct nl_backend *be, void *dst, const void *src, size_t bytes,
                           nl_copy way)
{
    struct copying copying = {dst, src, bytes};
    const int64_t parts = (int64_t)((bytes + COPY_PART - 1) / COPY_PART);
    (void)way;
    nl_backend_spread(be, parts, copy_part, &copying);
    return NL_OK;
}

/* Whole pages only: what shares one with others stays. */
static void host_discard(struct nl_backend *be, void *pointer, size_t bytes)
{
    const long size = sysconf(_SC_PAGESIZE);
    const uintptr_t page = size > 0 ? (uintptr_t)size : 1, at = (uintptr_t)pointer;
    const uintptr_t first = (at + page - 1) / page * page, end = (at + bytes) / page * page;
    (void)be;
    if (size > 0 && first < end)
        madvise((char *)pointer + (first - at), end - first, MADV_DONTNEED);
}

const struct nl_memory nl_host_memory = {.name = "host",
                                         .alloc = host_alloc,
                                         .release = host_release,
                                         .copy = host_copy,
                                         .discard = host_discard};

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
    NL_REQUIRE(strcmp(ops->name, "auto") != 0, NL_EINVAL, "a backend may not be called auto");
    NL_REQUIRE(!look_up(ops->name), NL_EINVAL, "there is already a backend %s", ops->name);
    NL_REQUIRE(!ops->next || ops->next->memory == ops->memory, NL_EINVAL,
               "backend %s falls back on %s, which has another memory", ops->name, ops->next->name);
    NL_REQUIRE(n_added < ADDED_MAX, NL_EINVAL, "more than %d backends added", ADDED_MAX);
    added[n_added++] = ops;
    return NL_OK;
}

static nl_status open_one(const struct nl_backend_ops *ops, int threads, struct nl_backend *be)
{
    *be = (struct nl_backend){.ops = ops, .threads = threads > 0 ? threads : nl_processors()};
    const nl_status st = ops->open ? ops->open(be) : NL_OK;
    if (st != NL_OK) be->ops = NULL;
    return st;
}

static nl_status open_automatic(int threads, struct nl_backend *be)
{
    char last[256] = "none is automatic";
    const struct nl_backend_ops *ops = NULL;
    for (int i = 0; (ops = nl_backend_at(i)); i++) {
        if (!ops->automatic) continue;
        if (open_one(ops, threads, be) == NL_OK) return NL_OK;
        snprintf(last, sizeof last, "%s: %s", ops->name, nl_error());
    }
    return nl_fail(NL_EUSAGE, "no backend opens; %s", last);
}

nl_status nl_backend_open(const char *name, int threads, struct nl_backend *be)
{
    char known[512] = "";
    size_t used = 0;
    const struct nl_backend_ops *ops = NULL;
    if (strcmp(name, "auto") == 0) return open_automatic(threads, be);
    if ((ops = look_up(name))) return open_one(ops, threads, be);
    for (const struct nl_backend_absent *absent = nl_backends_absent; absent->name; absent++)
        NL_REQUIRE(strcmp(absent->name, name) != 0, NL_EUSAGE, "this build has no backend %s; %s",
                   name, absent->remedy);
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

void nl_backend_spread(struct nl_backend *be, int64_t count, nl_lane_fn *fn, void *job)
{
    if (be->ops->spread && count > 1)
        be->ops->spread(be, count, fn, job);
    else
        for (int64_t i = 0; i < count; i++) fn(job, i, 0);
}

static const struct nl_impl *const *impls_of(const struct nl_backend_ops *ops, nl_op op)
{
    static const struct nl_impl *const none[] = {NULL};
    for (int i = 0; i < ops->n_impls; i++)
        if (ops->impls[i].op == op) return ops->impls[i].impl;
    return none;
}

/* What was asked for, and why each implementation declined, "; name: reason" for each. */
struct search {
    const struct nl_op_desc *desc;
    const char *force; /* NULL: any */
    nl_reason last;
    char reasons[512];
};

static void note_reason(struct search *search, const char *name, const nl_reason *why)
{
    const size_t used = strlen(search->reasons);
    snprintf(search->last.text, sizeof search->last.text, "%s: %s", name, why->text);
    snprintf(search->reasons + used, sizeof search->reasons - used, "; %s: %s", name, why->text);
}

/* The first of `ops` that can; NULL if none does. */
static const struct nl_impl *choose(const struct nl_backend *be, const struct nl_backend_ops *ops,
                                    struct search *search)
{
    for (const struct nl_impl *const *impl = impls_of(ops, search->desc->op); *impl; impl++) {
        nl_reason why = {""};
        if (search->force ? strcmp(search->force, (*impl)->name) != 0 : (*impl)->on_request)
            continue;
        if ((*impl)->can(be, search->desc, &why)) return *impl;
        note_reason(search, (*impl)->name, &why);
    }
    return NULL;
}

static nl_status none_serves(const struct nl_backend *be, const struct search *search)
{
    const char *op = nl_op_name(search->desc->op);
    if (!search->force)
        return nl_fail(NL_ENOSUP, "backend %s cannot serve %s%s", be->ops->name, op,
                       search->reasons);
    return nl_fail(NL_ENOSUP, "backend %s cannot serve %s with the implementation %s%s",
                   be->ops->name, op, search->force,
                   *search->reasons ? search->reasons : "; there is none of that name");
}

nl_status nl_kernel_prepare(struct nl_backend *be, const struct nl_op_desc *desc, const char *force,
                            struct nl_kernel *kernel)
{
    const bool any = !force || !*force || strcmp(force, "auto") == 0;
    struct search search = {.desc = desc, .force = any ? NULL : force};
    *kernel = (struct nl_kernel){.desc = *desc};
    const struct nl_backend_ops *ops = be->ops;
    do {
        kernel->impl = choose(be, ops, &search);
        kernel->owner = ops;
        ops = ops->next;
    } while (ops && !kernel->impl);
    if (!kernel->impl) return none_serves(be, &search);
    kernel->declined = search.last;
    if (!kernel->impl->prepare) return NL_OK;
    const nl_status st = kernel->impl->prepare(be, &kernel->desc, &kernel->prepared, &kernel->need);
    if (st != NL_OK) nl_kernel_drop(be, kernel);
    return st;
}

const struct nl_impl *nl_kernel_choice(const struct nl_backend *be, const struct nl_op_desc *desc,
                                       int i)
{
    nl_reason why;
    for (const struct nl_backend_ops *ops = be->ops; ops; ops = ops->next)
        for (const struct nl_impl *const *impl = impls_of(ops, desc->op); *impl; impl++)
            if ((*impl)->can(be, desc, &why) && i-- == 0) return *impl;
    return NULL;
}

nl_status nl_kernel_pack(struct nl_backend *be, const struct nl_kernel *kernel,
                         const struct nl_args *args, void *packed)
{
    return kernel->impl->pack(be, kernel->prepared, &kernel->desc, args, packed);
}

nl_status nl_kernel_run(struct nl_backend *be, const struct nl_kernel *kernel,
                        const struct nl_args *args)
{
    return kernel->impl->run(be, kernel->prepared, &kernel->desc, args);
}

void nl_kernel_drop(struct nl_backend *be, struct nl_kernel *kernel)
{
    if (kernel->impl && kernel->impl->drop) kernel->impl->drop(be, kernel->prepared);
    kernel->impl = NULL;
    kernel->prepared = NULL;
}
