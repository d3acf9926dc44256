#include "src/graph/graph.h"

#include "src/core/memory.h"
#include "src/graph/infer.h"

#include <string.h>

nl_status nl_graph_new(nl_type type, struct nl_params *params, struct nl_graph **out)
{
    NL_TRY(nl_calloc(1, sizeof **out, out));
    (*out)->type = (*out)->storage = type;
    (*out)->params = params;
    return NL_OK;
}

void nl_graph_free(struct nl_graph *g)
{
    if (!g) return;
    for (int i = 0; i < g->n_nodes; i++) nl_free(g->nodes[i].name);
    nl_free(g->nodes);
    nl_free(g->values);
    nl_free(g->notes);
    nl_free(g);
}

/* Room for one more element in *array (the address of a pointer). */
static nl_status grow(void *array, int count, int *room, size_t size)
{
    if (count < *room) return NL_OK;
    const int wanted = *room ? 2 * *room : 64;
    NL_TRY(nl_resize(array, (size_t)wanted, size));
    *room = wanted;
    return NL_OK;
}

static nl_status add_value(struct nl_graph *g, const struct nl_value_info *info, nl_value *out)
{
    NL_TRY(grow(&g->values, g->n_values, &g->value_room, sizeof *g->values));
    g->values[g->n_values] = *info;
    if (info->base == NL_NONE) g->values[g->n_values].base = g->n_values;
    *out = g->n_values++;
    return NL_OK;
}

static nl_status clone_nodes(const struct nl_graph *g, struct nl_graph *copy)
{
    NL_TRY(nl_calloc((size_t)g->node_room, sizeof *copy->nodes, &copy->nodes));
    copy->node_room = g->node_room;
    for (; copy->n_nodes < g->n_nodes; copy->n_nodes++) {
        copy->nodes[copy->n_nodes] = g->nodes[copy->n_nodes];
        copy->nodes[copy->n_nodes].name = NULL;
        NL_TRY(nl_copy_text(g->nodes[copy->n_nodes].name, &copy->nodes[copy->n_nodes].name));
    }
    return NL_OK;
}

static nl_status clone_values(const struct nl_graph *g, struct nl_graph *copy)
{
    NL_TRY(nl_calloc((size_t)g->value_room, sizeof *copy->values, &copy->values));
    copy->value_room = g->value_room;
    copy->n_values = g->n_values;
    if (g->n_values) memcpy(copy->values, g->values, (size_t)g->n_values * sizeof *g->values);
    NL_TRY(nl_calloc((size_t)g->note_room, sizeof *copy->notes, &copy->notes));
    copy->note_room = g->note_room;
    copy->n_notes = g->n_notes;
    if (g->n_notes) memcpy(copy->notes, g->notes, (size_t)g->n_notes * sizeof *g->notes);
    return NL_OK;
}

nl_status nl_graph_clone(const struct nl_graph *g, struct nl_graph **out)
{
    struct nl_graph *copy = NULL;
    nl_status st = nl_graph_new(g->type, g->params, &copy);
    if (st == NL_OK) copy->training = g->training;
    if (st == NL_OK) st = clone_nodes(g, copy);
    if (st == NL_OK) st = clone_values(g, copy);
    if (st != NL_OK) {
        nl_graph_free(copy);
        copy = NULL;
    }
    *out = copy;
    return st;
}

nl_status nl_graph_input(struct nl_graph *g, int rank, const int64_t *dim, nl_value *out)
{
    return nl_graph_input_of(g, g->type, rank, dim, out);
}

nl_status nl_graph_input_of(struct nl_graph *g, nl_type type, int rank, const int64_t *dim,
                            nl_value *out)
{
    const struct nl_value_info info = {.kind = NL_VALUE_INPUT,
                                       .tensor = nl_tensor_dense(type, rank, dim),
                                       .base = NL_NONE,
                                       .node = NL_NONE,
                                       .param = NL_NONE};
    return add_value(g, &info, out);
}

nl_status nl_graph_param(struct nl_graph *g, const char *name, int rank, const int64_t *dim,
                         nl_param_role role, struct nl_init init, nl_value *out)
{
    struct nl_value_info info = {.kind = NL_VALUE_PARAM,
                                 .tensor = nl_tensor_dense(g->type, rank, dim),
                                 .base = NL_NONE,
                                 .node = NL_NONE};
    NL_TRY(nl_params_add(g->params, name, &info.tensor, role, init, &info.param));
    return add_value(g, &info, out);
}

nl_status nl_graph_grad(struct nl_graph *g, int param, nl_value *out)
{
    for (*out = 0; *out < g->n_values; ++*out)
        if (g->values[*out].kind == NL_VALUE_GRAD && g->values[*out].param == param) return NL_OK;
    const nl_tensor *t = &g->params->list[param].tensor;
    const struct nl_value_info info = {.kind = NL_VALUE_GRAD,
                                       .tensor = nl_tensor_dense(g->type, t->rank, t->dim),
                                       .base = NL_NONE,
                                       .node = NL_NONE,
                                       .param = param};
    return add_value(g, &info, out);
}

bool nl_graph_trains(const struct nl_graph *g, const char *param)
{
    return g->training.on && (!g->training.trains || g->training.trains(param));
}

nl_status nl_graph_view(struct nl_graph *g, nl_value v, const nl_tensor *tensor, int64_t offset,
                        nl_value *out)
{
    const struct nl_value_info *of = &g->values[v];
    const int64_t at = of->offset + offset;
    const nl_tensor *whole = &g->values[of->base].tensor;
    char one[160], two[160];
    NL_REQUIRE(tensor->type == whole->type, NL_ESHAPE, "a view of type %s of a value of type %s",
               nl_type_name(tensor->type), nl_type_name(whole->type));
    NL_REQUIRE(at >= 0 && at + nl_tensor_span(tensor) <= nl_tensor_span(whole), NL_ESHAPE,
               "a view %s from element %lld reaches beyond %s",
               nl_tensor_text(tensor, one, sizeof one), (long long)at,
               nl_tensor_text(whole, two, sizeof two));
    const struct nl_value_info info = {.kind = NL_VALUE_VIEW,
                                       .tensor = *tensor,
                                       .base = of->base,
                                       .offset = at,
                                       .node = NL_NONE,
                                       .param = NL_NONE};
    return add_value(g, &info, out);
}

static nl_status add_node(struct nl_graph *g, const struct nl_op_desc *desc, const char *name,
                          const nl_value *in, int n_in)
{
    NL_TRY(grow(&g->nodes, g->n_nodes, &g->node_room, sizeof *g->nodes));
    struct nl_node *node = &g->nodes[g->n_nodes];
    *node = (struct nl_node){.op = desc->op, .attr = desc->attr};
    for (int i = 0; i < NL_MAX_IN; i++) node->in[i] = i < n_in ? in[i] : NL_NONE;
    for (int i = 0; i < NL_MAX_OUT; i++) node->out[i] = NL_NONE;
    NL_TRY(nl_copy_text(name, &node->name));
    g->n_nodes++;
    return NL_OK;
}

/* Description of a node to be, its outputs inferred. */
static nl_status describe(const struct nl_graph *g, const char *name, const union nl_attr *attr,
                          const nl_value *in, int n_in, struct nl_op_desc *desc, int *n_out)
{
    if (attr) desc->attr = *attr;
    for (int i = 0; i < n_in; i++)
        if (in[i] != NL_NONE) desc->in[i] = g->values[in[i]].tensor;
    if (nl_infer(desc, n_out) != NL_OK)
        return nl_fail(NL_ESHAPE, "%s (%s): %s", name, nl_op_name(desc->op), nl_error());
    return NL_OK;
}

nl_status nl_graph_append_into(struct nl_graph *g, nl_op op, const char *name,
                               const union nl_attr *attr, const nl_value *in, int n_in,
                               const nl_value *out, int n_out)
{
    struct nl_op_desc desc = {.op = op};
    int made = 0;
    NL_TRY(describe(g, name, attr, in, n_in, &desc, &made));
    for (int i = 0; i < n_out; i++)
        NL_REQUIRE(nl_tensor_same_shape(&desc.out[i], &g->values[out[i]].tensor), NL_ESHAPE,
                   "%s (%s): the gradient that it adds to has another shape", name, nl_op_name(op));
    NL_TRY(add_node(g, &desc, name, in, n_in));
    for (int i = 0; i < n_out; i++) g->nodes[g->n_nodes - 1].out[i] = out[i];
    return NL_OK;
}

bool nl_graph_adds(const struct nl_graph *g, const struct nl_node *node)
{
    const nl_value out = node->out[0];
    return out != NL_NONE && g->values[g->values[out].base].kind == NL_VALUE_GRAD;
}

/* Values for outputs `from` to before `to` of a node. */
static nl_status add_outputs(struct nl_graph *g, int node, const struct nl_op_desc *desc, int from,
                             int to)
{
    for (int i = from; i < to; i++) {
        const struct nl_value_info info = {.kind = NL_VALUE_NODE,
                                           .tensor = desc->out[i],
                                           .base = NL_NONE,
                                           .node = node,
                                           .param = NL_NONE};
        nl_value out;
        NL_TRY(add_value(g, &info, &out));
        g->nodes[node].out[i] = out;
    }
    return NL_OK;
}

nl_status nl_graph_append(struct nl_graph *g, nl_op op, const char *name, const union nl_attr *attr,
                          const nl_value *in, int n_in, nl_value *out)
{
    struct nl_op_desc desc = {.op = op};
    int n_out = 0;
    NL_TRY(describe(g, name, attr, in, n_in, &desc, &n_out));
    const int number = g->n_nodes;
    NL_TRY(add_node(g, &desc, name, in, n_in));
    NL_TRY(add_outputs(g, number, &desc, 0, n_out));
    memcpy(out, g->nodes[number].out, (size_t)n_out * sizeof *out);
    return NL_OK;
}

nl_status nl_graph_extend(struct nl_graph *g, int node, const union nl_attr *attr)
{
    struct nl_op_desc desc = {.op = g->nodes[node].op};
    int n_out = 0, has = 0;
    NL_TRY(describe(g, g->nodes[node].name, attr, g->nodes[node].in, NL_MAX_IN, &desc, &n_out));
    while (has < NL_MAX_OUT && g->nodes[node].out[has] != NL_NONE) has++;
    g->nodes[node].attr = *attr;
    return add_outputs(g, node, &desc, has, n_out);
}

nl_status nl_graph_add_note(struct nl_graph *g, const struct nl_block_note *note)
{
    NL_TRY(grow(&g->notes, g->n_notes, &g->note_room, sizeof *g->notes));
    g->notes[g->n_notes++] = *note;
    return NL_OK;
}

const nl_tensor *nl_graph_tensor(const struct nl_graph *g, nl_value v)
{
    return &g->values[v].tensor;
}

int nl_graph_find(const struct nl_graph *g, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0) return i;
    return NL_NONE;
}

struct nl_op_desc nl_graph_desc(const struct nl_graph *g, const struct nl_node *node)
{
    struct nl_op_desc desc = {.op = node->op, .attr = node->attr};
    for (int i = 0; i < NL_MAX_IN; i++)
        if (node->in[i] != NL_NONE) desc.in[i] = g->values[node->in[i]].tensor;
    for (int i = 0; i < NL_MAX_OUT; i++)
        if (node->out[i] != NL_NONE) desc.out[i] = g->values[node->out[i]].tensor;
    return desc;
}

int64_t nl_graph_multiply_adds(const struct nl_graph *g)
{
    int64_t sum = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct nl_op_desc desc = nl_graph_desc(g, &g->nodes[i]);
        sum += nl_op_multiply_adds(&desc);
    }
    return sum;
}
