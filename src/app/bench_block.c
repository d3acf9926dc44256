#include "blocks/block.h"
#include "src/app/bench.h"
#include "src/app/device.h"
#include "src/app/room.h"
#include "src/app/session.h"
#include "src/core/memory.h"
#include "src/graph/gradient.h"
#include "src/graph/layers.h"

#include <stdio.h>
#include <string.h>

struct ends {
    nl_value x, z, dz, dx; /* the last two with --backward */
};

struct bench {
    struct nl_run *run;
    struct nl_backend be;
    struct nl_params params;
    int64_t dim[4]; /* C, T, H, W */
};

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

/* The block between casts, where the precision asks for them. */
static nl_status append(struct bench *b, struct nl_graph *g, struct ends *ends)
{
    const struct nl_config *config = &b->run->settings.config;
    const struct nl_block_site site = {"nonlocal", 0, 0, &config->nonlocal.options};
    nl_value x, z;
    if (config->model.precision == NL_PRECISION_BF16) g->storage = NL_BF16;
    NL_TRY(nl_layer_cast(g, "x", g->storage, ends->x, &x));
    NL_TRY(nl_block_append(g, &site, x, &z));
    return nl_layer_cast(g, "z", g->type, z, &ends->z);
}

/* The gradient too: of the input and of every parameter. */
static nl_status differentiate(struct nl_graph *g, struct ends *ends)
{
    const nl_tensor t = *nl_graph_tensor(g, ends->z);
    NL_TRY(nl_graph_input(g, t.rank, t.dim, &ends->dz));
    return nl_graph_differentiate(g, ends->z, ends->dz, &ends->x, &ends->dx, 1);
}

static nl_status fill(struct bench *b, int64_t batch, struct nl_graph *g, struct ends *ends)
{
    const int64_t clip[5] = {batch, b->dim[1], b->dim[2], b->dim[3], b->dim[0]};
    g->training = (struct nl_training){.on = b->run->args.backward, .share = 1};
    NL_TRY(nl_graph_input(g, 5, clip, &ends->x));
    NL_TRY(append(b, g, ends));
    if (b->run->args.backward) NL_TRY(differentiate(g, ends));
    return nl_check_impls(g, &b->be);
}

static nl_status build(struct bench *b, int64_t batch, struct nl_graph **g, struct ends *ends)
{
    const bool wide = b->run->settings.config.model.precision == NL_PRECISION_F64;
    NL_TRY(nl_graph_new(wide ? NL_F64 : NL_F32, &b->params, g));
    const nl_status st = fill(b, batch, *g, ends);
    if (st == NL_OK) return NL_OK;
    nl_graph_free(*g);
    *g = NULL;
    return st;
}

/* The plan, and the numbers that its inputs are filled with. */
static nl_status measure(void *user, int64_t batch, double *bytes)
{
    struct bench *b = user;
    struct ends ends;
    struct nl_graph *g = NULL;
    struct nl_plan_cost cost = {.arena = 0};
    NL_TRY(build(b, batch, &g, &ends));
    const nl_value keep[2] = {ends.z, ends.dx};
    const nl_status st = nl_plan_measure(g, &b->be, keep, b->run->args.backward ? 2 : 1, &cost);
    *bytes = (double)(cost.arena + cost.workspace + cost.constants) +
             (double)nl_tensor_count(nl_graph_tensor(g, ends.x)) * (double)sizeof(float);
    nl_graph_free(g);
    return st;
}

static nl_status make_params(struct bench *b, nl_type type)
{
    NL_TRY(nl_params_alloc(&b->params, &b->be, type));
    if (b->run->args.backward) NL_TRY(nl_params_train(&b->params));
    return nl_params_init(&b->params, 1, true);
}

/* Random activations, and gradients alike. */
static nl_status write_inputs(struct nl_plan *plan, const struct ends *ends, bool backward)
{
    float *values = NULL;
    NL_TRY(
        nl_bench_values(nl_tensor_count(nl_graph_tensor(nl_plan_graph(plan), ends->x)), &values));
    nl_status st = nl_put_floats(plan, ends->x, values);
    if (st == NL_OK && backward) st = nl_put_floats(plan, ends->dz, values);
    nl_free(values);
    return st;
}

static nl_status time_block(struct bench *b, const struct nl_graph *g, const struct ends *ends)
{
    const bool backward = b->run->args.backward;
    const nl_value keep[2] = {ends->z, ends->dx};
    struct nl_plan *plan = NULL;
    NL_TRY(make_params(b, g->type));
    nl_status st = nl_plan_new(g, &b->be, keep, backward ? 2 : 1, &plan);
    if (st == NL_OK) st = write_inputs(plan, ends, backward);
    const struct nl_bench_subject subject = {plan, &b->be, keep, backward ? 2 : 1};
    if (st == NL_OK) st = nl_bench_plan(b->run, &subject);
    nl_plan_free(plan);
    return st;
}

static nl_status run_block(struct bench *b)
{
    const int64_t batch = b->run->args.batch ? b->run->args.batch : 1;
    const struct nl_room_plan plan = {b->run, batch, measure, b};
    struct nl_graph *g = NULL;
    struct ends ends = {NL_NONE, NL_NONE, NL_NONE, NL_NONE};
    NL_TRY(nl_room_check(&plan));
    NL_TRY(build(b, batch, &g, &ends));
    const nl_status st = time_block(b, g, &ends);
    nl_graph_free(g);
    return st;
}

nl_status nl_bench_block(struct nl_run *run)
{
    struct bench b = {.run = run};
    NL_TRY(read_shape(run->args.shape, b.dim));
    NL_TRY(nl_settings_resolve(&run->settings));
    NL_TRY(nl_open_backend(run, &b.be));
    const nl_status st = run_block(&b);
    nl_params_clear(&b.params);
    nl_backend_close(&b.be);
    return st;
}
