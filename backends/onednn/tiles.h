/* tiles.h - work cut by shape into calls of one thread each.
 *
 * Where the library shares a sum among threads, its bits depend on their number. So such an op is
 * cut along its axes into parts whose number the shape alone decides, and a thread does a tile as
 * if it were alone.
 */
#ifndef NL_ONEDNN_TILES_H
#define NL_ONEDNN_TILES_H

#include "backends/onednn/dnnl.h"
#include "src/tensor/backend.h"

/* As many tiles are made where the shape allows; the cpu backend makes as many. */
enum { NL_ONEDNN_TILES = 16 };

/* An axis in parts of one length, the last perhaps shorter. */
struct nl_onednn_axis {
    int64_t whole, part, parts;
};

/* At most `parts`, their length a multiple of `unit`. */
struct nl_onednn_axis nl_onednn_cut(int64_t whole, int64_t parts, int64_t unit);

static inline int64_t nl_onednn_length(const struct nl_onednn_axis *axis, int64_t i)
{
    const int64_t rest = axis->whole - i * axis->part;
    return rest < axis->part ? rest : axis->part;
}

/* Calls of one thread, one for each tile, and the most scratch that any wants. A zeroed one is
 * clear. */
struct nl_onednn_calls {
    int64_t count;
    struct nl_dnnl_call *call;
    size_t scratch;
};

nl_status nl_onednn_calls_alloc(struct nl_onednn_calls *calls, int64_t count) NL_MUST_CHECK;
void nl_onednn_calls_clear(struct nl_onednn_calls *calls);

/* Makes call `i` of a description made for one thread; `args` as in nl_dnnl_call_init, with
 * DNNL_ARG_SCRATCHPAD among them. */
nl_status nl_onednn_calls_make(struct nl_onednn_calls *calls, int64_t i,
                               const struct nl_dnnl *alone, const_dnnl_primitive_desc_t desc,
                               const int *args) NL_MUST_CHECK;

/* The backend's library as one thread sees it. */
struct nl_dnnl nl_onednn_alone(const struct nl_backend *be);

/* Does each tile below `count` on at most be->threads threads; `scratch` as in nl_cpu_for_tiles.
 * Returns what one of those returned that failed. */
typedef nl_status nl_onednn_tile_fn(const void *job, int64_t tile, void *scratch);
nl_status nl_onednn_for_tiles(const struct nl_backend *be, int64_t count, nl_onednn_tile_fn *tile,
                              const void *job, void *workspace, size_t slice) NL_MUST_CHECK;

/* sums[0][i] = ((sums[0][i] + sums[1][i]) + ...) of `parts` rows, `step` floats apart, of n. */
void nl_onednn_add_parts(float *sums, int64_t parts, int64_t step, int64_t n);

#endif
