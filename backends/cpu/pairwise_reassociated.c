#include "backends/cpu/kernel.h"
#include "backends/cpu/links.h"
#include "backends/cpu/pairwise.h"

/* Where f is the identity and C the number of keys, y = q (k^T v) scale / M: products are
 * associative, and k^T v is a small matrix, the filters of a convolution of q. */
enum { LINKS = 2 };

bool nl_cpu_pairwise_linear(const struct nl_backend *be, const struct nl_op_desc *desc,
                            nl_reason *why)
{
    if (!nl_cpu_can_half(be, desc, why)) return false;
    if (desc->in[0].type == NL_BF16 && !nl_cpu_kernel_best())
        return nl_decline(why, "without AVX2 f32 only");
    if (desc->attr.pairwise.row) return nl_decline(why, "keeps no sum of a row");
    if (desc->attr.pairwise.f != NL_F_IDENTITY || desc->attr.pairwise.norm != NL_NORM_COUNT ||
        desc->attr.pairwise.score != NL_SCORE_PRODUCT)
        return nl_decline(why, "only for products without f, divided by their number");
    return true;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const double queries = (double)desc->in[0].dim[2], keys = (double)desc->in[1].dim[2];
    const double depth = (double)desc->in[0].dim[3], width = (double)desc->in[2].dim[3];
    if (!nl_cpu_pairwise_linear(be, desc, why)) return false;
    const double here = (queries + keys) * depth * width, direct = queries * keys * (depth + width);
    if (here >= direct) return nl_decline(why, "%.0f multiply-adds against %.0f", here, direct);
    return true;
}

/* Of batch b; the filters [e,d] lie at `made`. */
static void links_of(const struct nl_op_desc *desc, const nl_tensor *in, const nl_tensor *y,
                     int64_t b, void *made, struct nl_cpu_link links[LINKS])
{
    const nl_tensor q = nl_cpu_link_rows(&in[0], b), k = nl_cpu_link_rows(&in[1], b),
                    v = nl_cpu_link_rows(&in[2], b),
                    w = nl_cpu_link_filters(v.dim[4], k.dim[4], made);
    const float factor = (float)desc->attr.pairwise.scale / (float)k.dim[3];
    links[0] = (struct nl_cpu_link){NL_OP_CONV_DW, {k, v}, w, factor};
    links[1] = (struct nl_cpu_link){
        NL_OP_CONV, {q, w, in[3], nl_cpu_link_rows(&in[4], b)}, nl_cpu_link_rows(y, b), 1};
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_cpu_link links[LINKS];
    struct nl_cpu_chain *chain = NULL;
    links_of(desc, desc->in, &desc->out[0], 0, NULL, links);
    NL_TRY(nl_cpu_link_bytes(desc->in[2].dim[3], desc->in[1].dim[3], &need->workspace));
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
    size_t made;
    NL_TRY(nl_cpu_link_bytes(args->in[2].dim[3], args->in[1].dim[3], &made));
    for (int64_t b = 0; b < batches; b++) {
        struct nl_cpu_link links[LINKS];
        links_of(desc, args->in, &args->out[0], b, args->workspace, links);
        NL_TRY(nl_cpu_chain_run(be, prepared, links, (char *)args->workspace + made));
    }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_reassociated = {
    .name = "reassociated", .can = can, .prepare = prepare, .run = run, .drop = drop};
const struct nl_impl nl_cpu_pairwise_reassociated_forced = {.name = "reassociated",
                                                            .can = nl_cpu_pairwise_linear,
                                                            .prepare = prepare,
                                                            .run = run,
                                                            .drop = drop};
