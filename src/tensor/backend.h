/* backend.h - the contract between the framework and a compute device.
 *
 * A backend is one const table. Nothing here knows about graphs, blocks, models or files, and no
 * backend includes a header from those layers.
 *
 * Threads: one thread drives one nl_backend at a time.
 * Order:   runs start in submission order; sync() waits for all of them.
 */
#ifndef NL_BACKEND_H
#define NL_BACKEND_H

#include "src/tensor/ops.h"

struct nl_backend;

enum { NL_REASON_MAX = 160 };
typedef struct nl_reason {
    char text[NL_REASON_MAX]; /* why an implementation declines, one phrase */
} nl_reason;

/* Writes the reason and returns false, so that `return nl_decline(why, ...)` reads well. */
bool nl_decline(nl_reason *why, const char *fmt, ...) NL_PRINTF(2, 3);

/* What a prepared kernel asks of the plan, in bytes. Both are handed out 64-byte aligned. */
struct nl_need {
    size_t workspace; /* scratch for each run; shared with other kernels */
    size_t packed; /* weights in the kernel's own layout; filled by pack(), kept with the model */
};

/* One way to serve an op. `prepared` is the implementation's own, from prepare() to drop(). */
struct nl_impl {
    const char *name; /* printed by `nonlocal info` */

    /* A frame (n, t) of the outputs has the same bits whether it is run alone or among others, so
     * that a plan may run frames one by one. */
    bool framewise;

    /* True if this implementation serves `desc`; else writes the reason into `why`. */
    bool (*can)(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why);

    /* Builds what the shape needs once. `*prepared` and `*need` arrive zeroed. NULL: nothing. */
    nl_status (*prepare)(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need);

    /* Lays the filters, args->in[1], out as run() wants them: run() then reads args->packed and
     * never args->in[1]. NULL where need.packed is 0. */
    nl_status (*pack)(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args, void *packed);

    nl_status (*run)(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args);

    /* NULL: nothing to drop. Also called after a prepare() that failed, with what it had made. */
    void (*drop)(struct nl_backend *be, void *prepared);

    bool on_request; /* considered only where it is asked for by name */
};

typedef enum { NL_TO_DEVICE, NL_TO_HOST, NL_WITHIN } nl_copy;

/* Where tensors live. Backends that share a memory share its address. */
struct nl_memory {
    const char *name;                                                    /* "host", ... */
    nl_status (*alloc)(struct nl_backend *be, size_t bytes, void **out); /* 64-byte aligned */
    void (*release)(struct nl_backend *be, void *pointer);               /* NULL is allowed */
    nl_status (*copy)(struct nl_backend *be, void *dst, const void *src, size_t bytes, nl_copy way);

    /* Gives the system back what it can of a part of an allocation whose contents nobody reads again;
     * the part may be written anew. NULL: nothing can be given back. */
    void (*discard)(struct nl_backend *be, void *pointer, size_t bytes);
};

struct nl_impl_list {
    nl_op op;
    const struct nl_impl *const *impl; /* NULL-terminated, fastest first */
};

/* One of many pieces of work: number `i`, on lane `lane`, which does nothing else meanwhile. */
typedef void nl_lane_fn(void *job, int64_t i, int lane);

struct nl_backend_ops {
    const char *name; /* the word a config file uses, e.g. "cpu" */
    const struct nl_memory *memory;
    const struct nl_backend_ops *next; /* asked when ours declined; same memory, or NULL */
    bool automatic;                    /* a candidate for `backend: auto` */

    nl_status (*open)(struct nl_backend *be); /* may set be->state; NULL: always opens */
    void (*close)(struct nl_backend *be);     /* NULL: nothing to close */
    nl_status (*sync)(struct nl_backend *be); /* NULL: runs are synchronous */

    /* Calls `fn` for each i below `count`, one thread a lane, lanes below be->threads. Within it
     * backends opened with one thread may run, one a lane. NULL: there are no lanes. */
    void (*spread)(struct nl_backend *be, int64_t count, nl_lane_fn *fn, void *job);

    /* Why products of this type run slower than those of F32 here, one phrase; NULL, or no function:
     * they do not. */
    const char *(*emulates)(const struct nl_backend *be, nl_type type);

    const struct nl_impl_list *impls;
    int n_impls;
};

struct nl_backend {
    const struct nl_backend_ops *ops;
    int device;  /* which one of several, from 0 */
    int threads; /* compute threads on the host, at least 1 */
    void *state; /* the backend's own */
};

extern const struct nl_memory nl_host_memory;

/* Built-in backends, best first, NULL-terminated (backends/registry.c from backends.def). */
extern const struct nl_backend_ops *const nl_backends[];

/* Those that the project has and this build does not, and what brings them; a NULL name ends. */
struct nl_backend_absent {
    const char *name, *remedy;
};
extern const struct nl_backend_absent nl_backends_absent[];

/* Adds a plug-in's backend after the built-in ones. The table must stay valid. NL_EINVAL if the
 * name is taken or too many (16) were added. */
nl_status nl_backend_register(const struct nl_backend_ops *ops);

/* The i-th known backend, built-in ones first; NULL past the end. */
const struct nl_backend_ops *nl_backend_at(int i);

/* Processors that this process may run on, at least 1. */
int nl_processors(void);

/* Opens the backend of that name, or for "auto" the first automatic one that opens. `threads` 0
 * means one per processor available. NL_EUSAGE if there is none, with the known names, or with the
 * remedy where this build lacks it; otherwise what open() said. nl_backend_close undoes it. */
nl_status nl_backend_open(const char *name, int threads, struct nl_backend *be) NL_MUST_CHECK;
void nl_backend_close(struct nl_backend *be);
nl_status nl_backend_sync(struct nl_backend *be);

/* Calls `fn` for each i below `count`: on the backend's lanes, or one after another where it has none. */
void nl_backend_spread(struct nl_backend *be, int64_t count, nl_lane_fn *fn, void *job);

/* An implementation chosen and prepared for one description. */
struct nl_kernel {
    const struct nl_impl *impl;
    const struct nl_backend_ops *owner; /* the backend that the implementation belongs to */
    struct nl_op_desc desc;
    void *prepared;
    struct nl_need need;
    nl_reason declined; /* why the last faster one declined; "" if none did */
};

/* The first implementation that can serve, ours before those of ops->next. `force` (NULL or
 * "auto": none) is the only implementation name accepted. NL_ENOSUP and the reasons if none can. */
nl_status nl_kernel_prepare(struct nl_backend *be, const struct nl_op_desc *desc, const char *force,
                            struct nl_kernel *kernel) NL_MUST_CHECK;
/* The i-th implementation that can serve, in the order in which they are asked, those among them that
 * serve on request only; NULL past the last. */
const struct nl_impl *nl_kernel_choice(const struct nl_backend *be, const struct nl_op_desc *desc,
                                       int i);
nl_status nl_kernel_pack(struct nl_backend *be, const struct nl_kernel *kernel,
                         const struct nl_args *args, void *packed) NL_MUST_CHECK;
nl_status nl_kernel_run(struct nl_backend *be, const struct nl_kernel *kernel,
                        const struct nl_args *args) NL_MUST_CHECK;
void nl_kernel_drop(struct nl_backend *be, struct nl_kernel *kernel);

#endif
