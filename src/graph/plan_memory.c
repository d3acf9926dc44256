#include "src/core/memory.h"
#include "src/graph/plan_inside.h"

/* Where a plan's values lie: lifetimes, then offsets. */

static void extend(struct nl_plan *plan, nl_value v, int step)
{
    struct nl_span *span = &plan->spans[plan->g->values[v].base];
    if (span->bytes && span->last < step) span->last = step;
}

/* Where a value's memory begins to be used. Of a segment all frames are in work until its end, and
 * lanes have a frame's inner values, node by node. */
static nl_status begin(struct nl_plan *plan, nl_value v, bool made)
{
    const struct nl_value_info *info = &plan->g->values[v];
    nl_tensor tensor = info->tensor;
    int first = -1, last = -1;
    if (plan->inner[v]) tensor.dim[0] = tensor.dim[1] = 1;
    if (made) nl_plan_steps(plan, info->node, &first, &last);
    if (made && plan->inner[v]) first = last = info->node;
    NL_TRY(nl_tensor_bytes(&tensor, &plan->spans[v].bytes));
    plan->spans[v].first = first;
    plan->spans[v].last = last;
    return NL_OK;
}

static void use(struct nl_plan *plan, nl_value v, int node)
{
    int first, last;
    nl_plan_steps(plan, node, &first, &last);
    const nl_value base = plan->g->values[v].base;
    extend(plan, v, plan->inner[base] || plan->constant[base] ? node : last);
}

/* Filters that every user packs are read while constants are made and never again. */
static void find_passing(struct nl_plan *plan)
{
    const struct nl_graph *g = plan->g;
    for (int v = 0; v < g->n_values; v++)
        plan->passing[v] =
            !plan->transient && plan->constant[v] && g->values[v].kind == NL_VALUE_NODE;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE &&
                !(k == 1 && nl_plan_task(plan, i)->kernel.need.packed))
                plan->passing[g->values[g->nodes[i].in[k]].base] = false;
}

/* Whether a node of the rewritten list makes `v`, be it by a view. */
static bool is_made(const struct nl_graph *g, nl_value v)
{
    const int node = g->values[v].node;
    for (int k = 0; node < g->n_nodes && k < NL_MAX_OUT; k++)
        if (g->nodes[node].out[k] != NL_NONE && g->values[g->nodes[node].out[k]].base == v)
            return true;
    return false;
}

/* Inputs are written before constants are made, so they share memory with nothing; kept values
 * live to after the last step. */
static nl_status find_lifetimes(struct nl_plan *plan, const nl_value *outputs, int n_outputs)
{
    const struct nl_graph *g = plan->g;
    for (int v = 0; v < g->n_values; v++) {
        const struct nl_value_info *info = &g->values[v];
        const bool made = info->kind == NL_VALUE_NODE && is_made(g, v);
        if (made || info->kind == NL_VALUE_INPUT) NL_TRY(begin(plan, v, made));
    }
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (g->nodes[i].in[k] != NL_NONE) use(plan, g->nodes[i].in[k], i);
    for (int i = 0; i < n_outputs; i++) {
        extend(plan, outputs[i], g->n_nodes);
        plan->passing[g->values[outputs[i]].base] = false;
    }
    for (int v = 0; v < g->n_values; v++)
        if (g->values[v].kind == NL_VALUE_INPUT) plan->spans[v].last = g->n_nodes;
    return NL_OK;
}

/* The inputs that ops.h lets an output overwrite, a bit each. */
static unsigned overwritable(nl_op op)
{
    enum { FIRST = 1, SECOND = 2, FOURTH = 8 };
    static const unsigned inputs[NL_N_OPS] = {
        [NL_OP_CONV] = FOURTH,        [NL_OP_CONV_DX] = FOURTH,     [NL_OP_AFFINE] = FIRST + FOURTH,
        [NL_OP_ADD] = FIRST + SECOND, [NL_OP_MUL] = FIRST + SECOND, [NL_OP_RELU] = FIRST,
        [NL_OP_SOFTMAX] = FIRST,      [NL_OP_MAP] = FIRST,          [NL_OP_BN_DX] = FIRST,
        [NL_OP_RELU_DX] = FIRST,      [NL_OP_SOFTMAX_DX] = FIRST,
    };
    return inputs[op];
}

/* Whether node `i` may write its output over its input `k`, which nothing reads after it. */
static bool can_overwrite(const struct nl_plan *plan, int i, int k)
{
    const struct nl_node *node = &plan->g->nodes[i];
    const nl_value in = node->in[k], out = node->out[0];
    const struct nl_value_info *from = &plan->g->values[in], *to = &plan->g->values[out];
    if (from->kind != NL_VALUE_NODE || to->kind != NL_VALUE_NODE) return false;
    for (int n = 0; n < NL_MAX_IN; n++)
        if (n != k && node->in[n] != NL_NONE && plan->g->values[node->in[n]].base == in)
            return false;
    const struct nl_span *a = &plan->spans[in], *b = &plan->spans[out];
    return plan->inner[in] == plan->inner[out] && !plan->constant[in] && !plan->constant[out] &&
           a->bytes && a->bytes == b->bytes && a->last == b->first &&
           from->tensor.type == to->tensor.type && nl_tensor_is_dense(&from->tensor) &&
           nl_tensor_is_dense(&to->tensor);
}

/* An output that overwrites an input is the input's span, longer, and has none of its own. */
static void share(struct nl_plan *plan)
{
    for (int i = 0; i < plan->g->n_nodes; i++) {
        const struct nl_node *node = &plan->g->nodes[i];
        for (int k = 0; k < NL_MAX_IN; k++) {
            if (!(overwritable(node->op) >> k & 1) || node->in[k] == NL_NONE) continue;
            if (!can_overwrite(plan, i, k)) continue;
            nl_value root = node->in[k];
            while (plan->over[root] != NL_NONE) root = plan->over[root];
            plan->over[node->out[0]] = root;
            plan->spans[root].last = plan->spans[node->out[0]].last;
            break;
        }
    }
}

/* Constants that stay lie one behind the other in a block of their own, packed weights after
 * them. */
static bool stays(const struct nl_plan *plan, nl_value v)
{
    return plan->constant[v] && !plan->passing[v];
}

static void place_constants(struct nl_plan *plan)
{
    for (int v = 0; v < plan->g->n_values; v++) {
        if (!stays(plan, v) || !plan->spans[v].bytes) continue;
        plan->spans[v].offset = plan->constant_bytes;
        plan->constant_bytes += nl_align_up(plan->spans[v].bytes);
    }
    for (int i = 0; i < plan->g->n_nodes && !plan->transient; i++) {
        nl_plan_task(plan, i)->packed_at = plan->constant_bytes;
        plan->constant_bytes += nl_align_up(nl_plan_task(plan, i)->kernel.need.packed);
    }
}

/* Whether a value has activation memory of its own, a lane's or the plan's. */
static bool has_memory(const struct nl_plan *plan, nl_value v, bool inner)
{
    return !stays(plan, v) && plan->spans[v].bytes && plan->over[v] == NL_NONE &&
           plan->inner[v] == inner;
}

/* Offsets of the activations that lanes have, or of all others and of the lanes' memory. */
static nl_status place_activations(struct nl_plan *plan, bool inner, size_t *bytes, size_t *bound)
{
    struct nl_span *spans = NULL;
    int count = 0;
    NL_TRY(nl_calloc((size_t)(plan->g->n_values + plan->n_segments), sizeof *spans, &spans));
    for (int v = 0; v < plan->g->n_values; v++)
        if (has_memory(plan, v, inner)) spans[count++] = plan->spans[v];
    for (int s = 0; !inner && s < plan->n_segments; s++)
        spans[count++] = (struct nl_span){.bytes = nl_lanes_bytes(plan),
                                          .first = plan->segments[s].first,
                                          .last = plan->segments[s].end - 1};
    const nl_status st = nl_arena_place(spans, count, bytes, bound);
    count = 0;
    for (int v = 0; v < plan->g->n_values; v++)
        if (has_memory(plan, v, inner)) plan->spans[v] = spans[count++];
    for (int s = 0; !inner && s < plan->n_segments; s++) plan->lanes_at[s] = spans[count++].offset;
    nl_free(spans);
    return st;
}

nl_status nl_plan_place(struct nl_plan *plan, const nl_value *outputs, int n_outputs)
{
    size_t lane_bound;
    NL_TRY(nl_calloc((size_t)plan->g->n_values, sizeof *plan->over, &plan->over));
    for (int v = 0; v < plan->g->n_values; v++) plan->over[v] = NL_NONE;
    find_passing(plan);
    NL_TRY(find_lifetimes(plan, outputs, n_outputs));
    share(plan);
    place_constants(plan);
    NL_TRY(place_activations(plan, true, &plan->lane_bytes, &lane_bound));
    NL_TRY(place_activations(plan, false, &plan->arena_bytes, &plan->arena_bound));
    for (int v = 0; v < plan->g->n_values; v++)
        if (plan->over[v] != NL_NONE) plan->spans[v].offset = plan->spans[plan->over[v]].offset;
    return NL_OK;
}

nl_tensor nl_plan_tensor(const struct nl_plan *plan, nl_value v)
{
    const struct nl_value_info *info = &plan->g->values[v], *base = &plan->g->values[info->base];
    const size_t at = (size_t)info->offset * nl_type_size(info->tensor.type);
    nl_tensor t = info->tensor;
    if (base->kind == NL_VALUE_PARAM)
        t.data = (char *)plan->g->params->list[base->param].tensor.data + at;
    else if (base->kind == NL_VALUE_GRAD)
        t.data = (char *)nl_param_grad(plan->g->params, base->param).data + at;
    else
        t.data = (stays(plan, info->base) ? plan->constants : plan->arena) +
                 plan->spans[info->base].offset + at;
    return t;
}
