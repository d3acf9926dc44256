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

nl_status nl_layer_bn(struct nl_graph *g, const char *prefix, double epsilon, double gamma,
                      nl_value x, nl_value *y)
{
    const nl_tensor *t = nl_graph_tensor(g, x);
    const struct {
        const char *suffix;
        nl_param_role role;
        double value;
    } part[4] = {{"_scale", NL_ROLE_BN, gamma},
                 {"_offset", NL_ROLE_BN, 0},
                 {"_mean", NL_ROLE_STATISTIC, 0},
                 {"_variance", NL_ROLE_STATISTIC, 1}};
    const int64_t channels = t->dim[t->rank - 1];
    const union nl_attr attr = {.bn_fold = {.epsilon = epsilon}};
    nl_value in[4], ab[2];
    char name[NAME];

    for (int i = 0; i < 4; i++)
        NL_TRY(nl_graph_param(g, join(name, prefix, part[i].suffix), 1, &channels, part[i].role,
                              (struct nl_init){NL_INIT_CONSTANT, part[i].value}, &in[i]));
    NL_TRY(nl_graph_append(g, NL_OP_BN_FOLD, join(name, prefix, "_fold"), &attr, in, 4, ab));
    const nl_value apply[3] = {x, ab[0], ab[1]};
    return nl_graph_append(g, NL_OP_AFFINE, prefix, NULL, apply, 3, y);
}

nl_status nl_layer_affine(struct nl_graph *g, const char *name, const char *scale,
                          const char *offset, nl_value x, nl_value *y)
{
    const nl_tensor *t = nl_graph_tensor(g, x);
    const int64_t channels = t->dim[t->rank - 1];
    nl_value in[3] = {x, NL_NONE, NL_NONE};
    NL_TRY(nl_graph_param(g, scale, 1, &channels, NL_ROLE_BN, (struct nl_init){NL_INIT_CONSTANT, 1},
                          &in[1]));
    NL_TRY(nl_graph_param(g, offset, 1, &channels, NL_ROLE_BN,
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
