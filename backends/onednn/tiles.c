#include "backends/onednn/tiles.h"

#include "backends/cpu/cpu.h"
#include "src/core/memory.h"

#include <stdio.h>

struct nl_onednn_axis nl_onednn_cut(int64_t whole, int64_t parts, int64_t unit)
{
    struct nl_onednn_axis axis = {.whole = whole};
    axis.part = nl_cpu_parts(nl_cpu_parts(whole, parts), unit) * unit;
    axis.parts = nl_cpu_parts(whole, axis.part);
    return axis;
}

nl_status nl_onednn_calls_alloc(struct nl_onednn_calls *calls, int64_t count)
{
    NL_TRY(nl_calloc((size_t)count, sizeof *calls->call, &calls->call));
    calls->count = count;
    return NL_OK;
}

void nl_onednn_calls_clear(struct nl_onednn_calls *calls)
{
    for (int64_t i = 0; i < calls->count; i++) nl_dnnl_call_clear(&calls->call[i]);
    nl_free(calls->call);
    *calls = (struct nl_onednn_calls){.count = 0};
}

nl_status nl_onednn_calls_make(struct nl_onednn_calls *calls, int64_t i,
                               const struct nl_dnnl *alone, const_dnnl_primitive_desc_t desc,
                               const int *args)
{
    const size_t scratch = nl_dnnl_bytes(desc, DNNL_ARG_SCRATCHPAD);
    if (calls->scratch < scratch) calls->scratch = scratch;
    return nl_dnnl_call_init(alone, desc, args, &calls->call[i]);
}

struct nl_dnnl nl_onednn_alone(const struct nl_backend *be)
{
    struct nl_dnnl alone = *(const struct nl_dnnl *)be->state;
    alone.threads = 1;
    return alone;
}

struct tiles {
    nl_onednn_tile_fn *tile;
    const void *job;
    nl_status *status;
    char *text; /* of the failure: messages do not leave their thread */
    size_t size;
};

static void do_tile(const void *job, int64_t number, void *scratch)
{
    const struct tiles *t = job;
    const nl_status st = t->tile(t->job, number, scratch);
    if (st == NL_OK) return;
#pragma omp critical(nl_onednn_failed)
    {
        *t->status = st;
        snprintf(t->text, t->size, "%s", nl_error());
    }
}

nl_status nl_onednn_for_tiles(const struct nl_backend *be, int64_t count, nl_onednn_tile_fn *tile,
                              const void *job, void *workspace, size_t slice)
{
    char text[256] = "";
    nl_status status = NL_OK;
    const struct tiles tiles = {tile, job, &status, text, sizeof text};
    nl_cpu_for_tiles(be, count, do_tile, &tiles, workspace, slice);
    return status == NL_OK ? NL_OK : nl_fail(status, "%s", text);
}

void nl_onednn_add_parts(float *restrict sums, int64_t parts, int64_t step, int64_t n)
{
    for (int64_t part = 1; part < parts; part++) {
        const float *restrict more = sums + part * step;
        for (int64_t i = 0; i < n; i++) sums[i] += more[i];
    }
}
