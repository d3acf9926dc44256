/* links.h - products of rows, one after another, of which some make the filters of the next: what
 * the reassociated pairwise op and its gradient consist of. Each is a convolution 1x1x1, or a
 * gradient of one, served by whatever serves those best; without AVX2 a product, by CBLAS.
 */
#ifndef NL_LINKS_H
#define NL_LINKS_H

#include "backends/cpu/cpu.h"

enum { NL_CPU_LINKS = 5 };

/* With rows x [n,C] and y [n,K] and filters w [K,C], F32: NL_OP_CONV x, w, [bias], [residual] ->
 * y = x w^T + bias + residual;
 * NL_OP_CONV_DX y, w -> x = y w; NL_OP_CONV_DW x, y -> w = scale * y^T x. */
struct nl_cpu_link {
    nl_op op;
    nl_tensor in[4], out;
    float scale;
};

/* Row i of batch b of t [B0,B1,n,C] as the i-th position of [1,1,1,n,C]; of no tensor, none. */
nl_tensor nl_cpu_link_rows(const nl_tensor *t, int64_t b);

/* Filters [K,C] at `data`; their bytes, NL_ENOMEM where those are too many to count. */
nl_tensor nl_cpu_link_filters(int64_t filters, int64_t channels, void *data);
nl_status nl_cpu_link_bytes(int64_t filters, int64_t channels, size_t *bytes) NL_MUST_CHECK;

struct nl_cpu_chain;

/* `links` need no data yet. Workspace is added to need->workspace. nl_cpu_chain_drop undoes it,
 * also where it failed. */
nl_status nl_cpu_chain_prepare(struct nl_backend *be, const struct nl_cpu_link *links, int n,
                               struct nl_cpu_chain **chain, struct nl_need *need) NL_MUST_CHECK;
nl_status nl_cpu_chain_run(struct nl_backend *be, const struct nl_cpu_chain *chain,
                           const struct nl_cpu_link *links, void *workspace) NL_MUST_CHECK;
void nl_cpu_chain_drop(struct nl_backend *be, struct nl_cpu_chain *chain);

#endif
