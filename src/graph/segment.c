#include "src/graph/segment.h"

/* A node's filters, in bytes, times FEWER must not be more than what it reads and writes; what a
 * segment saves from memory must be worth its trouble. */
enum { FEWER = 8, LEAST_NODES = 3, LEAST_INNER = 8 << 20 };

bool nl_segment_is_framed(const struct nl_graph *g, const bool *constant, nl_value v)
{
    return v != NL_NONE && !constant[v] && g->values[v].tensor.rank == 5;
}

/* Frames of an activation whose memory is its own and dense; 0 of any other value. */
static int64_t frames_of(const struct nl_graph *g, const bool *constant, nl_value v)
{
    const nl_tensor *t = &g->values[v].tensor;
    if (!nl_segment_is_framed(g, constant, v) || g->values[v].base != v) return 0;
    return nl_tensor_is_dense(t) ? t->dim[0] * t->dim[1] : 0;
}

static bool mixes_frames(const struct nl_graph *g, const struct nl_node *node)
{
    const union nl_attr *a = &node->attr;
    switch (node->op) {
    case NL_OP_CONV:
        return g->values[node->in[1]].tensor.dim[1] != 1 || a->conv.stride[0] != 1 ||
               a->conv.pad[0];
    case NL_OP_MAX_POOL:
    case NL_OP_AVG_POOL:
        return a->pool.kernel[0] != 1 || a->pool.stride[0] != 1;
    case NL_OP_AFFINE:
    case NL_OP_ADD:
    case NL_OP_RELU:
    case NL_OP_CAST:
        return false;
    default:
        return true;
    }
}

static size_t bytes_of(const struct nl_graph *g, nl_value v)
{
    const nl_tensor *t = &g->values[v].tensor;
    return (size_t)nl_tensor_count(t) * nl_type_size(t->type);
}

/* How many frames the node does one by one; 0: it does not, or should not. */
static int64_t frames_at(const struct nl_graph *g, const bool *constant, const struct nl_node *node)
{
    size_t filters = 0, activations = bytes_of(g, node->out[0]);
    const int64_t frames = frames_of(g, constant, node->out[0]);
    if (frames < 2 || mixes_frames(g, node)) return 0;
    for (int k = 0; k < NL_MAX_IN; k++) {
        if (node->in[k] == NL_NONE) continue;
        if (constant[node->in[k]]) {
            filters += bytes_of(g, node->in[k]);
            continue;
        }
        if (frames_of(g, constant, node->in[k]) != frames) return 0;
        activations += bytes_of(g, node->in[k]);
    }
    for (int k = 1; k < NL_MAX_OUT; k++)
        if (node->out[k] != NL_NONE) return 0;
    return filters * FEWER <= activations ? frames : 0;
}

/* Bytes that the nodes of a segment hand on, and how many nodes it has. */
static bool pays(const struct nl_graph *g, const bool *constant, const struct nl_segment *s)
{
    size_t inner = 0;
    int nodes = 0;
    for (int i = s->first; i < s->end; i++) {
        const nl_value out = g->nodes[i].out[0];
        if (constant[out]) continue;
        if (nodes++) inner += bytes_of(g, g->nodes[i].in[0]);
    }
    return nodes >= LEAST_NODES && inner >= LEAST_INNER;
}

int nl_segments_find(const struct nl_graph *g, const bool *constant, nl_segment_fits_fn *fits,
                     const void *user, struct nl_segment *segments)
{
    struct nl_segment open = {.frames = 0};
    int count = 0;
    for (int i = 0; i <= g->n_nodes; i++) {
        const bool past = i == g->n_nodes;
        if (!past && constant[g->nodes[i].out[0]]) continue;
        int64_t frames = past ? 0 : frames_at(g, constant, &g->nodes[i]);
        if (frames && fits && !fits(user, i, frames)) frames = 0;
        if (frames != open.frames) {
            if (open.frames && pays(g, constant, &open)) segments[count++] = open;
            open = (struct nl_segment){.first = i, .frames = frames};
        }
        open.end = i + 1;
    }
    return count;
}

int nl_segment_at(const struct nl_segment *segments, int count, int node)
{
    for (int s = 0; s < count; s++)
        if (segments[s].first <= node && node < segments[s].end) return s;
    return NL_NONE;
}

void nl_segments_mark_inner(const struct nl_graph *g, const struct nl_segment *segments, int count,
                            const bool *constant, bool *inner)
{
    for (int s = 0; s < count; s++)
        for (int i = segments[s].first; i < segments[s].end; i++)
            inner[g->nodes[i].out[0]] = !constant[g->nodes[i].out[0]];
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; k < NL_MAX_IN; k++) {
            if (g->nodes[i].in[k] == NL_NONE) continue;
            const nl_value v = g->values[g->nodes[i].in[k]].base;
            const int reader = nl_segment_at(segments, count, i);
            if (inner[v] && reader != nl_segment_at(segments, count, g->values[v].node))
                inner[v] = false;
        }
}

struct nl_op_desc nl_segment_desc(const struct nl_graph *g, const bool *constant, const bool *inner,
                                  const struct nl_node *node, int64_t frames)
{
    struct nl_op_desc desc = nl_graph_desc(g, node);
    for (int k = 0; k < NL_MAX_IN; k++)
        if (nl_segment_is_framed(g, constant, node->in[k]))
            desc.in[k].dim[0] = desc.in[k].dim[1] = 1;
    desc.out[0].dim[0] = desc.out[0].dim[1] = 1;
    desc.repeat = frames;
    desc.near = inner[node->out[0]];
    return desc;
}
