#include "src/weights/apply.h"

#include "src/core/memory.h"
#include "src/weights/describe.h"
#include "src/weights/fit.h"
#include "src/weights/state_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What becomes of one parameter; entry NULL: nothing. */
struct match {
    const struct nl_entry *entry;
    bool finite; /* all of the entry's numbers are */
    struct nl_fit fit;
};

/* The last failure, with the network that the file holds. */
static nl_status with_network(const struct nl_state *state)
{
    struct nl_network network;
    char text[512];
    nl_network_describe(state, &network);
    if (network.arc == 0) return NL_ESHAPE;
    return nl_fail(NL_ESHAPE, "%s; the file holds %s", nl_error(),
                   nl_network_text(&network, text, sizeof text));
}

/* A classifier of another number of classes, which pretraining leaves out. */
static bool is_other_head(const struct nl_entry *entry, const struct nl_param *param)
{
    int64_t classes = param->tensor.dim[0], count = (int64_t)nl_entry_count(entry);
    if (strncmp(param->name, "pred_", 5) != 0) return false;
    return count != nl_tensor_count(&param->tensor) && classes > 0;
}

/* Pretraining: what fits otherwise than as it is. True where that settles it. */
static bool match_otherwise(const struct nl_param *param, struct match *match,
                            struct nl_load_report *report)
{
    if (is_other_head(match->entry, param)) {
        match->entry = NULL;
        report->new_head = true;
        return true;
    }
    if (!nl_fit_spread(match->entry, param, &match->fit)) return false;
    report->spread++;
    report->loaded++;
    return true;
}

static nl_status match_one(const struct nl_state *state, const struct nl_param *param,
                           const struct nl_apply_options *options, struct match *match,
                           struct nl_load_report *report)
{
    if (!match->entry) {
        report->missing++;
        return nl_names_add(&report->missing_names, param->name);
    }
    if (!match->finite) NL_TRY(nl_fit_finite(state, match->entry));
    if (options->pretrain && match_otherwise(param, match, report)) return NL_OK;
    NL_TRY(nl_fit_param(state, match->entry, param, options->dropout_rate, &match->fit));
    report->loaded++;
    if (match->fit.factor != 1) report->rescaled++;
    if (param->role == NL_ROLE_FC)
        nl_pred_text(match->fit.pred, match->entry, match->fit.factor, report->pred_w,
                     sizeof report->pred_w);
    if (!match->fit.reshaped) return NL_OK;
    report->reshaped++;
    return nl_names_add(&report->reshaped_names, param->name);
}

static nl_status count_unused(const struct nl_state *state, const struct nl_params *params,
                              struct nl_load_report *report)
{
    report->solver = state->solver;
    for (int i = 0; i < state->count; i++) {
        const char *name = state->list[i].name;
        if (nl_params_find(params, name) >= 0) continue;
        if (nl_state_is_solver(name)) {
            report->solver++;
            continue;
        }
        report->unused++;
        NL_TRY(nl_names_add(&report->unused_names, name));
    }
    return NL_OK;
}

static nl_status check_missing(const struct nl_state *state, const struct nl_params *params,
                               const struct nl_load_report *report)
{
    char names[400];
    nl_names_text(&report->missing_names, names, sizeof names);
    nl_fail(NL_ESHAPE,
            "%s: %d of the network's %d parameters are missing: %s; --allow_missing goes on",
            state->path, report->missing, params->count, names);
    return with_network(state);
}

/* Room for the largest parameter, as doubles. */
static nl_status make_scratch(const struct nl_params *params, void **scratch)
{
    size_t most = 0;
    for (int i = 0; i < params->count; i++) {
        const size_t count = (size_t)nl_tensor_count(&params->list[i].tensor);
        if (count > most) most = count;
    }
    return nl_calloc(most, sizeof(double), scratch);
}

static nl_status set_f32(struct nl_params *params, int index, const struct match *match,
                         float *scratch)
{
    const struct nl_entry *entry = match->entry;
    const size_t count = (size_t)nl_tensor_count(&params->list[index].tensor);
    if (entry->type == NL_F32 && !match->fit.transposed && match->fit.factor == 1) {
        if ((uintptr_t)entry->data % sizeof(float) == 0)
            return nl_params_set(params, index, entry->data);
        memcpy(scratch, entry->data, entry->bytes);
    } else {
        for (size_t i = 0; i < count; i++) scratch[i] = (float)nl_fit_value(entry, &match->fit, i);
    }
    return nl_params_set(params, index, scratch);
}

static nl_status set_f64(struct nl_params *params, int index, const struct match *match,
                         double *scratch)
{
    const size_t count = (size_t)nl_tensor_count(&params->list[index].tensor);
    for (size_t i = 0; i < count; i++) scratch[i] = nl_fit_value(match->entry, &match->fit, i);
    return nl_params_set_f64(params, index, scratch);
}

static nl_status set_all(struct nl_params *params, const struct match *matches)
{
    void *scratch = NULL;
    nl_status st = make_scratch(params, &scratch);
    for (int i = 0; st == NL_OK && i < params->count; i++) {
        if (!matches[i].entry) continue;
        const bool wide = params->list[i].tensor.type == NL_F64;
        st = wide ? set_f64(params, i, &matches[i], scratch)
                  : set_f32(params, i, &matches[i], scratch);
        params->list[i].loaded = st == NL_OK;
    }
    nl_free(scratch);
    return st;
}

struct search {
    const struct nl_state *state;
    const struct nl_params *params;
    struct match *matches;
};

/* Its message is the lane's own: what is not finite is looked at once more, in the order of the
 * parameters. */
static void find_entry(void *user, int64_t i, int lane)
{
    const struct search *search = user;
    struct match *match = &search->matches[i];
    (void)lane;
    match->entry = nl_state_find(search->state, search->params->list[i].name);
    match->finite = match->entry && nl_fit_finite(search->state, match->entry) == NL_OK;
}

static nl_status match_all(const struct nl_state *state, const struct nl_params *params,
                           const struct nl_apply_options *options, struct match *matches,
                           struct nl_load_report *report)
{
    struct search search = {state, params, matches};
    nl_backend_spread(params->be, params->count, find_entry, &search);
    for (int i = 0; i < params->count; i++) {
        const nl_status st = match_one(state, &params->list[i], options, &matches[i], report);
        if (st == NL_ESHAPE) return with_network(state);
        NL_TRY(st);
    }
    NL_TRY(count_unused(state, params, report));
    if (report->missing && !options->allow_missing && !options->pretrain)
        return check_missing(state, params, report);
    if (report->loaded == 0 && params->count) {
        nl_fail(NL_ESHAPE, "%s: none of its %d tensors belongs to the network", state->path,
                state->count);
        return with_network(state);
    }
    return NL_OK;
}

nl_status nl_weights_apply(const struct nl_state *state, struct nl_params *params,
                           const struct nl_apply_options *options, struct nl_load_report *report)
{
    struct match *matches = NULL;
    *report = (struct nl_load_report){.loaded = 0};
    NL_REQUIRE(!state->nameless, NL_EINVAL, "%s has no names; the network gives them first",
               state->path);
    NL_TRY(nl_calloc((size_t)params->count, sizeof *matches, &matches));
    nl_status st = match_all(state, params, options, matches, report);
    if (st == NL_OK) st = set_all(params, matches);
    nl_free(matches);
    return st;
}

static size_t add(char *out, size_t size, size_t used, const char *fmt, ...) NL_PRINTF(4, 5);
static size_t add(char *out, size_t size, size_t used, const char *fmt, ...)
{
    va_list ap;
    if (used >= size) return used;
    va_start(ap, fmt);
    const int more = vsnprintf(out + used, size - used, fmt, ap);
    va_end(ap);
    return used + (more > 0 ? (size_t)more : 0);
}

char *nl_load_report_text(const struct nl_load_report *report, char *out, size_t size)
{
    char names[400];
    size_t used = add(out, size, 0, "%d loaded, %d reshaped, %d rescaled, %d missing",
                      report->loaded, report->reshaped, report->rescaled, report->missing);
    nl_names_text(&report->missing_names, names, sizeof names);
    if (report->missing) used = add(out, size, used, " (%s)", names);
    used = add(out, size, used, ", %d unused", report->unused);
    nl_names_text(&report->unused_names, names, sizeof names);
    if (report->unused) used = add(out, size, used, " (%s)", names);
    if (report->solver)
        used = add(out, size, used, ", %d of optimizer state skipped", report->solver);
    if (report->spread)
        used = add(out, size, used, ", %d 2-D kernels spread over frames", report->spread);
    if (report->new_head) add(out, size, used, "; a new classifier, for the classes differ");
    return out;
}

void nl_load_report_clear(struct nl_load_report *report)
{
    nl_names_clear(&report->missing_names);
    nl_names_clear(&report->unused_names);
    nl_names_clear(&report->reshaped_names);
}
