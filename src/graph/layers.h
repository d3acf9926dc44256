/* layers.h - the few compositions of nodes and parameters that blocks and models share.
 *
 * All take activations [N,T,H,W,C] and give `y`, a new value.
 */
#ifndef NL_LAYERS_H
#define NL_LAYERS_H

#include "src/graph/graph.h"

/* A convolution and its parameters. Triples are t, h, w. */
struct nl_conv_layer {
    const char *name;    /* of the node */
    const char *weights; /* parameter names; */
    const char *bias;    /* NULL: no bias */
    int64_t filters;
    int kernel[3], stride[3], pad[3];
    nl_param_role role;
    struct nl_init init;
};

nl_status nl_layer_conv(struct nl_graph *g, const struct nl_conv_layer *layer, nl_value x,
                        nl_value *y);

/* Batch norm with parameters PREFIX_scale, _offset, _mean, _variance. Evaluation uses running
 * statistics; so does training where gamma is not trained or g->training says so; else the batch's,
 * which are also gathered for the running ones (running = momentum * running + (1 - momentum) *
 * batch). Ioffe and Szegedy 2015. */
struct nl_bn_layer {
    const char *prefix;
    double epsilon, momentum;
    double gamma; /* initial scale */
};

nl_status nl_layer_bn(struct nl_graph *g, const struct nl_bn_layer *layer, nl_value x, nl_value *y);

/* y = x * scale + offset per channel, both trained, under the two parameter names given. */
nl_status nl_layer_affine(struct nl_graph *g, const char *name, const char *scale,
                          const char *offset, nl_value x, nl_value *y);

nl_status nl_layer_relu(struct nl_graph *g, const char *name, nl_value x, nl_value *y);
nl_status nl_layer_add(struct nl_graph *g, const char *name, nl_value x0, nl_value x1, nl_value *y);

/* x in another type; x itself where it has that already. */
nl_status nl_layer_cast(struct nl_graph *g, const char *name, nl_type type, nl_value x,
                        nl_value *y);

/* op is NL_OP_MAX_POOL or NL_OP_AVG_POOL. */
nl_status nl_layer_pool(struct nl_graph *g, nl_op op, const char *name, const int *kernel,
                        const int *stride, nl_value x, nl_value *y);

#endif
