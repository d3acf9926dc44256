#include "src/graph/rewrite.h"

#include "src/core/memory.h"
#include "src/graph/carry.h"
#include "src/graph/fuse_gradient.h"
#include "src/graph/recompute.h"

#include <stdio.h>
#include <string.h>

struct pass {
    struct nl_graph *g;
    const nl_value *keep;
    int n_keep;
    int *uses;      /* per value (views count for their base), kept ones once more; by use() */
    bool *constant; /* per value */
    bool *dead;     /* per node */
    int *order;     /* node numbers in their new order */
    int n_order;
};

static nl_value base_of(const struct nl_graph *g, nl_value v)
{
    return g->values[v].base;
}

void nl_find_constants(const struct nl_graph *g, bool *constant)
{
    for (int v = 0; v < g->n_values; v++) constant[v] = g->values[v].kind == NL_VALUE_PARAM;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct nl_node *node = &g->nodes[i];
        bool all = true;
        for (int k = 0; k < NL_MAX_IN; k++)
            if (node->in[k] != NL_NONE && !constant[base_of(g, node->in[k])]) all = false;
        for (int k = 0; k < NL_MAX_OUT; k++)
            if (node->out[k] != NL_NONE) constant[node->out[k]] = all;
    }
    for (int v = 0; v < g->n_values; v++) constant[v] = constant[base_of(g, v)];
}

static void count_uses(struct pass *p)
{
    memset(p->uses, 0, (size_t)p->g->n_values * sizeof *p->uses);
    for (int i = 0; i < p->g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++)
            if (!p->dead[i] && p->g->nodes[i].in[k] != NL_NONE)
                p->uses[base_of(p->g, p->g->nodes[i].in[k])]++;
    for (int i = 0; i < p->n_keep; i++) p->uses[base_of(p->g, p->keep[i])]++;
}

/* The live node that makes `v` for one user only and shows it whole; NULL if there is none. */
static struct nl_node *sole_maker(const struct pass *p, nl_value v)
{
    const struct nl_value_info *info = v == NL_NONE ? NULL : &p->g->values[v];
    if (!info || info->kind != NL_VALUE_NODE || p->uses[v] != 1) return NULL;
    return p->dead[info->node] ? NULL : &p->g->nodes[info->node];
}

/* `maker` now stands where `last` stood, under its name, and makes its output. */
static void take_over(struct pass *p, struct nl_node *maker, struct nl_node *last)
{
    const int from = (int)(maker - p->g->nodes), to = (int)(last - p->g->nodes);
    struct nl_node merged = *maker;
    merged.name = last->name;
    memcpy(merged.out, last->out, sizeof merged.out);
    *last = merged;
    p->dead[from] = true;
    p->g->values[last->out[0]].node = to;
}

/* Places w * a and bias * a + b in the node list where the BN fold stood, as a node of its own. */
static nl_status fold_weights(struct pass *p, const struct nl_node *conv,
                              const struct nl_node *affine, nl_value folded[2])
{
    const nl_value in[4] = {conv->in[1], conv->in[2], affine->in[1], affine->in[2]};
    char name[160];
    snprintf(name, sizeof name, "%s_weights_fold", conv->name);
    NL_TRY(nl_graph_append(p->g, NL_OP_CONV_FOLD, name, NULL, in, 4, folded));
    p->constant[folded[0]] = p->constant[folded[1]] = true;
    return NL_OK;
}

static bool foldable(const struct pass *p, const struct nl_node *conv, const struct nl_node *affine)
{
    return conv && conv->op == NL_OP_CONV && !conv->attr.conv.relu && conv->in[3] == NL_NONE &&
           p->constant[conv->in[1]] && (conv->in[2] == NL_NONE || p->constant[conv->in[2]]) &&
           affine->in[2] != NL_NONE && p->constant[affine->in[1]] && p->constant[affine->in[2]];
}

/* BN folding. New fold nodes are appended at the end; sort() brings them forward. */
static nl_status fold_affine(struct pass *p, int i)
{
    struct nl_node *affine = &p->g->nodes[i], *conv = sole_maker(p, affine->in[0]);
    nl_value folded[2];
    if (affine->op != NL_OP_AFFINE || affine->backward || !foldable(p, conv, affine)) return NL_OK;
    const int number = (int)(conv - p->g->nodes);
    NL_TRY(fold_weights(p, conv, affine, folded));
    affine = &p->g->nodes[i]; /* the list may have moved */
    conv = &p->g->nodes[number];
    conv->in[1] = folded[0];
    conv->in[2] = folded[1];
    conv->in[3] = affine->in[3];
    conv->attr.conv.relu = affine->attr.pointwise.relu;
    take_over(p, conv, affine);
    return NL_OK;
}

static bool takes_residual(const struct nl_node *node)
{
    if (!node || node->in[3] != NL_NONE) return false;
    return (node->op == NL_OP_CONV && !node->attr.conv.relu) || node->op == NL_OP_CONV_DX ||
           (node->op == NL_OP_AFFINE && !node->attr.pointwise.relu);
}

static void fuse_add(struct pass *p, int i)
{
    struct nl_node *add = &p->g->nodes[i];
    if (add->op != NL_OP_ADD || add->in[0] == add->in[1]) return;
    for (int n = 0; n < 2; n++) {
        const int k = add->backward ? 1 - n : n; /* of gradients the later, made just before */
        struct nl_node *maker = sole_maker(p, add->in[k]);
        if (!takes_residual(maker) || maker->backward != add->backward) continue;
        const bool relu = add->attr.pointwise.relu;
        maker->in[3] = add->in[1 - k];
        if (maker->op == NL_OP_CONV)
            maker->attr.conv.relu = relu;
        else if (maker->op == NL_OP_AFFINE)
            maker->attr.pointwise.relu = relu;
        take_over(p, maker, add);
        return;
    }
}

static void fuse_relu(struct pass *p, int i)
{
    struct nl_node *relu = &p->g->nodes[i];
    struct nl_node *maker = relu->op == NL_OP_RELU ? sole_maker(p, relu->in[0]) : NULL;
    if (!maker) return;
    if (maker->op == NL_OP_CONV)
        maker->attr.conv.relu = true;
    else if (maker->op == NL_OP_AFFINE || maker->op == NL_OP_ADD)
        maker->attr.pointwise.relu = true;
    else
        return;
    take_over(p, maker, relu);
}

/* Marks what no kept value needs. Makers stand before users except for appended fold nodes,
 * which only other constants feed, so walking from values is simplest. */
static void mark_needed(const struct pass *p, nl_value v, bool *needed);

static void mark_node(const struct pass *p, int node, bool *needed)
{
    if (node == NL_NONE || needed[node]) return;
    needed[node] = true;
    for (int k = 0; k < NL_MAX_IN; k++)
        if (p->g->nodes[node].in[k] != NL_NONE) mark_needed(p, p->g->nodes[node].in[k], needed);
}

static void mark_needed(const struct pass *p, nl_value v, bool *needed)
{
    mark_node(p, p->g->values[base_of(p->g, v)].node, needed);
}

/* Appends `node` after everything that it reads. */
static void place(struct pass *p, int node, bool *placed)
{
    if (placed[node]) return;
    placed[node] = true;
    for (int k = 0; k < NL_MAX_IN; k++) {
        const nl_value v = p->g->nodes[node].in[k];
        const int maker = v == NL_NONE ? NL_NONE : p->g->values[base_of(p->g, v)].node;
        if (maker != NL_NONE) place(p, maker, placed);
    }
    p->order[p->n_order++] = node;
}

static nl_status reorder(struct pass *p)
{
    struct nl_graph *g = p->g;
    struct nl_node *nodes = NULL;
    NL_TRY(nl_calloc((size_t)p->n_order, sizeof *nodes, &nodes));
    for (int i = 0; i < p->n_order; i++) {
        nodes[i] = g->nodes[p->order[i]];
        g->nodes[p->order[i]].name = NULL;
        for (int k = 0; k < NL_MAX_OUT; k++)
            if (nodes[i].out[k] != NL_NONE &&
                g->values[base_of(g, nodes[i].out[k])].kind == NL_VALUE_NODE)
                g->values[base_of(g, nodes[i].out[k])].node = i;
    }
    for (int i = 0; i < g->n_nodes; i++) nl_free(g->nodes[i].name);
    nl_free(g->nodes);
    g->nodes = nodes;
    g->n_nodes = g->node_room = p->n_order;
    return NL_OK;
}

/* Notes of dropped blocks go; the others learn their node's new number. */
static void renumber_notes(struct pass *p)
{
    int kept = 0;
    for (int i = 0; i < p->g->n_notes; i++) {
        struct nl_block_note note = p->g->notes[i];
        for (int k = 0; k < p->n_order; k++) {
            if (p->order[k] != note.node) continue;
            note.node = k;
            p->g->notes[kept++] = note;
            break;
        }
    }
    p->g->n_notes = kept;
}

static nl_status sort(struct pass *p)
{
    const size_t nodes = (size_t)p->g->n_nodes;
    bool *needed = NULL, *placed = NULL;
    nl_status st = nl_calloc(nodes, sizeof *needed, &needed);
    if (st == NL_OK) st = nl_calloc(nodes, sizeof *placed, &placed);
    if (st == NL_OK) st = nl_calloc(nodes, sizeof *p->order, &p->order);
    if (st != NL_OK) goto out;
    for (int i = 0; i < p->n_keep; i++) mark_needed(p, p->keep[i], needed);
    for (int i = 0; i < p->g->n_nodes; i++)
        if (nl_graph_adds(p->g, &p->g->nodes[i])) mark_node(p, i, needed);
    for (int i = 0; i < p->g->n_nodes; i++)
        if (needed[i] && !p->dead[i]) place(p, i, placed);
    st = reorder(p);
    if (st == NL_OK) renumber_notes(p);
out:
    nl_free(needed);
    nl_free(placed);
    return st;
}

/* Room for the values and nodes that folding and carrying append: at most a node each. */
static nl_status open_pass(struct pass *p)
{
    const size_t values = (size_t)p->g->n_values + NL_CARRY_VALUES * (size_t)p->g->n_nodes;
    NL_TRY(nl_calloc(values, sizeof *p->uses, &p->uses));
    NL_TRY(nl_calloc(values, sizeof *p->constant, &p->constant));
    NL_TRY(nl_calloc(2 * (size_t)p->g->n_nodes + 1, sizeof *p->dead, &p->dead));
    nl_find_constants(p->g, p->constant);
    count_uses(p);
    return NL_OK;
}

static void close_pass(struct pass *p)
{
    nl_free(p->uses);
    nl_free(p->constant);
    nl_free(p->dead);
    nl_free(p->order);
}

/* The batch's moments are taken while a convolution's sums are in registers. */
static void fuse_sums(struct pass *p, int i, nl_rewrite_can_fn *can, void *user)
{
    struct nl_node *sums = &p->g->nodes[i];
    const nl_value x = sums->in[0];
    if (sums->op != NL_OP_BN_SUMS || p->dead[i] || p->g->values[x].kind != NL_VALUE_NODE) return;
    const int number = p->g->values[x].node;
    struct nl_node *conv = &p->g->nodes[number];
    if (p->dead[number] || conv->op != NL_OP_CONV || conv->in[3] != NL_NONE ||
        conv->attr.conv.relu || conv->attr.conv.sums)
        return;
    struct nl_op_desc desc = nl_graph_desc(p->g, conv);
    desc.attr.conv.sums = true;
    for (int k = 0; k < 2; k++) desc.out[1 + k] = p->g->values[sums->out[k]].tensor;
    if (!can(user, &desc)) return;
    conv->attr.conv.sums = true;
    for (int k = 0; k < 2; k++) {
        conv->out[1 + k] = sums->out[k];
        p->g->values[sums->out[k]].node = number;
    }
    p->dead[i] = true;
}

static nl_status fuse(struct nl_graph *g, const nl_value *keep, int n_keep, nl_rewrite_can_fn *can,
                      void *user)
{
    struct pass p = {.g = g, .keep = keep, .n_keep = n_keep};
    const int n = g->n_nodes;
    nl_status st = open_pass(&p);
    for (int i = 0; st == NL_OK && i < n; i++) st = fold_affine(&p, i);
    if (st == NL_OK) count_uses(&p);
    for (int i = 0; st == NL_OK && i < n; i++) fuse_add(&p, i);
    if (st == NL_OK) count_uses(&p);
    for (int i = 0; st == NL_OK && i < n; i++) fuse_relu(&p, i);
    if (st == NL_OK) count_uses(&p);
    for (int i = 0; st == NL_OK && !g->training.on && i < n; i++)
        st = nl_carry(g, i, p.dead, p.uses);
    for (int i = 0; st == NL_OK && can && i < n; i++) fuse_sums(&p, i, can, user);
    if (st == NL_OK) nl_fuse_gradient(g, p.dead, p.uses);
    if (st == NL_OK) st = sort(&p);
    close_pass(&p);
    return st;
}

/* Recomputation appends at the end, too; a second sort brings its nodes to where they are read. */
static nl_status order_anew(struct nl_graph *g, const nl_value *keep, int n_keep)
{
    struct pass p = {.g = g, .keep = keep, .n_keep = n_keep};
    nl_status st = open_pass(&p);
    if (st == NL_OK) st = sort(&p);
    close_pass(&p);
    return st;
}

nl_status nl_rewrite(struct nl_graph *g, const nl_value *keep, int n_keep, nl_rewrite_can_fn *can,
                     void *user)
{
    bool again = false;
    NL_TRY(fuse(g, keep, n_keep, can, user));
    NL_TRY(nl_recompute(g, &again));
    return again ? order_anew(g, keep, n_keep) : NL_OK;
}
