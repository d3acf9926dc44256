/* model.h - a model kind turns a configuration into a graph from clips to class probabilities. */
#ifndef NL_MODEL_H
#define NL_MODEL_H

#include "src/core/config.h"
#include "src/graph/graph.h"

/* What one graph is built for: clips [batch, frames, height, width, 3], RGB, normalised. */
struct nl_geometry {
    int64_t batch, frames, height, width;
};

/* The ends of a graph. Those of the other mode are NL_NONE. */
struct nl_model_ends {
    nl_value clip;        /* input [N,T,H,W,3] */
    nl_value probability; /* [N,classes]; evaluation */
    nl_value label;       /* input [N], I64; training, as all that follow */
    nl_value mask;        /* input [N,t,h,w,features]: dropout, or NL_NONE at rate 0 */
    nl_value logits;      /* [N,classes] */
    nl_value loss;        /* [N]: cross entropy of each clip */
    nl_value share;       /* input [N]: weight of each clip's loss in the gradient */
};

struct nl_model_kind {
    const char *name;    /* MODEL.name, "NONLOCAL" */
    const char *summary; /* one line for `info` */
    nl_status (*build)(struct nl_graph *g, const struct nl_config *config,
                       const struct nl_geometry *geometry, struct nl_model_ends *ends);
};

/* Built-in kinds, NULL-terminated; defined in models/registry.c from models.def. */
extern const struct nl_model_kind *const nl_models[];

/* Adds a plug-in's kind, which must stay valid. NL_EINVAL if the name is taken or 16 are there. */
nl_status nl_model_register(const struct nl_model_kind *kind);

/* The i-th known kind, built-in ones first; NULL past the end. */
const struct nl_model_kind *nl_model_at(int i);

/* A configuration made into networks: the parameters, shared by graphs of any geometry. */
struct nl_model {
    const struct nl_model_kind *kind;
    const struct nl_config *config; /* borrowed */
    nl_type type;                   /* of parameters, inputs and probabilities */
    struct nl_params params;
};

/* Builds once (at the geometry given) to learn the parameters; they have no memory yet
 * (nl_params_alloc). NL_EUSAGE for configurations that make no network. */
nl_status nl_model_init(struct nl_model *model, const struct nl_config *config,
                        const struct nl_geometry *geometry) NL_MUST_CHECK;
void nl_model_clear(struct nl_model *model);

/* The network for one geometry, for nl_graph_free. */
nl_status nl_model_graph(struct nl_model *model, const struct nl_geometry *geometry,
                         struct nl_graph **g, struct nl_model_ends *ends) NL_MUST_CHECK;

/* The network as `training` says, up to the loss, and, unless only_statistics, its gradient
 * (gradient.h) appended. */
nl_status nl_model_train_graph(struct nl_model *model, const struct nl_geometry *geometry,
                               const struct nl_training *training, struct nl_graph **g,
                               struct nl_model_ends *ends) NL_MUST_CHECK;

/* TRAIN.trainable as struct nl_training wants it; NULL for all. */
bool (*nl_model_trains(int trainable))(const char *param);

#endif
