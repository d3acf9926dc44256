#include "src/graph/gradient.h"

#include "src/core/memory.h"

#include <stdio.h>
#include <string.h>

static nl_value base_of(const struct nl_graph *g, nl_value v)
{
    return g->values[v].base;
}

bool nl_gradient_wanted(const struct nl_gradient *d, nl_value v)
{
    return v != NL_NONE && d->wanted[base_of(d->g, v)];
}

nl_value nl_gradient_of(const struct nl_gradient *d, nl_value v)
{
    return v == NL_NONE ? NL_NONE : d->of[base_of(d->g, v)];
}

nl_status nl_gradient_append(struct nl_gradient *d, nl_op op, const union nl_attr *attr,
                             const nl_value *in, int n_in, nl_value *out)
{
    char name[192];
    snprintf(name, sizeof name, "%.120s_%s%d", d->node, nl_op_name(op), d->n_names++);
    NL_TRY(nl_graph_append(d->g, op, name, attr, in, n_in, out));
    d->g->nodes[d->g->n_nodes - 1].backward = true;
    return NL_OK;
}

nl_status nl_gradient_memory(struct nl_gradient *d, nl_value v, nl_value *out)
{
    const nl_value base = base_of(d->g, v);
    const nl_tensor tensor = d->g->values[v].tensor;
    const int64_t offset = d->g->values[v].offset;
    nl_value whole;
    NL_REQUIRE(d->g->values[base].kind == NL_VALUE_PARAM, NL_ENOSUP,
               "%s: filters that are no parameters cannot be trained", d->node);
    NL_TRY(nl_graph_grad(d->g, d->g->values[base].param, &whole));
    return nl_graph_view(d->g, whole, &tensor, offset, out);
}

static nl_status add_to_param(struct nl_gradient *d, nl_value v, nl_value dv)
{
    const union nl_attr attr = {.accumulate = {.scale = 1}};
    char name[192];
    nl_value memory;
    NL_TRY(nl_gradient_memory(d, v, &memory));
    snprintf(name, sizeof name, "%.120s_accumulate%d", d->node, d->n_names++);
    NL_TRY(nl_graph_append_into(d->g, NL_OP_ACCUMULATE, name, &attr, &dv, 1, &memory, 1));
    d->g->nodes[d->g->n_nodes - 1].backward = true;
    return NL_OK;
}

static bool same_strides(const nl_tensor *a, const nl_tensor *b)
{
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] > 1 && a->stride[i] != b->stride[i]) return false;
    return true;
}

/* dv has the shape of view `v`; its memory must lie as that of the value which v is a view of. */
static nl_status as_base(struct nl_gradient *d, nl_value v, nl_value dv, nl_value *out)
{
    struct nl_graph *g = d->g;
    const struct nl_value_info *view = &g->values[v], *base = &g->values[view->base];
    struct nl_value_info *made = &g->values[dv];
    const int64_t count = nl_tensor_count(&view->tensor);
    const bool whole = view->offset == 0 && count == nl_tensor_count(&base->tensor) &&
                       count == nl_tensor_span(&view->tensor);
    const nl_tensor tensor = base->tensor;
    NL_REQUIRE(whole, NL_ENOSUP, "%s: no gradient through a view of part of an activation",
               d->node);
    if (!same_strides(&made->tensor, &view->tensor)) {
        NL_REQUIRE(made->kind == NL_VALUE_NODE, NL_ENOSUP,
                   "%s: no gradient through this order of axes", d->node);
        memcpy(made->tensor.stride, view->tensor.stride, sizeof made->tensor.stride);
    }
    return nl_graph_view(g, dv, &tensor, 0, out);
}

nl_status nl_gradient_add(struct nl_gradient *d, nl_value v, nl_value dv)
{
    const nl_value base = base_of(d->g, v);
    if (!nl_gradient_wanted(d, v)) return NL_OK;
    if (d->g->values[base].kind == NL_VALUE_PARAM) return add_to_param(d, v, dv);
    if (v != base) NL_TRY(as_base(d, v, dv, &dv));
    if (d->of[base] == NL_NONE) {
        d->of[base] = dv;
        return NL_OK;
    }
    const nl_value terms[2] = {d->of[base], dv};
    return nl_gradient_append(d, NL_OP_ADD, NULL, terms, 2, &d->of[base]);
}

/* What is asked for, and everything made from it. */
static void find_wanted(struct nl_gradient *d, const nl_value *wrt, int n_wrt)
{
    const struct nl_graph *g = d->g;
    for (int v = 0; v < g->n_values; v++) {
        const struct nl_value_info *info = &g->values[v];
        if (info->kind != NL_VALUE_PARAM) continue;
        const struct nl_param *param = &g->params->list[info->param];
        d->wanted[v] = param->role != NL_ROLE_STATISTIC && nl_graph_trains(g, param->name);
    }
    for (int i = 0; i < n_wrt; i++) d->wanted[base_of(g, wrt[i])] = true;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++) {
            if (!nl_gradient_wanted(d, g->nodes[i].in[k])) continue;
            for (int o = 0; o < NL_MAX_OUT; o++)
                if (g->nodes[i].out[o] != NL_NONE) d->wanted[base_of(g, g->nodes[i].out[o])] = true;
        }
}

static bool has_gradient(const struct nl_gradient *d, const struct nl_node *node)
{
    bool any = false, asked = false;
    for (int o = 0; o < NL_MAX_OUT; o++)
        if (node->out[o] != NL_NONE && node->out[o] < d->n_values &&
            nl_gradient_of(d, node->out[o]) != NL_NONE)
            any = true;
    for (int k = 0; k < NL_MAX_IN; k++) asked = asked || nl_gradient_wanted(d, node->in[k]);
    return any && asked;
}

static nl_status walk_back(struct nl_gradient *d, int n_nodes)
{
    char name[128];
    for (int i = n_nodes - 1; i >= 0; i--) {
        if (nl_graph_adds(d->g, &d->g->nodes[i]) || !has_gradient(d, &d->g->nodes[i])) continue;
        snprintf(name, sizeof name, "%s", d->g->nodes[i].name);
        d->node = name;
        NL_TRY(nl_gradient_rule(d, i));
    }
    return NL_OK;
}

nl_status nl_graph_differentiate(struct nl_graph *g, nl_value y, nl_value dy, const nl_value *wrt,
                                 nl_value *dwrt, int n_wrt)
{
    struct nl_gradient d = {.g = g, .n_values = g->n_values};
    const size_t count = (size_t)g->n_values;
    nl_status st = nl_calloc(count, sizeof *d.of, &d.of);
    if (st == NL_OK) st = nl_calloc(count, sizeof *d.wanted, &d.wanted);
    if (st == NL_OK) {
        for (size_t v = 0; v < count; v++) d.of[v] = NL_NONE;
        find_wanted(&d, wrt, n_wrt);
        d.node = "loss";
        st = nl_gradient_add(&d, y, dy);
    }
    if (st == NL_OK) st = walk_back(&d, g->n_nodes);
    for (int i = 0; st == NL_OK && i < n_wrt; i++) dwrt[i] = nl_gradient_of(&d, wrt[i]);
    nl_free(d.of);
    nl_free(d.wanted);
    return st;
}
