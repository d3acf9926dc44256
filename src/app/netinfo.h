/* netinfo.h - the network as a table: what runs where, and what it costs. */
#ifndef NL_NETINFO_H
#define NL_NETINFO_H

#include "models/model.h"
#include "src/graph/plan.h"

#include <stdio.h>

/* Counts of original_program.md 2.7 and peers.md D3. */
struct nl_counts {
    int64_t tensors, trainable, parameters; /* tensors and elements, running statistics included in
                                               `tensors` and `parameters` */
    int64_t multiply_adds;                  /* of one run of the graph */
    int64_t block_multiply_adds;            /* of its non-local blocks alone */
};

/* `g` is the graph as built (not rewritten). */
struct nl_counts nl_count(const struct nl_graph *g);

/* Every node of the plan: name, op, output, parameters, multiply-adds, memory, implementation. */
nl_status nl_print_nodes(const struct nl_plan *plan, FILE *out) NL_MUST_CHECK;

/* Every non-local block with variant, place, queries x keys, implementation. */
nl_status nl_print_blocks(const struct nl_plan *plan, FILE *out) NL_MUST_CHECK;

#endif
