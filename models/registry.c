#include "models/model.h"

#include "src/graph/gradient.h"

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

static nl_status build(struct nl_model *model, const struct nl_geometry *geometry,
                       const struct nl_training *training, struct nl_graph **g,
                       struct nl_model_ends *ends)
{
    *ends = (struct nl_model_ends){NL_NONE, NL_NONE, NL_NONE, NL_NONE, NL_NONE, NL_NONE, NL_NONE};
    NL_TRY(nl_graph_new(model->type, &model->params, g));
    (*g)->training = *training;
    if (model->config->model.precision == NL_PRECISION_BF16) (*g)->storage = NL_BF16;
    NL_TRY(model->kind->build(*g, model->config, geometry, ends));
    if (!training->on || training->only_statistics) return NL_OK;
    NL_REQUIRE(ends->loss != NL_NONE, NL_ENOSUP, "model %s builds no loss", model->kind->name);
    NL_TRY(nl_graph_input(*g, 1, &geometry->batch, &ends->share));
    return nl_graph_differentiate(*g, ends->loss, ends->share, NULL, NULL, 0);
}

nl_status nl_model_train_graph(struct nl_model *model, const struct nl_geometry *geometry,
                               const struct nl_training *training, struct nl_graph **g,
                               struct nl_model_ends *ends)
{
    const nl_status st = build(model, geometry, training, g, ends);
    if (st != NL_OK) {
        nl_graph_free(*g);
        *g = NULL;
    }
    return st;
}

nl_status nl_model_graph(struct nl_model *model, const struct nl_geometry *geometry,
                         struct nl_graph **g, struct nl_model_ends *ends)
{
    return nl_model_train_graph(model, geometry, &(struct nl_training){.on = false}, g, ends);
}

static bool is_of_head(const char *param)
{
    return strncmp(param, "pred_", 5) == 0;
}

static bool is_of_blocks(const char *param)
{
    return is_of_head(param) || strncmp(param, "nonlocal_", 9) == 0;
}

static bool is_of_res5(const char *param)
{
    return is_of_head(param) || strncmp(param, "res5", 4) == 0 || strncmp(param, "bn5", 3) == 0;
}

bool (*nl_model_trains(int trainable))(const char *param)
{
    static bool (*const rules[])(const char *) = {
        [NL_TRAINABLE_ALL] = NULL,
        [NL_TRAINABLE_BLOCKS] = is_of_blocks,
        [NL_TRAINABLE_HEAD] = is_of_head,
        [NL_TRAINABLE_RES5] = is_of_res5,
    };
    return rules[trainable];
}
