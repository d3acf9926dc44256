/* optimizer.h - momentum SGD over the parameters that a training graph has gradients of.
 *
 * v = momentum v + d, p -= rate (nesterov ? d + momentum v : v) with d = scale g + decay p, and
 * running statistics p = m p + (1 - m) g, where g gathered the batch statistics of the step. Both
 * leave the gradients at zero for the next step. (Nesterov 1983; Sutskever et al. 2013.)
 */
#ifndef NL_OPTIMIZER_H
#define NL_OPTIMIZER_H

#include "src/graph/graph.h"

struct nl_sgd {
    double rate, momentum;
    double decay;        /* L2 of filters, biases, classifier */
    double decay_bn;     /* of BN scales and offsets */
    double decay_affine; /* of scales and offsets without BN */
    double clip_norm;    /* 0: gradients are not clipped */
    bool nesterov;
};

struct nl_optimizer;

/* For the gradients that `g` has (nl_graph_differentiate). Borrows g->params, whose gradients exist
 * (nl_params_train), and `be`. */
nl_status nl_optimizer_new(const struct nl_graph *g, struct nl_backend *be, bool nesterov,
                           struct nl_optimizer **out) NL_MUST_CHECK;
void nl_optimizer_free(struct nl_optimizer *optimizer);

/* One step. *norm gets the gradients' norm before clipping; a step whose norm is not finite changes
 * nothing and returns NL_OK: the caller looks at *norm. */
nl_status nl_optimizer_step(struct nl_optimizer *optimizer, const struct nl_sgd *sgd,
                            double *norm) NL_MUST_CHECK;

/* Only running statistics: they become what was gathered (precise BN). */
nl_status nl_optimizer_set_statistics(struct nl_optimizer *optimizer) NL_MUST_CHECK;

#endif
