/* graph.h - a network as a list of primitive nodes over values.
 *
 * Builders (blocks, models) only append. Every append infers and checks the shapes, so a wrong
 * model fails where it is built, with the node's name. The list is in topological order.
 * A graph runs nothing: src/graph/plan.h turns it into kernels and memory.
 */
#ifndef NL_GRAPH_H
#define NL_GRAPH_H

#include "src/tensor/params.h"

enum { NL_NONE = -1 };
typedef int nl_value; /* index of a value of one graph; NL_NONE: absent */

typedef enum {
    NL_VALUE_INPUT,
    NL_VALUE_PARAM,
    NL_VALUE_GRAD, /* of a parameter: lies in params->grads; nodes add to it */
    NL_VALUE_NODE,
    NL_VALUE_VIEW
} nl_value_kind;

struct nl_value_info {
    nl_value_kind kind;
    nl_tensor tensor; /* no data */
    nl_value base;    /* of a view: the value whose memory it shows, never a view; else itself */
    int64_t offset;   /* of a view: elements from the first of base */
    int node;         /* producer; NL_NONE for inputs, parameters and views */
    int param;        /* index in graph->params, of parameters and gradients; else NL_NONE */
};

struct nl_node {
    nl_op op;
    union nl_attr attr;
    nl_value in[NL_MAX_IN],
        out[NL_MAX_OUT]; /* NL_NONE where absent; out may be views of what is made */
    char *name;          /* unique in its graph */
    char force[32];      /* implementation asked for; "" or "auto": any */
    bool backward;       /* made by nl_graph_differentiate */
};

/* What `info` says of a non-local block. */
struct nl_block_note {
    char name[64];         /* nonlocal_conv4_3 */
    char variant[64];      /* embedded_gaussian */
    int stage, index;      /* after residual block `index` of res`stage` */
    int node;              /* its pairwise node (in the graph as built) */
    int64_t queries, keys; /* P and M of one attention */
    int64_t attentions;    /* how many of them (B0 * B1) */
    int64_t channels, inner;
};

/* How a network is built that will be trained. All zero: for evaluation. */
struct nl_training {
    bool on;
    bool frozen_bn;       /* BN by running statistics, gamma and beta trained */
    bool only_statistics; /* no gradient: a pass that gathers batch statistics */
    bool recompute;       /* only outputs of residual blocks are kept for the backward pass */
    double share;         /* of one micro-batch in a step: weights its batch statistics */
    bool (*trains)(const char *param); /* NULL: every parameter is trained */
};

struct nl_graph {
    nl_type type;    /* of inputs and parameters, and of activations where nothing is cast */
    nl_type storage; /* what builders cast activations to: `type` unless set otherwise */
    struct nl_training training;
    struct nl_params *params; /* borrowed */
    struct nl_node *nodes;
    int n_nodes, node_room;
    struct nl_value_info *values;
    int n_values, value_room;
    struct nl_block_note *notes;
    int n_notes, note_room;
};

/* `params` is borrowed and gets the parameters that nodes use. nl_graph_free undoes it. */
nl_status nl_graph_new(nl_type type, struct nl_params *params, struct nl_graph **out) NL_MUST_CHECK;
void nl_graph_free(struct nl_graph *g);

/* A deep copy over the same params; node and value numbers stay. */
nl_status nl_graph_clone(const struct nl_graph *g, struct nl_graph **out) NL_MUST_CHECK;

/* A dense value that the caller fills before each run. */
nl_status nl_graph_input(struct nl_graph *g, int rank, const int64_t *dim,
                         nl_value *out) NL_MUST_CHECK;

/* The same of another type, as labels are. */
nl_status nl_graph_input_of(struct nl_graph *g, nl_type type, int rank, const int64_t *dim,
                            nl_value *out) NL_MUST_CHECK;

/* The gradient of a parameter, one value however often it is asked for. */
nl_status nl_graph_grad(struct nl_graph *g, int param, nl_value *out) NL_MUST_CHECK;

/* Whether the parameter of that name is trained in this graph. */
bool nl_graph_trains(const struct nl_graph *g, const char *param);

/* The parameter `name`, new or known. */
nl_status nl_graph_param(struct nl_graph *g, const char *name, int rank, const int64_t *dim,
                         nl_param_role role, struct nl_init init, nl_value *out) NL_MUST_CHECK;

/* Another view of the memory of `v`, `offset` elements further: no node, no copy. NL_ESHAPE if
 * it reaches beyond that memory. */
nl_status nl_graph_view(struct nl_graph *g, nl_value v, const nl_tensor *tensor, int64_t offset,
                        nl_value *out) NL_MUST_CHECK;

/* Appends a node with NL_MAX_IN inputs (NL_NONE where absent); `out` gets n_out new values.
 * NL_ESHAPE and the node's name where the shapes do not fit. */
nl_status nl_graph_append(struct nl_graph *g, nl_op op, const char *name, const union nl_attr *attr,
                          const nl_value *in, int n_in, nl_value *out) NL_MUST_CHECK;

/* Appends a node that adds to `out`, n_out gradients or views of them. */
nl_status nl_graph_append_into(struct nl_graph *g, nl_op op, const char *name,
                               const union nl_attr *attr, const nl_value *in, int n_in,
                               const nl_value *out, int n_out) NL_MUST_CHECK;

/* Gives node number `node` other attributes, by which it makes further outputs; those it has stay. */
nl_status nl_graph_extend(struct nl_graph *g, int node, const union nl_attr *attr) NL_MUST_CHECK;

/* Whether the node writes to gradients, which must not be left out. */
bool nl_graph_adds(const struct nl_graph *g, const struct nl_node *node);

nl_status nl_graph_add_note(struct nl_graph *g, const struct nl_block_note *note) NL_MUST_CHECK;

const nl_tensor *nl_graph_tensor(const struct nl_graph *g, nl_value v);

/* Number of the node of that name, NL_NONE if there is none. */
int nl_graph_find(const struct nl_graph *g, const char *name);

/* Description of a node: its attributes and the views of its values, without data. */
struct nl_op_desc nl_graph_desc(const struct nl_graph *g, const struct nl_node *node);

/* Sum of nl_op_multiply_adds over all nodes. */
int64_t nl_graph_multiply_adds(const struct nl_graph *g);

#endif
