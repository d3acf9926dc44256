/* session.h - what commands share: a backend, a model with its weights, and plans of it. */
#ifndef NL_SESSION_H
#define NL_SESSION_H

#include "models/model.h"
#include "src/app/command.h"
#include "src/graph/plan.h"

struct nl_session {
    struct nl_run *run; /* borrowed; its settings are final once the session is open */
    struct nl_backend be;
    struct nl_model model;
};

/* One network ready to run clips of one geometry. */
struct nl_engine {
    struct nl_geometry geometry;
    struct nl_plan *plan;
    struct nl_model_ends ends;
    nl_value output;    /* what the plan keeps */
    nl_value layer;     /* the extra output asked for, NL_NONE without */
    nl_tensor layer_is; /* its shape */
};

typedef enum {
    NL_WEIGHTS_NEEDED,  /* --weights, or NL_EUSAGE that names the released file */
    NL_WEIGHTS_INITIAL, /* initial values by --seed where no weights are given */
    NL_WEIGHTS_TRIVIAL, /* non-trivial seeded values where no weights are given */
} nl_weights_use;

/* Opens backend, adopts what the weights file says about the network, builds the model (`geometry`
 * of its largest clip) and fills its parameters. nl_session_close undoes it, also after a
 * failure. */
nl_status nl_session_open(struct nl_session *session, struct nl_run *run,
                          nl_weights_use use) NL_MUST_CHECK;
void nl_session_close(struct nl_session *session);

/* The plan for one geometry; `layer` (NULL: none) names a node whose output is wanted instead of
 * the probabilities. NL_EUSAGE, before anything is allocated, where memory does not suffice. */
nl_status nl_engine_open(struct nl_engine *engine, struct nl_session *session,
                         const struct nl_geometry *geometry, const char *layer) NL_MUST_CHECK;

/* Folds and packs the weights now and gives their own memory back (nl_plan_settle): for a session
 * that opens no other engine and reads no parameter. */
nl_status nl_engine_settle(struct nl_engine *engine) NL_MUST_CHECK;
void nl_engine_close(struct nl_engine *engine);

/* Bytes of that plan, without allocating it. */
nl_status nl_engine_measure(struct nl_session *session, const struct nl_geometry *geometry,
                            const char *layer, size_t *bytes) NL_MUST_CHECK;

/* Runs clips [N,T,H,W,3] (floats on the host). */
nl_status nl_engine_run(struct nl_engine *engine, const float *clips) NL_MUST_CHECK;

/* Host floats into an input of the plan, F32 or F64. */
nl_status nl_put_floats(struct nl_plan *plan, nl_value v, const float *values) NL_MUST_CHECK;

/* A kept value, dense, as doubles; call it after a run. */
nl_status nl_engine_read(struct nl_engine *engine, nl_value v, double *out) NL_MUST_CHECK;

/* Both: probability [N,classes]. */
nl_status nl_engine_predict(struct nl_engine *engine, const float *clips,
                            double *probability) NL_MUST_CHECK;

/* The same of clips that come one by one: put each, [T,H,W,3], in its place of the next run, then run
 * the first `count`. probability [N,classes] has their rows first. */
nl_status nl_engine_put(struct nl_engine *engine, int64_t place, const float *clip) NL_MUST_CHECK;
nl_status nl_engine_predict_put(struct nl_engine *engine, int64_t count,
                                double *probability) NL_MUST_CHECK;

#endif
