#include "src/app/bench.h"
#include "src/app/peak.h"
#include "src/app/table.h"
#include "src/core/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHAPE = 320, SERVED_BY = 64 };

/* Nodes of one op, shape and implementation. */
struct row {
    nl_op op;
    nl_type type;
    const char *node; /* the first of them */
    char shape[SHAPE], by[SERVED_BY];
    int times;
    double ms, flops, bytes; /* of all of them; ms are lowest times */
};

struct ops {
    struct row *rows;
    int count;
    struct row sum;
    struct nl_peak peak;
};

/* Shapes of inputs that are no vectors, and of the first output: "[x] [w] > [y]". */
static void describe(const struct nl_op_desc *desc, char *out)
{
    size_t used = 0;
    char text[128];
    out[0] = '\0';
    for (int i = 0; i < NL_MAX_IN; i++) {
        if (desc->in[i].rank == 0 || (i > 0 && desc->in[i].rank == 1)) continue;
        nl_tensor_text(&desc->in[i], text, sizeof text);
        if (used + strlen(text) + 1 >= SHAPE / 2) break; /* so that outputs have room */
        used += (size_t)snprintf(out + used, SHAPE - used, "%s ", text);
    }
    nl_tensor_text(&desc->out[0], text, sizeof text);
    snprintf(out + used, SHAPE - used, "> %s", text);
}

/* Gradients of filters are added to what is there, which is then read too. */
static int passes_over(const struct nl_op_desc *desc)
{
    const bool adds = desc->op == NL_OP_CONV_DW && !desc->attr.conv.set;
    const bool updates = desc->op == NL_OP_ACCUMULATE || desc->op == NL_OP_AVERAGE;
    return adds || updates ? 2 : 1;
}

/* What has to be moved at least: inputs, weights among them, and outputs, once each. */
static double bytes_of(const struct nl_op_desc *desc)
{
    double bytes = 0;
    for (int i = 0; i < NL_MAX_IN + NL_MAX_OUT; i++) {
        const nl_tensor *t = i < NL_MAX_IN ? &desc->in[i] : &desc->out[i - NL_MAX_IN];
        if (t->rank == 0) continue;
        const double all = (double)nl_tensor_count(t) * (double)nl_type_size(t->type);
        bytes += i < NL_MAX_IN ? all : all * passes_over(desc);
    }
    return bytes;
}

static struct row row_of(const struct nl_plan *plan, int node, double ms)
{
    const struct nl_graph *g = nl_plan_graph(plan);
    const struct nl_kernel *kernel = nl_plan_kernel(plan, node);
    const struct nl_op_desc desc = nl_graph_desc(g, &g->nodes[node]);
    struct row row = {.op = desc.op,
                      .type = desc.in[0].type,
                      .node = g->nodes[node].name,
                      .times = 1,
                      .ms = ms,
                      .flops = 2 * (double)nl_op_multiply_adds(&desc),
                      .bytes = bytes_of(&desc)};
    describe(&desc, row.shape);
    snprintf(row.by, sizeof row.by, "%s/%s", kernel->owner->name, kernel->impl->name);
    return row;
}

static void add(struct row *to, const struct row *row)
{
    to->times += row->times;
    to->ms += row->ms;
    to->flops += row->flops;
    to->bytes += row->bytes;
}

static void collect(struct ops *ops, const struct row *row)
{
    add(&ops->sum, row);
    for (int i = 0; i < ops->count; i++) {
        struct row *known = &ops->rows[i];
        if (known->op != row->op || strcmp(known->shape, row->shape) != 0 ||
            strcmp(known->by, row->by) != 0 || known->type != row->type)
            continue;
        add(known, row);
        return;
    }
    ops->rows[ops->count++] = *row;
}

static int by_cost(const void *a, const void *b)
{
    const double one = ((const struct row *)a)->ms, two = ((const struct row *)b)->ms;
    return (one < two) - (one > two);
}

/* The lowest time of each node, of `repeat` runs timed node by node. */
static nl_status time_nodes(struct nl_plan *plan, int repeat, double *now, double *lowest)
{
    const int nodes = nl_plan_graph(plan)->n_nodes;
    for (int i = 0; i < repeat; i++) {
        NL_TRY(nl_plan_run(plan, now));
        for (int k = 0; k < nodes; k++)
            if (i == 0 || now[k] < lowest[k]) lowest[k] = now[k];
    }
    return NL_OK;
}

static nl_status gather(const struct nl_run *run, const struct nl_bench_subject *subject,
                        struct ops *ops)
{
    const size_t nodes = (size_t)nl_plan_graph(subject->plan)->n_nodes;
    const int repeat = run->args.repeat ? (int)run->args.repeat : 5;
    double *times = NULL;
    NL_TRY(nl_calloc(nodes, sizeof *ops->rows, &ops->rows));
    NL_TRY(nl_calloc(2 * nodes, sizeof *times, &times));
    const nl_status st = time_nodes(subject->plan, repeat, times, times + nodes);
    for (size_t i = 0; st == NL_OK && i < nodes; i++) {
        if (nl_plan_is_constant(subject->plan, (int)i)) continue;
        const struct row row = row_of(subject->plan, (int)i, times[nodes + i]);
        collect(ops, &row);
    }
    qsort(ops->rows, (size_t)ops->count, sizeof *ops->rows, by_cost);
    nl_free(times);
    return st;
}

/* Rates of a row; 0 where they say nothing. */
struct rates {
    double gflops, of_peak, gbs, of_memory;
};

static struct rates rates_of(const struct ops *ops, const struct row *row)
{
    struct rates r = {.gflops = 0};
    const double peak = nl_peak_of_type(&ops->peak, row->type);
    if (row->ms <= 0) return r;
    r.gflops = row->flops / row->ms * 1e-6;
    r.gbs = row->bytes / row->ms * 1e-6;
    if (peak > 0) r.of_peak = r.gflops / peak;
    if (nl_peak_memory(&ops->peak) > 0) r.of_memory = r.gbs / nl_peak_memory(&ops->peak);
    return r;
}

static nl_status add_row(struct nl_table *table, const struct ops *ops, const struct row *row)
{
    const struct rates r = rates_of(ops, row);
    const bool sum = row == &ops->sum;
    char flops[32] = "", share[32] = "", each[32] = "";
    if (!sum) snprintf(each, sizeof each, "%.3f", row->ms / row->times);
    if (r.gflops > 0) snprintf(flops, sizeof flops, "%.0f", r.gflops);
    if (r.gflops > 0 && r.of_peak > 0) snprintf(share, sizeof share, "%.0f %%", 100 * r.of_peak);
    return nl_table_add(table, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%.3f\t%s\t%s\t%.1f\t%.0f %%",
                        row->times, sum ? "all" : nl_op_name(row->op),
                        sum ? "" : nl_type_name(row->type), row->shape, sum ? "" : row->node,
                        row->by, each, row->ms, flops, share, r.gbs, 100 * r.of_memory);
}

static nl_status print_table(const struct ops *ops)
{
    struct nl_table table = {.columns = 12, .align = "rlllllrrrrrr"};
    const struct nl_peak *p = &ops->peak;
    printf("at most, with %d thread(s): F32 %.0f GFLOP/s (%s), BF16 %.0f, memory %.1f GB/s (read "
           "%.1f, write %.1f, copy %.1f)\n",
           p->threads, p->f32, p->instructions, p->bf16, nl_peak_memory(p), p->read, p->write,
           p->copy);
    nl_status st =
        nl_table_add(&table, "times\top\ttype\tshape\tfirst node\tserved by\tms\tms in all\t"
                             "GFLOP/s\tof peak\tGB/s\tof memory");
    for (int i = 0; st == NL_OK && i < ops->count; i++) st = add_row(&table, ops, &ops->rows[i]);
    if (st == NL_OK) st = add_row(&table, ops, &ops->sum);
    if (st == NL_OK) nl_table_print(&table, 0, stdout);
    nl_table_clear(&table);
    return st;
}

static nl_status print_json(const struct ops *ops)
{
    for (int i = 0; i < ops->count; i++) {
        const struct row *row = &ops->rows[i];
        const struct rates r = rates_of(ops, row);
        NL_TRY(nl_bench_json(
            json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:f, s:f, s:f, s:f, s:f, s:f}", "op",
                      nl_op_name(row->op), "type", nl_type_name(row->type), "shape", row->shape,
                      "node", row->node, "served_by", row->by, "times", row->times, "ms",
                      row->ms / row->times, "ms_in_all", row->ms, "gflops", r.gflops,
                      "share_of_peak", r.of_peak, "gbs", r.gbs, "share_of_memory", r.of_memory)));
    }
    return NL_OK;
}

nl_status nl_bench_ops(const struct nl_run *run, const struct nl_bench_subject *subject)
{
    struct ops ops = {.rows = NULL};
    nl_status st = gather(run, subject, &ops);
    if (st == NL_OK && ops.count) ops.sum.type = ops.rows[0].type; /* the costliest op's peak */
    if (st == NL_OK) st = nl_peak_measure(subject->be->threads, &ops.peak);
    if (st == NL_OK) st = run->args.bare_json ? print_json(&ops) : print_table(&ops);
    nl_free(ops.rows);
    return st;
}
