#include "src/app/session.h"

#include "src/app/device.h"
#include "src/app/load.h"
#include "src/app/room.h"
#include "src/core/memory.h"
#include "src/tensor/half.h"

#include <string.h>

static nl_status fill(struct nl_session *session, struct nl_state *state, nl_weights_use use)
{
    const struct nl_run *run = session->run;
    const uint64_t seed = run->args.has_seed ? (uint64_t)run->args.seed : 0;
    /* Tensors that a file may lack keep their initial values, so those come first. */
    if (!state || run->args.allow_missing)
        NL_TRY(nl_params_init(&session->model.params, seed, !state && use == NL_WEIGHTS_TRIVIAL));
    return state ? nl_load_apply(run, state, &session->model.params) : NL_OK;
}

static nl_status build(struct nl_session *session, struct nl_state *state, nl_weights_use use)
{
    const struct nl_config *config = &session->run->settings.config;
    const int crop = config->train.sampling.crop_size;
    const struct nl_geometry geometry = {1, config->infer.sampling.video_length, crop, crop};
    NL_TRY(nl_open_backend(session->run, &session->be));
    NL_TRY(nl_model_init(&session->model, config, &geometry));
    NL_TRY(nl_params_alloc(&session->model.params, &session->be, session->model.type));
    return fill(session, state, use);
}

nl_status nl_session_open(struct nl_session *session, struct nl_run *run, nl_weights_use use)
{
    struct nl_state state;
    memset(session, 0, sizeof *session);
    session->run = run;
    if (!run->args.weights) {
        NL_REQUIRE(use != NL_WEIGHTS_NEEDED, NL_EUSAGE, "%s", nl_load_hint());
        NL_TRY(nl_settings_resolve(&run->settings));
        return build(session, NULL, use);
    }
    NL_TRY(nl_load_open(run, &state));
    const nl_status st = build(session, &state, use);
    nl_state_clear(&state);
    return st;
}

void nl_session_close(struct nl_session *session)
{
    nl_model_clear(&session->model);
    nl_backend_close(&session->be);
}

/* The value of the node called `layer`; only whole activations can be read. */
static nl_status find_layer(const struct nl_graph *g, const char *layer, struct nl_engine *engine)
{
    const int node = nl_graph_find(g, layer);
    NL_REQUIRE(node != NL_NONE, NL_EUSAGE, "--layer: no node \"%s\"; `nonlocal info` lists them, (values) aside",
               layer);
    engine->layer = g->nodes[node].out[0];
    engine->layer_is = *nl_graph_tensor(g, engine->layer);
    NL_REQUIRE(nl_tensor_is_dense(&engine->layer_is) && engine->layer_is.rank != 4, NL_EUSAGE,
               "--layer: %s is no activation (N,C,T,H,W)", layer);
    return NL_OK;
}

/* The graph, checked, and what is read of it. */
static nl_status lay_out(struct nl_engine *engine, struct nl_session *session, const char *layer,
                         struct nl_graph **g)
{
    NL_TRY(nl_model_graph(&session->model, &engine->geometry, g, &engine->ends));
    nl_status st = layer ? find_layer(*g, layer, engine) : NL_OK;
    engine->output = layer ? engine->layer : engine->ends.probability;
    if (st == NL_OK) st = nl_check_impls(*g, &session->be);
    if (st != NL_OK) nl_graph_free(*g);
    return st;
}

nl_status nl_engine_measure(struct nl_session *session, const struct nl_geometry *geometry,
                            const char *layer, size_t *bytes)
{
    struct nl_engine engine = {.geometry = *geometry, .layer = NL_NONE};
    struct nl_plan_cost cost = {.arena = 0};
    struct nl_graph *g = NULL;
    NL_TRY(lay_out(&engine, session, layer, &g));
    const nl_status st = nl_plan_measure(g, &session->be, &engine.output, 1, &cost);
    nl_graph_free(g);
    *bytes = cost.arena + cost.workspace + cost.constants;
    return st;
}

struct wanted {
    struct nl_session *session;
    struct nl_geometry geometry;
    const char *layer;
};

/* The plan, and two batches of clips on the host: what a reader holds. */
static nl_status measure(void *user, int64_t batch, double *bytes)
{
    const struct wanted *w = user;
    struct nl_geometry at = w->geometry;
    size_t plan;
    at.batch = batch;
    NL_TRY(nl_engine_measure(w->session, &at, w->layer, &plan));
    *bytes = (double)plan + 2.0 * (double)(at.frames * at.height * at.width * 3) * (double)batch *
                                (double)sizeof(float);
    return NL_OK;
}

/* Training has told what it needs, validation included, before it began. */
static nl_status check_room(struct nl_session *session, const struct nl_geometry *geometry,
                            const char *layer)
{
    struct wanted wanted = {session, *geometry, layer};
    const struct nl_room_plan plan = {session->run, geometry->batch, measure, &wanted};
    const unsigned told = NL_CMD_TRAIN | NL_CMD_BN_RECOMPUTE;
    return session->run->command->bit & told ? NL_OK : nl_room_check(&plan);
}

nl_status nl_engine_open(struct nl_engine *engine, struct nl_session *session,
                         const struct nl_geometry *geometry, const char *layer)
{
    struct nl_graph *g = NULL;
    *engine = (struct nl_engine){.geometry = *geometry, .layer = NL_NONE};
    NL_TRY(check_room(session, geometry, layer));
    NL_TRY(lay_out(engine, session, layer, &g));
    const nl_status st = nl_plan_new(g, &session->be, &engine->output, 1, &engine->plan);
    nl_graph_free(g);
    return st;
}

nl_status nl_engine_settle(struct nl_engine *engine)
{
    return nl_plan_settle(engine->plan);
}

void nl_engine_close(struct nl_engine *engine)
{
    nl_plan_free(engine->plan);
    engine->plan = NULL;
}

/* Host floats from number `first` of an input on. */
static nl_status put_part(struct nl_plan *plan, nl_value v, int64_t first, int64_t count,
                          const float *values)
{
    double *wide = NULL;
    if (nl_graph_tensor(nl_plan_graph(plan), v)->type == NL_F32)
        return nl_plan_write_part(plan, v, first, count, values);
    NL_TRY(nl_calloc((size_t)count, sizeof *wide, &wide));
    for (int64_t i = 0; i < count; i++) wide[i] = values[i];
    const nl_status st = nl_plan_write_part(plan, v, first, count, wide);
    nl_free(wide);
    return st;
}

nl_status nl_put_floats(struct nl_plan *plan, nl_value v, const float *values)
{
    return put_part(plan, v, 0, nl_tensor_count(nl_graph_tensor(nl_plan_graph(plan), v)), values);
}

nl_status nl_engine_put(struct nl_engine *engine, int64_t place, const float *clip)
{
    const struct nl_geometry *at = &engine->geometry;
    const int64_t count = at->frames * at->height * at->width * 3;
    return put_part(engine->plan, engine->ends.clip, place * count, count, clip);
}

/* Element i of F32 or BF16 numbers. */
static double narrow(const void *numbers, nl_type type, int64_t i)
{
    float value;
    uint16_t half;
    if (type == NL_BF16) {
        memcpy(&half, (const char *)numbers + i * (int64_t)sizeof half, sizeof half);
        return (double)nl_bf16_to_float(half);
    }
    memcpy(&value, (const char *)numbers + i * (int64_t)sizeof value, sizeof value);
    return (double)value;
}

nl_status nl_engine_read(struct nl_engine *engine, nl_value v, double *out)
{
    const nl_tensor *t = nl_graph_tensor(nl_plan_graph(engine->plan), v);
    const int64_t count = nl_tensor_count(t);
    NL_TRY(nl_plan_read(engine->plan, v, out));
    /* Narrower numbers fill the front of `out`; widened from the back, none is overwritten unread. */
    for (int64_t i = count - 1; t->type != NL_F64 && i >= 0; i--) out[i] = narrow(out, t->type, i);
    return NL_OK;
}

nl_status nl_engine_run(struct nl_engine *engine, const float *clips)
{
    NL_TRY(nl_put_floats(engine->plan, engine->ends.clip, clips));
    return nl_plan_run(engine->plan, NULL);
}

nl_status nl_engine_predict(struct nl_engine *engine, const float *clips, double *probability)
{
    NL_TRY(nl_engine_run(engine, clips));
    return nl_engine_read(engine, engine->ends.probability, probability);
}

/* Zeros: what a run left there may be no numbers. */
static nl_status blank(struct nl_engine *engine, int64_t from)
{
    const struct nl_geometry *at = &engine->geometry;
    float *zeros = NULL;
    if (from == at->batch) return NL_OK;
    NL_TRY(nl_calloc((size_t)(at->frames * at->height * at->width * 3), sizeof *zeros, &zeros));
    nl_status st = NL_OK;
    for (int64_t i = from; st == NL_OK && i < at->batch; i++) st = nl_engine_put(engine, i, zeros);
    nl_free(zeros);
    return st;
}

nl_status nl_engine_predict_put(struct nl_engine *engine, int64_t count, double *probability)
{
    NL_TRY(blank(engine, count));
    NL_TRY(nl_plan_run(engine->plan, NULL));
    return nl_engine_read(engine, engine->ends.probability, probability);
}
