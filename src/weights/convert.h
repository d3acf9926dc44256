/* convert.h - weights of any origin in our convention: the original's names, pred_w (classes,
 * features) as it is. Needs no network; tensors that it does not know stay as they are.
 */
#ifndef NL_CONVERT_H
#define NL_CONVERT_H

#include "src/weights/state.h"

struct nl_convert_report {
    bool ours;               /* the result follows our convention and says format=nonlocal */
    char pred_w[160];        /* what became of pred_w; "" if there is none */
    struct nl_names unknown; /* tensors kept whose names are none of the original's */
};

/* Changes `state` in place: pred_w is transposed and multiplied by 1 - dropout_rate as
 * nl_weights_apply would do, and the metadata then says format=nonlocal and converted_from. Where
 * that cannot be told (other safetensors without pred_b) pred_w stays and so does the metadata, so
 * that loading the result reads it as the file itself. NL_EIO: NaN or Inf in pred_w; NL_EINVAL:
 * nameless. `*report` is for nl_convert_report_clear in every case. */
nl_status nl_convert(struct nl_state *state, double dropout_rate,
                     struct nl_convert_report *report) NL_MUST_CHECK;
void nl_convert_report_clear(struct nl_convert_report *report);

/* Writes all tensors and metadata as safetensors. */
nl_status nl_state_save(const struct nl_state *state, const char *path) NL_MUST_CHECK;

#endif
