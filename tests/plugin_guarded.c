/* A backend on memory that the host cannot touch: ref kernels, and pages without access outside
 * of them. Whatever runs on it does not mistake a device's memory for its own.
 *
 * Every allocation ends (but for alignment) at a page that is never accessible, so kernels that
 * write too far are stopped too.
 */
#include "src/app/plugin.h"
#include "src/core/memory.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

extern const struct nl_backend_ops nl_backend_ref;

struct region {
    char *base, *data; /* of the mapping, and what alloc gave out */
    size_t open_bytes; /* from base; one page more is mapped */
    size_t bytes;      /* from data */
    struct region *next;
};

struct guard {
    struct region *regions;
};

static nl_status open_guarded(struct nl_backend *be)
{
    struct guard *guard = NULL;
    NL_TRY(nl_calloc(1, sizeof *guard, &guard));
    be->state = guard;
    return NL_OK;
}

static void unmap(struct region *region)
{
    munmap(region->base, region->open_bytes + (size_t)sysconf(_SC_PAGESIZE));
    nl_free(region);
}

static void close_guarded(struct nl_backend *be)
{
    struct guard *guard = be->state;
    for (struct region *region = guard->regions, *next = NULL; region; region = next) {
        next = region->next;
        unmap(region);
    }
    nl_free(guard);
}

static nl_status alloc_guarded(struct nl_backend *be, size_t bytes, void **out)
{
    struct guard *guard = be->state;
    struct region *region = NULL;
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), used = nl_align_up(bytes ? bytes : 1);
    const size_t open_bytes = (used + page - 1) / page * page;
    *out = NULL;
    NL_TRY(nl_calloc(1, sizeof *region, &region));
    void *base = mmap(NULL, open_bytes + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
        nl_free(region);
        return nl_fail(NL_ENOMEM, "out of guarded memory: %zu bytes wanted", bytes);
    }
    *region =
        (struct region){base, (char *)base + open_bytes - used, open_bytes, bytes, guard->regions};
    guard->regions = region;
    *out = region->data;
    return NL_OK;
}

static void release_guarded(struct nl_backend *be, void *pointer)
{
    struct guard *guard = be->state;
    for (struct region **at = &guard->regions; *at; at = &(*at)->next) {
        struct region *region = *at;
        if (region->data != pointer) continue;
        *at = region->next;
        unmap(region);
        return;
    }
}

static nl_status protect(struct nl_backend *be, int access)
{
    const struct guard *guard = be->state;
    for (const struct region *region = guard->regions; region; region = region->next)
        NL_REQUIRE(mprotect(region->base, region->open_bytes, access) == 0, NL_EDEV,
                   "guarded memory cannot be made accessible");
    return NL_OK;
}

/* True if all of it lies in one allocation. */
static bool inside(const struct nl_backend *be, const void *pointer, size_t bytes)
{
    const struct guard *guard = be->state;
    const char *first = pointer;
    for (const struct region *region = guard->regions; region; region = region->next)
        if (first >= region->data && first + bytes <= region->data + region->bytes) return true;
    return false;
}

static nl_status copy_guarded(struct nl_backend *be, void *dst, const void *src, size_t bytes,
                              nl_copy way)
{
    NL_REQUIRE(inside(be, dst, bytes) == (way != NL_TO_HOST), NL_EINVAL,
               "copy of %zu bytes into the wrong memory", bytes);
    NL_REQUIRE(inside(be, src, bytes) == (way != NL_TO_DEVICE), NL_EINVAL,
               "copy of %zu bytes from the wrong memory", bytes);
    NL_TRY(protect(be, PROT_READ | PROT_WRITE));
    if (bytes) memmove(dst, src, bytes);
    return protect(be, PROT_NONE);
}

static const struct nl_memory memory = {
    .name = "guarded", .alloc = alloc_guarded, .release = release_guarded, .copy = copy_guarded};

static const struct nl_impl *ref_impl(nl_op op)
{
    for (int i = 0; i < nl_backend_ref.n_impls; i++)
        if (nl_backend_ref.impls[i].op == op) return nl_backend_ref.impls[i].impl[0];
    return NULL;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_impl *ref = ref_impl(desc->op);
    return ref ? ref->can(be, desc, why) : nl_decline(why, "ref has none");
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_impl *ref = ref_impl(desc->op);
    return ref->prepare ? ref->prepare(be, desc, prepared, need) : NL_OK;
}

static nl_status want_inside(const struct nl_backend *be, const nl_tensor *t)
{
    size_t bytes;
    if (t->rank == 0) return NL_OK;
    NL_TRY(nl_tensor_bytes(t, &bytes));
    NL_REQUIRE(inside(be, t->data, bytes), NL_EINVAL, "a tensor outside of guarded memory");
    return NL_OK;
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    for (int i = 0; i < NL_MAX_IN; i++) NL_TRY(want_inside(be, &args->in[i]));
    for (int i = 0; i < NL_MAX_OUT; i++) NL_TRY(want_inside(be, &args->out[i]));
    NL_TRY(protect(be, PROT_READ | PROT_WRITE));
    const nl_status st = ref_impl(desc->op)->run(be, prepared, desc, args);
    NL_TRY(protect(be, PROT_NONE));
    return st;
}

static const struct nl_impl guarded = {
    .name = "guarded", .can = can, .prepare = prepare, .run = run};
static const struct nl_impl *const list[] = {&guarded, NULL};

static const struct nl_impl_list impls[] = {
#define NL_OP(id, name) {NL_OP_##id, list},
#include "src/tensor/ops.def"
#undef NL_OP
};

static const struct nl_backend_ops backend = {
    .name = "guarded",
    .memory = &memory,
    .open = open_guarded,
    .close = close_guarded,
    .impls = impls,
    .n_impls = (int)NL_COUNT(impls),
};
static const struct nl_backend_ops *const backends[] = {&backend, NULL};

NL_PLUGIN_EXPORT const struct nl_plugin nl_plugin = {.abi = NL_PLUGIN_ABI,
                                                     .size = sizeof(struct nl_plugin),
                                                     .name = "guarded",
                                                     .backends = backends};
