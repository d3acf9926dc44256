#include "src/graph/layers.h"

#include <stdio.h>
#include <string.h>

enum { NAME = 128 };

/* PREFIX and SUFFIX joined; names are short by construction. */
static const char *join(char out[NAME], const char *prefix, const char *suffix)
{
    snprintf(out, NAME, "%s%s", prefix, suffix);
    return out;
}

nl_status nl_layer_conv(struct nl_graph *g, const struct nl_conv_layer *layer, nl_value x,
                        nl_value *y)
{
    const int64_t channels = nl_graph_tensor(g, x)->dim[4];
    const int64_t dim[5] = {layer->filters, layer->kernel[0], layer->kernel[1], layer->kernel[2],
                            channels};
    const struct nl_init zero = {NL_INIT_CONSTANT, 0};
    nl_value in[3] = {x, NL_NONE, NL_NONE};
    union nl_attr attr = {.conv = {.relu = false}};

    memcpy(attr.conv.stride, layer->stride, sizeof attr.conv.stride);
    memcpy(attr.conv.pad, layer->pad, sizeof attr.conv.pad);
    NL_TRY(nl_graph_param(g, layer->weights, 5, dim, layer->role, layer->init, &in[1]));
    if (layer->bias) NL_TRY(nl_graph_param(g, layer->bias, 1, dim, NL_ROLE_BIAS, zero, &in[2]));
    return nl_graph_append(g, NL_OP_CONV, layer->name, &attr, in, 3, y);
}

/* The four parameters: gamma, beta, mean, variance. */
static nl_status bn_params(struct nl_graph *g, const struct nl_bn_layer *layer, int64_t channels,
                           nl_value in[4])
{
    const struct {
        const char *suffix;
        nl_param_role role;
        double value;
    } part[4] = {{"_scale", NL_ROLE_BN, layer->gamma},
                 {"_offset", NL_ROLE_BN, 0},
                 {"_mean", NL_ROLE_STATISTIC, 0},
                 {"_variance", NL_ROLE_STATISTIC, 1}};
    char name[NAME];
    for (int i = 0; i < 4; i++) {
        NL_TRY(nl_graph_param(g, join(name, layer->prefix, part[i].suffix), 1, &channels,
                              part[i].role, (struct nl_init){NL_INIT_CONSTANT, part[i].value},
                              &in[i]));
        g->params->list[g->values[in[i]].param].momentum = layer->momentum;
    }
    return NL_OK;
}

/* The batch's mean and variance in place of the running ones, which learn of them. */
static nl_status batch_statistics(struct nl_graph *g, const struct nl_bn_layer *layer, nl_value x,
                                  nl_value in[4])
{
    const union nl_attr attr = {.accumulate = {.scale = g->training.share}};
    static const char *const gather[2] = {"_mean_gather", "_variance_gather"};
    nl_value sums[2], memory;
    char name[NAME];
    NL_TRY(
        nl_graph_append(g, NL_OP_BN_SUMS, join(name, layer->prefix, "_sums"), NULL, &x, 1, sums));
    for (int i = 0; i < 2; i++) {
        NL_TRY(nl_graph_grad(g, g->values[in[2 + i]].param, &memory));
        NL_TRY(nl_graph_append_into(g, NL_OP_ACCUMULATE, join(name, layer->prefix, gather[i]),
                                    &attr, &sums[i], 1, &memory, 1));
        in[2 + i] = sums[i];
    }
    return NL_OK;
}

nl_status nl_layer_bn(struct nl_graph *g, const struct nl_bn_layer *layer, nl_value x, nl_value *y)
{
    const nl_tensor t = *nl_graph_tensor(g, x);
    const union nl_attr attr = {.bn_fold = {.epsilon = layer->epsilon}};
    nl_value in[4], ab[2];
    char name[NAME];

    NL_TRY(bn_params(g, layer, t.dim[t.rank - 1], in));
    if (!g->training.frozen_bn && nl_graph_trains(g, join(name, layer->prefix, "_scale")))
        NL_TRY(batch_statistics(g, layer, x, in));
    NL_TRY(nl_graph_append(g, NL_OP_BN_FOLD, join(name, layer->prefix, "_fold"), &attr, in, 4, ab));
    const nl_value apply[3] = {x, ab[0], ab[1]};
    return nl_graph_append(g, NL_OP_AFFINE, layer->prefix, NULL, apply, 3, y);
}

nl_status nl_layer_affine(struct nl_graph *g, const char *name, const char *scale,
                          const char *offset, nl_value x, nl_value *y)
{
    const nl_tensor *t = nl_graph_tensor(g, x);
    const int64_t channels = t->dim[t->rank - 1];
    nl_value in[3] = {x, NL_NONE, NL_NONE};
    NL_TRY(nl_graph_param(g, scale, 1, &channels, NL_ROLE_AFFINE,
                          (struct nl_init){NL_INIT_CONSTANT, 1}, &in[1]));
    NL_TRY(nl_graph_param(g, offset, 1, &channels, NL_ROLE_AFFINE,
                          (struct nl_init){NL_INIT_CONSTANT, 0}, &in[2]));
    return nl_graph_append(g, NL_OP_AFFINE, name, NULL, in, 3, y);
}

nl_status nl_layer_relu(struct nl_graph *g, const char *name, nl_value x, nl_value *y)
{
    return nl_graph_append(g, NL_OP_RELU, name, NULL, &x, 1, y);
}

nl_status nl_layer_add(struct nl_graph *g, const char *name, nl_value x0, nl_value x1, nl_value *y)
{
    const nl_value in[2] = {x0, x1};
    return nl_graph_append(g, NL_OP_ADD, name, NULL, in, 2, y);
}

nl_status nl_layer_pool(struct nl_graph *g, nl_op op, const char *name, const int *kernel,
                        const int *stride, nl_value x, nl_value *y)
{
    union nl_attr attr = {.pool = {.kernel = {0}}};
    memcpy(attr.pool.kernel, kernel, sizeof attr.pool.kernel);
    memcpy(attr.pool.stride, stride, sizeof attr.pool.stride);
    return nl_graph_append(g, op, name, &attr, &x, 1, y);
}

nl_status nl_layer_cast(struct nl_graph *g, const char *name, nl_type type, nl_value x, nl_value *y)
{
    const union nl_attr attr = {.cast = {.type = type}};
    *y = x;
    if (nl_graph_tensor(g, x)->type == type) return NL_OK;
    return nl_graph_append(g, NL_OP_CAST, name, &attr, &x, 1, y);
}
