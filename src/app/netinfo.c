#include "src/app/netinfo.h"

#include "src/app/table.h"

#include <stdio.h>
#include <string.h>

/* Multiply-adds of node i, and whether it belongs to a non-local block. */
static int64_t cost_of(const struct nl_graph *g, int i)
{
    const struct nl_op_desc desc = nl_graph_desc(g, &g->nodes[i]);
    return nl_op_multiply_adds(&desc);
}

static bool in_block(const struct nl_graph *g, int i)
{
    for (int k = 0; k < g->n_notes; k++) {
        const size_t length = strlen(g->notes[k].name);
        if (strncmp(g->nodes[i].name, g->notes[k].name, length) == 0 &&
            g->nodes[i].name[length] == '_')
            return true;
    }
    return false;
}

struct nl_counts nl_count(const struct nl_graph *g)
{
    struct nl_counts counts = {.tensors = g->params->count};
    for (int i = 0; i < g->params->count; i++) {
        const struct nl_param *param = &g->params->list[i];
        const int64_t n = nl_tensor_count(&param->tensor);
        counts.parameters += n;
        if (param->role != NL_ROLE_STATISTIC) counts.trainable += n;
    }
    for (int i = 0; i < g->n_nodes; i++) {
        counts.multiply_adds += cost_of(g, i);
        if (in_block(g, i)) counts.block_multiply_adds += cost_of(g, i);
    }
    return counts;
}

/* Elements of the parameters that feed node i, through folds. */
static int64_t parameters_of(const struct nl_graph *g, const struct nl_node *node)
{
    int64_t sum = 0;
    for (int k = 0; k < NL_MAX_IN; k++) {
        if (node->in[k] == NL_NONE) continue;
        const struct nl_value_info *base = &g->values[g->values[node->in[k]].base];
        if (base->kind == NL_VALUE_PARAM) sum += nl_tensor_count(&g->values[node->in[k]].tensor);
        if (base->kind == NL_VALUE_NODE && (g->nodes[base->node].op == NL_OP_BN_FOLD ||
                                            g->nodes[base->node].op == NL_OP_CONV_FOLD))
            if (g->nodes[base->node].out[0] == node->in[k])
                sum += parameters_of(g, &g->nodes[base->node]);
    }
    return sum;
}

static nl_status node_row(struct nl_table *table, const struct nl_plan *plan, int i)
{
    const struct nl_graph *g = nl_plan_graph(plan);
    const struct nl_node *node = &g->nodes[i];
    const struct nl_kernel *kernel = nl_plan_kernel(plan, i);
    const nl_tensor *out = nl_graph_tensor(g, node->out[0]);
    char shape[160], work[32] = "", weights[32] = "";
    size_t bytes;
    NL_TRY(nl_tensor_bytes(out, &bytes));
    const int64_t parameters = parameters_of(g, node), macs = cost_of(g, i);
    if (parameters) snprintf(weights, sizeof weights, "%lld", (long long)parameters);
    if (macs) snprintf(work, sizeof work, "%.1f", (double)macs * 1e-6);
    return nl_table_add(table, "%s\t%s\t%s\t%s\t%s\t%.2f\t%s/%s\t%s", node->name,
                        nl_op_name(node->op), nl_tensor_text(out, shape, sizeof shape), weights,
                        work, (double)bytes / 1048576.0, kernel->owner->name, kernel->impl->name,
                        kernel->declined.text);
}

nl_status nl_print_nodes(const struct nl_plan *plan, FILE *out)
{
    struct nl_table table = {.columns = 8, .align = "lllrrrll"};
    nl_status st = nl_table_add(
        &table,
        "node\top\toutput\tparameters\tM multiply-adds\tMiB\tserved by\tfaster ones declined");
    for (int i = 0; st == NL_OK && i < nl_plan_graph(plan)->n_nodes; i++)
        if (!nl_plan_is_constant(plan, i)) st = node_row(&table, plan, i);
    if (st == NL_OK) nl_table_print(&table, 0, out);
    nl_table_clear(&table);
    return st;
}

nl_status nl_print_blocks(const struct nl_plan *plan, FILE *out)
{
    const struct nl_graph *g = nl_plan_graph(plan);
    struct nl_table table = {.columns = 7, .align = "lllrrrl"};
    nl_status st =
        nl_table_add(&table, "block\tvariant\tafter\tinner\tattentions\tqueries x keys\tserved by");
    for (int i = 0; st == NL_OK && i < g->n_notes; i++) {
        const struct nl_block_note *note = &g->notes[i];
        const struct nl_kernel *kernel = nl_plan_kernel(plan, note->node);
        st = nl_table_add(&table, "%s\t%s\tres%d block %d\t%lld of %lld\t%lld\t%lld x %lld\t%s/%s",
                          note->name, note->variant, note->stage, note->index,
                          (long long)note->inner, (long long)note->channels,
                          (long long)note->attentions, (long long)note->queries,
                          (long long)note->keys, kernel->owner->name, kernel->impl->name);
    }
    if (st == NL_OK) nl_table_print(&table, 0, out);
    nl_table_clear(&table);
    return st;
}
