#include "backends/onednn/onednn.h"

#include "backends/cpu/amx.h"
#include "backends/cpu/cpu.h"
#include "backends/cpu/kernel.h"
#include "backends/onednn/shape.h"
#include "src/core/memory.h"

static void close_onednn(struct nl_backend *be)
{
    struct nl_dnnl *dnnl = be->state;
    if (!dnnl) return;
    if (dnnl->engine) dnnl_engine_destroy(dnnl->engine);
    nl_free(dnnl);
    be->state = NULL;
}

/* The library asks the system for AMX before it says that it may be used. */
static nl_status open_state(struct nl_dnnl *dnnl)
{
    const unsigned has = dnnl_get_effective_cpu_isa();
    const unsigned bf16 = dnnl_cpu_isa_avx512_core_bf16, amx = dnnl_cpu_isa_avx512_core_amx;
    dnnl->bf16 = (has & bf16) == bf16;
    dnnl->amx = (has & amx) == amx;
    dnnl->slow_f32 = nl_cpu_kernel_amx_x3() != NULL;
    dnnl->slow_bf16 = dnnl->bf16 && !dnnl->amx && (nl_cpu_has_amx() || !nl_cpu_kernel_half());
    return nl_dnnl_status(dnnl_engine_create(&dnnl->engine, dnnl_cpu, 0), "an engine");
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

/* On AMX the library is ahead where its rules let it serve. Elsewhere Winograd takes a third of the
 * products that the library takes, where it serves, and taps in time and the first layer are read
 * where they lie. */
static const struct nl_impl *const conv_list[] = {&nl_onednn_conv_on_amx,     &nl_cpu_conv_lines,
                                                  &nl_cpu_conv_winograd,      &nl_onednn_conv,
                                                  &nl_onednn_conv_on_request, NULL};
static const struct nl_impl *const conv_dx_list[] = {&nl_onednn_conv_on_amx, &nl_cpu_conv_winograd,
                                                     &nl_onednn_conv, &nl_onednn_conv_on_request,
                                                     NULL};
static const struct nl_impl *const conv_dw_list[] = {&nl_onednn_conv_dw_on_amx,
                                                     &nl_cpu_conv_dw_lines,
                                                     &nl_cpu_conv_dw_winograd,
                                                     &nl_onednn_conv_dw_product,
                                                     &nl_onednn_conv_dw,
                                                     &nl_onednn_conv_dw_product_on_request,
                                                     &nl_onednn_conv_dw_on_request,
                                                     NULL};
static const struct nl_impl *const product_list[] = {&nl_onednn_product,
                                                     &nl_onednn_product_on_request, NULL};

static const struct nl_impl_list impls[] = {
    {NL_OP_CONV, conv_list},
    {NL_OP_CONV_DX, conv_dx_list},
    {NL_OP_CONV_DW, conv_dw_list},
    {NL_OP_PRODUCT, product_list},
};

extern const struct nl_backend_ops nl_backend_cpu, nl_backend_onednn;

/* Without AMX the next backend decides. */
static const char *emulates(const struct nl_backend *be, nl_type type)
{
    return nl_onednn_on_amx(be, type) ? NULL : be->ops->next->emulates(be, type);
}

const struct nl_backend_ops nl_backend_onednn = {
    .name = "onednn",
    .memory = &nl_host_memory,
    .next = &nl_backend_cpu,
    .automatic = true,
    .open = open_onednn,
    .close = close_onednn,
    .spread = nl_cpu_spread,
    .emulates = emulates,
    .impls = impls,
    .n_impls = (int)NL_COUNT(impls),
};
