/* model.h - a model kind turns a configuration into a graph from clips to class probabilities. */
#ifndef NL_MODEL_H
#define NL_MODEL_H

#include "src/core/config.h"
#include "src/graph/graph.h"

/* What one graph is built for: clips [batch, frames, height, width, 3], RGB, normalised. */
struct nl_geometry {
    int64_t batch, frames, height, width;
};

/* The ends of a graph. */
struct nl_model_ends {
    nl_value clip;        /* input [N,T,H,W,3] */
    nl_value probability; /* [N,classes] */
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
    nl_type type;
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

#endif
