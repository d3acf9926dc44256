#include "blocks/block.h"
#include "src/app/bench.h"
#include "src/app/device.h"
#include "src/app/session.h"
#include "src/core/memory.h"
#include "src/graph/gradient.h"
#include "src/graph/layers.h"

#include <stdio.h>
#include <string.h>

static nl_status read_shape(const char *text, int64_t dim[4])
{
    long long c, t, h, w;
    char end;
    NL_REQUIRE(text && sscanf(text, "%lld,%lld,%lld,%lld%c", &c, &t, &h, &w, &end) == 4 && c > 0 &&
                   t > 0 && h > 0 && w > 0 && c < 65536 && t < 65536 && h < 65536 && w < 65536,
               NL_EUSAGE, "--shape: want C,T,H,W such as 512,4,28,28, got \"%s\"",
               text ? text : "");
    const int64_t all[4] = {c, t, h, w};
    memcpy(dim, all, sizeof all);
    return NL_OK;
}

/* The gradient too: of the input and of every parameter. */
static nl_status differentiate(struct nl_graph *g, nl_value x, nl_value z, nl_value *dz,
                               nl_value *dx)
{
    const nl_tensor t = *nl_graph_tensor(g, z);
    NL_TRY(nl_graph_input(g, t.rank, t.dim, dz));
    return nl_graph_differentiate(g, z, *dz, &x, dx, 1);
}

/* One block alone on random activations. */
static nl_status time_block(struct nl_run *run, struct nl_backend *be, struct nl_graph *g,
                            nl_value x, nl_value z)
{
    float *values = NULL;
    struct nl_plan *plan = NULL;
    nl_value dz = x, keep[2] = {z, NL_NONE};
    nl_status st = run->args.backward ? differentiate(g, x, z, &dz, &keep[1]) : NL_OK;
    if (st == NL_OK) st = nl_check_impls(g, be);
    if (st == NL_OK) st = nl_params_alloc(g->params, be, g->type);
    if (st == NL_OK && run->args.backward) st = nl_params_train(g->params);
    if (st == NL_OK) st = nl_params_init(g->params, 1, true);
    if (st == NL_OK) st = nl_plan_new(g, be, keep, run->args.backward ? 2 : 1, &plan);
    if (st == NL_OK) st = nl_bench_values(nl_tensor_count(nl_graph_tensor(g, x)), &values);
    if (st == NL_OK) st = nl_put_floats(plan, x, values);
    if (st == NL_OK) st = nl_put_floats(plan, dz, values);
    if (st == NL_OK) st = nl_bench_plan(run, plan, be->ops->name);
    nl_free(values);
    nl_plan_free(plan);
    return st;
}

/* The block between casts, where the precision asks for them. */
static nl_status block_of(const struct nl_run *run, struct nl_graph *g,
                          const struct nl_block_site *site, nl_value x, nl_value *z)
{
    if (run->settings.config.model.precision == NL_PRECISION_BF16) g->storage = NL_BF16;
    NL_TRY(nl_layer_cast(g, "x", g->storage, x, &x));
    NL_TRY(nl_block_append(g, site, x, z));
    return nl_layer_cast(g, "z", g->type, *z, z);
}

nl_status nl_bench_block(struct nl_run *run)
{
    struct nl_params params = {.list = NULL};
    struct nl_graph *g = NULL;
    struct nl_backend be;
    int64_t dim[4] = {0};
    nl_value x, z;
    NL_TRY(read_shape(run->args.shape, dim));
    NL_TRY(nl_settings_resolve(&run->settings));
    NL_TRY(nl_open_backend(run, &be));
    const bool wide = run->settings.config.model.precision == NL_PRECISION_F64;
    const struct nl_block_site site = {"nonlocal", 0, 0, &run->settings.config.nonlocal.options};
    const int64_t clip[5] = {run->args.batch ? run->args.batch : 1, dim[1], dim[2], dim[3], dim[0]};
    nl_status st = nl_graph_new(wide ? NL_F64 : NL_F32, &params, &g);
    if (st == NL_OK) g->training = (struct nl_training){.on = run->args.backward, .share = 1};
    if (st == NL_OK) st = nl_graph_input(g, 5, clip, &x);
    if (st == NL_OK) st = block_of(run, g, &site, x, &z);
    if (st == NL_OK) st = time_block(run, &be, g, x, z);
    nl_graph_free(g);
    nl_params_clear(&params);
    nl_backend_close(&be);
    return st;
}
