/* apply.h - tensors of a file become the parameters of a network.
 *
 * Matching goes by the original program's names. A tensor fits if its extents equal the parameter's
 * in the field's layout once extents of 1 are left out (a 4-D kernel of one frame is a 5-D one).
 * pred_w goes by origin (original_program.md 2.6):
 *   Paddle   (features, classes), or (classes, features, 1, 1, 1); times 1 - dropout_rate, because
 *            Paddle's dropout scales features by that at test time and ours does not;
 *   Caffe2, PyTorch, ours   (classes, features), as it is;
 *   other safetensors       by shape: (classes, features) as it is, (features, classes) and five
 *            axes as Paddle's. Where classes = features it is taken as it is.
 */
#ifndef NL_APPLY_H
#define NL_APPLY_H

#include "src/weights/state.h"

struct nl_apply_options {
    double dropout_rate; /* TRAIN.dropout_rate, of the network that wrote a Paddle file */
    bool allow_missing;  /* parameters that the file lacks keep their values */
    bool pretrain;       /* so do those of blocks and a classifier of other classes; 2-D kernels are
                      spread over frames */
};

struct nl_load_report {
    int loaded;    /* parameters set */
    int reshaped;  /* of these: extents of 1 added or dropped, or transposed */
    int rescaled;  /* of these: multiplied by 1 - dropout_rate */
    int missing;   /* parameters that the file lacks */
    int unused;    /* tensors that the network lacks */
    int solver;    /* optimizer state, skipped */
    int spread;    /* of the loaded: 2-D kernels that became 3-D ones */
    bool new_head; /* the file's classifier has other classes and was left out */
    struct nl_names missing_names, unused_names, reshaped_names;
    char pred_w[160]; /* how pred_w was read; "" if it was not */
};

/* Sets every parameter of `params` (which has its memory) that `state` holds and marks it loaded.
 * Nothing is set unless all fit. NL_ESHAPE: a shape, or parameters missing and not allowed to be
 * (how many, the first few, what network the file holds, the flag that goes on); NL_EIO: NaN or
 * Inf, naming the tensor; NL_EINVAL: nameless. `*report` is for nl_load_report_clear in every
 * case. */
nl_status nl_weights_apply(const struct nl_state *state, struct nl_params *params,
                           const struct nl_apply_options *options,
                           struct nl_load_report *report) NL_MUST_CHECK;

/* "327 loaded, 0 reshaped, 1 rescaled, 0 missing, 2 unused (a, b)". Returns out. */
char *nl_load_report_text(const struct nl_load_report *report, char *out, size_t size);
void nl_load_report_clear(struct nl_load_report *report);

#endif
