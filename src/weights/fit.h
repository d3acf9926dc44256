/* fit.h - whether a file's tensor is a network's parameter, and how it is read. */
#ifndef NL_FIT_H
#define NL_FIT_H

#include "src/weights/state.h"

/* How a classifier is stored (apply.h states the rule). */
typedef enum {
    NL_PRED_UNTOLD,
    NL_PRED_PLAIN,         /* (classes, features), also with extents of 1 behind */
    NL_PRED_PADDLE_MATRIX, /* (features, classes), times 1 - dropout rate */
    NL_PRED_PADDLE_AXES    /* (classes, features, 1, 1, 1), times 1 - dropout rate */
} nl_pred_reading;

/* `classes`: 0 where it is not known; then a plain safetensors file cannot tell. */
nl_pred_reading nl_pred_read(nl_origin origin, const struct nl_entry *pred_w, int64_t classes);

/* The reading in words for reports, "read as Paddle's (features, classes): transposed, times 0.5".
 * Returns out. */
char *nl_pred_text(nl_pred_reading reading, const struct nl_entry *pred_w, double factor, char *out,
                   size_t size);

struct nl_fit {
    bool transposed; /* of two axes */
    bool reshaped;   /* extents differ, values do not move */
    double factor;   /* on all values */
    int64_t
        frames;   /* of a kernel that is spread over so many, its values divided by them; 0: not */
    int64_t taps; /* kh * kw of such a kernel */
    nl_pred_reading pred;
};

/* NL_ESHAPE, with both shapes and what to do, if the entry does not fit. */
nl_status nl_fit_param(const struct nl_state *state, const struct nl_entry *entry,
                       const struct nl_param *param, double dropout_rate,
                       struct nl_fit *fit) NL_MUST_CHECK;

/* Whether the entry is a kernel of one frame (2-D, or 3-D with kt = 1) for a parameter of more: then
 * *fit spreads it, as the original inflates ImageNet networks (Carreira and Zisserman 2017). */
bool nl_fit_spread(const struct nl_entry *entry, const struct nl_param *param, struct nl_fit *fit);

/* NL_EIO, naming tensor and place, if it holds NaN or Inf. */
nl_status nl_fit_finite(const struct nl_state *state, const struct nl_entry *entry) NL_MUST_CHECK;

/* Element `i` of the fitted tensor, in the parameter's layout. */
double nl_fit_value(const struct nl_entry *entry, const struct nl_fit *fit, size_t i);

#endif
