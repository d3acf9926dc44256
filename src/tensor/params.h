/* params.h - the named parameters of a network, in the memory of a backend.
 *
 * One list per model, shared by the plans of all its graphs. Each parameter has the original
 * program's name ("res2a_branch2a_weights") and our layout: filters [K,kt,kh,kw,C], vectors [C].
 * Files keep the field's layout ([K,C,kt,kh,kw]); nl_params_set and _get convert.
 */
#ifndef NL_PARAMS_H
#define NL_PARAMS_H

#include "src/tensor/backend.h"

typedef enum {
    NL_ROLE_FILTER,   /* convolution filters and w_f: decayed */
    NL_ROLE_BIAS,     /* convolution biases: decayed */
    NL_ROLE_FC,       /* classifier filters pred_w: decayed */
    NL_ROLE_BN,       /* BN scale and offset */
    NL_ROLE_AFFINE,   /* scale and offset without BN: decayed, as the original's are */
    NL_ROLE_STATISTIC /* running mean and variance: not trained */
} nl_param_role;

typedef enum { NL_INIT_CONSTANT, NL_INIT_NORMAL, NL_INIT_UNIFORM } nl_init_kind;

/* How a parameter starts: value (constant), value * N(0,1), or uniform in [-value, value]. */
struct nl_init {
    nl_init_kind kind;
    double value;
};

struct nl_param {
    char *name;
    nl_tensor tensor; /* our layout; data is set by nl_params_alloc */
    nl_param_role role;
    struct nl_init init;
    bool loaded; /* a file gave its value */
    double momentum; /* of statistics: share of the old in the new */
};

struct nl_params {
    struct nl_param *list;
    int count, room;
    void *block;           /* all values, one allocation in `be`'s memory */
    size_t bytes;          /* of the block */
    void *grads, *velocity; /* laid out as the block; NULL unless nl_params_train was called */
    struct nl_backend *be; /* borrowed; set by nl_params_alloc */
    uint64_t version;      /* grows with every change of values */
};

/* Appends, or finds the one of that name, which must agree in shape (NL_ESHAPE). */
nl_status nl_params_add(struct nl_params *params, const char *name, const nl_tensor *tensor,
                        nl_param_role role, struct nl_init init, int *index) NL_MUST_CHECK;
int nl_params_find(const struct nl_params *params, const char *name); /* -1: unknown */

/* Gives every parameter its memory (type F32 or F64) in `be`, once. Values are not initialised. */
nl_status nl_params_alloc(struct nl_params *params, struct nl_backend *be,
                          nl_type type) NL_MUST_CHECK;

/* Gives gradients and velocities their memory, zeroed. Batch statistics of a step are gathered where
 * the gradients of running statistics would be. */
nl_status nl_params_train(struct nl_params *params) NL_MUST_CHECK;

/* The gradient, or velocity, of a parameter as a tensor. */
nl_tensor nl_param_grad(const struct nl_params *params, int index);
nl_tensor nl_param_velocity(const struct nl_params *params, int index);

/* Draws all values by (seed, name), so that adding a block changes no other parameter.
 * `non_trivial`: ranges that let every part of the network show in its output instead of
 * param->init, whose zero gammas and filters hide blocks (for demos and benchmarks). */
nl_status nl_params_init(struct nl_params *params, uint64_t seed, bool non_trivial) NL_MUST_CHECK;

/* Extents in the field's layout: filters [K,C,kt,kh,kw], pred_w [K,C], vectors [C]. The rank. */
int nl_param_file_shape(const struct nl_param *param, int64_t dim[NL_MAX_RANK]);

/* Copies host floats in the field's layout (nl_param_file_shape) to or from parameter `index`,
 * whose memory may be out of the host's reach. The _f64 forms keep every bit of F64 parameters. */
nl_status nl_params_set(struct nl_params *params, int index, const float *values) NL_MUST_CHECK;
nl_status nl_params_get(const struct nl_params *params, int index, float *values) NL_MUST_CHECK;
nl_status nl_params_set_f64(struct nl_params *params, int index,
                            const double *values) NL_MUST_CHECK;
nl_status nl_params_get_f64(const struct nl_params *params, int index,
                            double *values) NL_MUST_CHECK;

/* The same of gradients and velocities (nl_params_train). */
nl_status nl_params_get_grad_f64(const struct nl_params *params, int index,
                                 double *values) NL_MUST_CHECK;
nl_status nl_params_set_velocity_f64(struct nl_params *params, int index,
                                     const double *values) NL_MUST_CHECK;
nl_status nl_params_get_velocity(const struct nl_params *params, int index,
                                 float *values) NL_MUST_CHECK;
nl_status nl_params_get_velocity_f64(const struct nl_params *params, int index,
                                     double *values) NL_MUST_CHECK;

void nl_params_clear(struct nl_params *params);

#endif
