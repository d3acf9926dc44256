#include "src/weights/convert.h"

#include "src/core/memory.h"
#include "src/weights/fit.h"
#include "src/weights/names.h"
#include "src/weights/safetensors.h"
#include "src/weights/state_build.h"

#include <stdio.h>
#include <string.h>

static nl_status list_unknown(const struct nl_state *state, struct nl_convert_report *report)
{
    struct nl_part part;
    for (int i = 0; i < state->count; i++)
        if (!nl_part_parse(state->list[i].name, &part))
            NL_TRY(nl_names_add(&report->unknown, state->list[i].name));
    return NL_OK;
}

/* pred_w as (classes, features) floats, in memory of its own. */
static nl_status rewrite(struct nl_entry *pred_w, const struct nl_fit *fit)
{
    const size_t count = nl_entry_count(pred_w);
    float *values = NULL;
    NL_TRY(nl_calloc(count, sizeof *values, &values));
    for (size_t i = 0; i < count; i++) values[i] = (float)nl_fit_value(pred_w, fit, i);
    nl_free(pred_w->owned);
    const int64_t dim[2] = {pred_w->dim[fit->transposed], pred_w->dim[!fit->transposed]};
    memcpy(pred_w->dim, dim, sizeof dim);
    pred_w->rank = 2;
    pred_w->type = NL_F32;
    pred_w->bytes = count * sizeof *values;
    pred_w->data = pred_w->owned = values;
    return NL_OK;
}

static nl_status convert_pred(struct nl_state *state, struct nl_entry *pred_w, double dropout_rate,
                              struct nl_convert_report *report)
{
    const struct nl_entry *bias = nl_state_find(state, "pred_b");
    const int64_t classes = bias && bias->rank == 1 ? bias->dim[0] : 0;
    struct nl_fit fit = {.factor = 1, .pred = nl_pred_read(state->origin, pred_w, classes)};
    fit.transposed = fit.pred == NL_PRED_PADDLE_MATRIX;
    if (fit.transposed || fit.pred == NL_PRED_PADDLE_AXES) fit.factor = 1 - dropout_rate;
    nl_pred_text(fit.pred, pred_w, fit.factor, report->pred_w, sizeof report->pred_w);
    report->ours = fit.pred != NL_PRED_UNTOLD;
    if (!report->ours) return NL_OK;
    NL_TRY(nl_fit_finite(state, pred_w));
    if (fit.pred == NL_PRED_PLAIN && pred_w->rank == 2) return NL_OK;
    return rewrite(pred_w, &fit);
}

nl_status nl_convert(struct nl_state *state, double dropout_rate, struct nl_convert_report *report)
{
    *report = (struct nl_convert_report){.ours = true};
    NL_REQUIRE(!state->nameless, NL_EINVAL,
               "%s: a combined Paddle file has no names; the network that wrote it gives them",
               state->path);
    struct nl_entry *pred_w = NULL;
    for (int i = 0; i < state->count; i++)
        if (strcmp(state->list[i].name, "pred_w") == 0) pred_w = &state->list[i];
    if (pred_w) NL_TRY(convert_pred(state, pred_w, dropout_rate, report));
    NL_TRY(list_unknown(state, report));
    if (!report->ours || state->origin == NL_ORIGIN_OURS) return NL_OK;
    NL_TRY(nl_state_set_meta(state, "converted_from", nl_origin_name(state->origin)));
    NL_TRY(nl_state_set_meta(state, "format", "nonlocal"));
    state->origin = NL_ORIGIN_OURS;
    return NL_OK;
}

void nl_convert_report_clear(struct nl_convert_report *report)
{
    nl_names_clear(&report->unknown);
}

nl_status nl_state_save(const struct nl_state *state, const char *path)
{
    return nl_safetensors_write(path, state->list, state->count, state->meta, state->n_meta, NULL,
                                NULL);
}
