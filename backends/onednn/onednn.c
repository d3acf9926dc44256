#include "backends/onednn/onednn.h"

#include "backends/cpu/cpu.h"
#include "backends/onednn/dnnl.h"
#include "src/core/memory.h"

static void close_onednn(struct nl_backend *be)
{
    struct nl_dnnl *dnnl = be->state;
    if (!dnnl) return;
    if (dnnl->stream) dnnl_stream_destroy(dnnl->stream);
    if (dnnl->engine) dnnl_engine_destroy(dnnl->engine);
    nl_free(dnnl);
    be->state = NULL;
}

static nl_status open_state(struct nl_dnnl *dnnl)
{
    NL_TRY(nl_dnnl_status(dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0), "an engine"));
    return nl_dnnl_status(
        dnnl_stream_create(&dnnl->stream, dnnl->engine, dnnl_stream_default_flags), "a stream");
}

/* What falls through to the cpu backend needs what its open() does. */
static nl_status open_onednn(struct nl_backend *be)
{
    struct nl_dnnl *dnnl = NULL;
    NL_TRY(be->ops->next->open(be));
    NL_TRY(nl_calloc(1, sizeof *dnnl, &dnnl));
    be->state = dnnl;
    dnnl->threads = be->threads;
    const nl_status st = open_state(dnnl);
    if (st != NL_OK) close_onednn(be);
    return st;
}

/* Winograd takes a third of the products that oneDNN takes, where it serves; taps in time are read
 * where they lie. */
static const struct nl_impl *const conv_list[] = {&nl_cpu_conv_lines, &nl_cpu_conv_winograd,
                                                  &nl_onednn_conv, NULL};
static const struct nl_impl *const conv_dx_list[] = {&nl_cpu_conv_winograd, &nl_onednn_conv, NULL};

static const struct nl_impl_list impls[] = {
    {NL_OP_CONV, conv_list},
    {NL_OP_CONV_DX, conv_dx_list},
};

extern const struct nl_backend_ops nl_backend_cpu, nl_backend_onednn;

const struct nl_backend_ops nl_backend_onednn = {
    .name = "onednn",
    .memory = &nl_host_memory,
    .next = &nl_backend_cpu,
    .automatic = true,
    .open = open_onednn,
    .close = close_onednn,
    .spread = nl_cpu_spread,
    .impls = impls,
    .n_impls = (int)NL_COUNT(impls),
};
