#include "backends/cpu/links.h"
#include "backends/cpu/pairwise.h"
#include "src/core/memory.h"

/* The gradient where y = q w^T, w = v^T k scale / M, as pairwise_reassociated.c computes it:
 *     dq = dy w,  dw = dy^T q,  dv = (scale / M) k dw^T,  dk = (scale / M) v dw,
 * five products with the small matrices w and dw. */
enum { LINKS = 5 };

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const double queries = (double)desc->in[0].dim[2], keys = (double)desc->in[1].dim[2];
    const double depth = (double)desc->in[0].dim[3], width = (double)desc->in[2].dim[3];
    if (!nl_cpu_pairwise_linear(be, desc, why)) return false;
    const double here = (2 * queries + 3 * keys) * depth * width,
                 direct = queries * keys * (3 * depth + 2 * width);
    if (here >= direct) return nl_decline(why, "%.0f multiply-adds against %.0f", here, direct);
    return true;
}

/* Of batch b; w and dw [e,d] follow one another at `made`, `bytes` each. */
static void links_of(const struct nl_op_desc *desc, const nl_tensor *in, const nl_tensor *out,
                     int64_t b, char *made, size_t bytes, struct nl_cpu_link links[LINKS])
{
    const nl_tensor q = nl_cpu_link_rows(&in[0], b), k = nl_cpu_link_rows(&in[1], b),
                    v = nl_cpu_link_rows(&in[2], b), dy = nl_cpu_link_rows(&in[4], b),
                    dq = nl_cpu_link_rows(&out[0], b), dk = nl_cpu_link_rows(&out[1], b),
                    dv = nl_cpu_link_rows(&out[2], b);
    const nl_tensor w = nl_cpu_link_filters(v.dim[4], k.dim[4], made),
                    dw = nl_cpu_link_filters(v.dim[4], k.dim[4], made ? made + bytes : NULL);
    const float factor = (float)desc->attr.pairwise.scale / (float)k.dim[3];
    links[0] = (struct nl_cpu_link){NL_OP_CONV_DW, {k, v}, w, factor};
    links[1] = (struct nl_cpu_link){NL_OP_CONV_DX, {dy, w}, dq, 1};
    links[2] = (struct nl_cpu_link){NL_OP_CONV_DW, {q, dy}, dw, factor};
    links[3] = (struct nl_cpu_link){NL_OP_CONV, {k, dw}, dv, 1};
    links[4] = (struct nl_cpu_link){NL_OP_CONV_DX, {v, dw}, dk, 1};
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_cpu_link links[LINKS];
    struct nl_cpu_chain *chain = NULL;
    size_t bytes;
    links_of(desc, desc->in, desc->out, 0, NULL, 0, links);
    NL_TRY(nl_cpu_link_bytes(desc->in[2].dim[3], desc->in[1].dim[3], &bytes));
    NL_TRY(nl_size_mul(2, bytes, &need->workspace));
    const nl_status st = nl_cpu_chain_prepare(be, links, LINKS, &chain, need);
    *prepared = chain;
    return st;
}

static void drop(struct nl_backend *be, void *prepared)
{
    nl_cpu_chain_drop(be, prepared);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const int64_t batches = args->in[0].dim[0] * args->in[0].dim[1];
    size_t bytes;
    NL_TRY(nl_cpu_link_bytes(args->in[2].dim[3], args->in[1].dim[3], &bytes));
    for (int64_t b = 0; b < batches; b++) {
        struct nl_cpu_link links[LINKS];
        links_of(desc, args->in, args->out, b, args->workspace, bytes, links);
        NL_TRY(nl_cpu_chain_run(be, prepared, links, (char *)args->workspace + 2 * bytes));
    }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_dx_reassociated = {
    .name = "reassociated", .can = can, .prepare = prepare, .run = run, .drop = drop};
