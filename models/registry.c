#include "models/model.h"

#include <string.h>

#define NL_MODEL(id) extern const struct nl_model_kind nl_model_##id;
#include "models/models.def"
#undef NL_MODEL

const struct nl_model_kind *const nl_models[] = {
#define NL_MODEL(id) &nl_model_##id,
#include "models/models.def"
#undef NL_MODEL
    NULL,
};

enum { ADDED_MAX = 16 };
static const struct nl_model_kind *added[ADDED_MAX];
static int n_added;

const struct nl_model_kind *nl_model_at(int i)
{
    const int built_in = (int)NL_COUNT(nl_models) - 1;
    if (i < built_in) return nl_models[i];
    return i - built_in < n_added ? added[i - built_in] : NULL;
}

static const struct nl_model_kind *look_up(const char *name)
{
    const struct nl_model_kind *kind = NULL;
    for (int i = 0; (kind = nl_model_at(i)); i++)
        if (strcmp(kind->name, name) == 0) return kind;
    return NULL;
}

nl_status nl_model_register(const struct nl_model_kind *kind)
{
    NL_REQUIRE(!look_up(kind->name), NL_EINVAL, "there is already a model %s", kind->name);
    NL_REQUIRE(n_added < ADDED_MAX, NL_EINVAL, "more than %d models added", ADDED_MAX);
    added[n_added++] = kind;
    return NL_OK;
}

static nl_type type_of(int precision)
{
    return precision == NL_PRECISION_F64 ? NL_F64 : NL_F32;
}

nl_status nl_model_init(struct nl_model *model, const struct nl_config *config,
                        const struct nl_geometry *geometry)
{
    struct nl_graph *g = NULL;
    struct nl_model_ends ends;
    *model = (struct nl_model){.config = config, .type = type_of(config->model.precision)};
    model->kind = look_up(config->model.name);
    NL_REQUIRE(model->kind, NL_EUSAGE, "MODEL.name: no model \"%s\"; the built-in one is NONLOCAL",
               config->model.name);
    const nl_status st = nl_model_graph(model, geometry, &g, &ends);
    nl_graph_free(g);
    if (st != NL_OK) nl_model_clear(model);
    return st;
}

void nl_model_clear(struct nl_model *model)
{
    nl_params_clear(&model->params);
}

nl_status nl_model_graph(struct nl_model *model, const struct nl_geometry *geometry,
                         struct nl_graph **g, struct nl_model_ends *ends)
{
    NL_TRY(nl_graph_new(model->type, &model->params, g));
    const nl_status st = model->kind->build(*g, model->config, geometry, ends);
    if (st != NL_OK) {
        nl_graph_free(*g);
        *g = NULL;
    }
    return st;
}
