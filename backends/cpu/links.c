#include "backends/cpu/links.h"

#include "backends/cpu/kernel.h"
#include "backends/cpu/pairwise.h"
#include "src/core/memory.h"

#include <string.h>

struct nl_cpu_chain {
    int n;
    struct nl_kernel kernel[NL_CPU_LINKS];
    size_t packed; /* the most that filters of one of them take; scratch follows */
};

nl_tensor nl_cpu_link_rows(const nl_tensor *t, int64_t b)
{
    if (!t->rank) return *t;
    const int64_t rows = t->dim[2], columns = t->dim[3], ld = rows > 1 ? t->stride[2] : columns;
    nl_tensor view = nl_tensor_dense(t->type, 5, (const int64_t[]){1, 1, 1, rows, columns});
    for (int i = 0; i < 3; i++) view.stride[i] = ld * rows;
    view.stride[3] = ld;
    if (t->data)
        view.data = (char *)t->data + nl_cpu_batch_at(t, b) * (int64_t)nl_type_size(t->type);
    return view;
}

nl_tensor nl_cpu_link_filters(int64_t filters, int64_t channels, void *data)
{
    nl_tensor w = nl_tensor_dense(NL_F32, 5, (const int64_t[]){filters, 1, 1, 1, channels});
    w.data = data;
    return w;
}

nl_status nl_cpu_link_bytes(int64_t filters, int64_t channels, size_t *bytes)
{
    NL_TRY(nl_size_mul((size_t)filters, (size_t)channels, bytes));
    NL_TRY(nl_size_mul(*bytes, sizeof(float), bytes));
    *bytes = nl_align_up(*bytes);
    return NL_OK;
}

/* Rows of five axes as a matrix, `turned` or not. */
static nl_tensor matrix(const nl_tensor *rows, bool turned)
{
    nl_tensor m = *rows;
    m.rank = 4;
    for (int i = 2; i < 4; i++) {
        m.dim[i] = rows->dim[i + 1];
        m.stride[i] = rows->stride[i + 1];
    }
    return turned ? nl_tensor_permute(&m, (const int[]){0, 1, 3, 2}) : m;
}

static nl_tensor matrix_of_filters(const nl_tensor *w)
{
    nl_tensor m = nl_tensor_dense(w->type, 4, (const int64_t[]){1, 1, w->dim[0], w->dim[4]});
    m.data = w->data;
    return m;
}

/* Where there are no kernels of our own, gradients of convolutions are slow, and CBLAS is not. */
static bool is_product(const struct nl_cpu_link *link)
{
    return link->op != NL_OP_CONV && link->in[0].type == NL_F32 && !nl_cpu_kernel_best();
}

static struct nl_op_desc product_of(const struct nl_cpu_link *link)
{
    struct nl_op_desc desc = {.op = NL_OP_PRODUCT, .attr = {.product = {.scale = 1}}};
    const bool dw = link->op == NL_OP_CONV_DW;
    desc.in[0] = matrix(&link->in[dw ? 1 : 0], dw);
    desc.in[1] = dw ? matrix(&link->in[0], false) : matrix_of_filters(&link->in[1]);
    desc.out[0] = dw ? matrix_of_filters(&link->out) : matrix(&link->out, false);
    return desc;
}

/* With data, where the link has some. */
static struct nl_op_desc desc_of(const struct nl_cpu_link *link)
{
    if (is_product(link)) return product_of(link);
    struct nl_op_desc desc = {.op = link->op,
                              .attr = {.conv = {.stride = {1, 1, 1}, .extent = {1, 1, 1}}},
                              .in = {link->in[0], link->in[1], link->in[2], link->in[3]},
                              .out = {link->out}};
    if (link->op == NL_OP_CONV_DX) desc.attr.conv.extent[2] = (int)link->out.dim[3];
    desc.attr.conv.set = link->op == NL_OP_CONV_DW;
    return desc;
}

nl_status nl_cpu_chain_prepare(struct nl_backend *be, const struct nl_cpu_link *links, int n,
                               struct nl_cpu_chain **chain, struct nl_need *need)
{
    struct nl_cpu_chain *c = NULL;
    size_t scratch = 0;
    NL_TRY(nl_calloc(1, sizeof *c, &c));
    *chain = c;
    for (; c->n < n; c->n++) {
        struct nl_kernel *kernel = &c->kernel[c->n];
        const struct nl_op_desc desc = desc_of(&links[c->n]);
        NL_TRY(nl_kernel_prepare(be, &desc, NULL, kernel));
        if (kernel->need.packed > c->packed) c->packed = nl_align_up(kernel->need.packed);
        if (kernel->need.workspace > scratch) scratch = kernel->need.workspace;
    }
    NL_TRY(nl_size_add(need->workspace, c->packed, &need->workspace));
    return nl_size_add(need->workspace, scratch, &need->workspace);
}

void nl_cpu_chain_drop(struct nl_backend *be, struct nl_cpu_chain *chain)
{
    for (int i = 0; chain && i < chain->n; i++) nl_kernel_drop(be, &chain->kernel[i]);
    nl_free(chain);
}

static void scale_filter(const void *job, int64_t tile, void *scratch)
{
    const struct nl_cpu_link *link = job;
    const int64_t channels = link->out.dim[4];
    float *const filter = (float *)link->out.data + tile * channels;
    (void)scratch;
    nl_cpu_vector()->scale(filter, filter, link->scale, channels);
}

nl_status nl_cpu_chain_run(struct nl_backend *be, const struct nl_cpu_chain *chain,
                           const struct nl_cpu_link *links, void *workspace)
{
    for (int i = 0; i < chain->n; i++) {
        const struct nl_kernel *kernel = &chain->kernel[i];
        const struct nl_cpu_link *link = &links[i];
        const struct nl_op_desc desc = desc_of(link);
        struct nl_args args = {.packed = kernel->need.packed ? workspace : NULL,
                               .workspace = (char *)workspace + chain->packed};
        memcpy(args.in, desc.in, sizeof args.in);
        memcpy(args.out, desc.out, sizeof args.out);
        if (kernel->need.packed) NL_TRY(nl_kernel_pack(be, kernel, &args, workspace));
        NL_TRY(nl_kernel_run(be, kernel, &args));
        if (link->op == NL_OP_CONV_DW)
            nl_cpu_for_tiles(be, link->out.dim[0], scale_filter, link, NULL, 0);
    }
    return NL_OK;
}
