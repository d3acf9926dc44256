#include "src/app/command.h"
#include "src/app/session.h"
#include "src/core/log.h"
#include "src/weights/convert.h"

#include <string.h>

/* A combined Paddle file has no names: the configured network gives them. */
static nl_status name_tensors(struct nl_run *run, struct nl_state *state)
{
    const struct nl_config *config = &run->settings.config;
    const int crop = config->train.sampling.crop_size;
    const struct nl_geometry at = {1, config->infer.sampling.video_length, crop, crop};
    struct nl_model model;
    if (!state->nameless) return NL_OK;
    NL_TRY(nl_settings_resolve(&run->settings));
    NL_TRY(nl_model_init(&model, config, &at));
    const nl_status st = nl_state_adopt_names(state, &model.params);
    nl_model_clear(&model);
    return st;
}

/* `origin` is who wrote the file that was read; the state's own is now that of the result. */
static void say(const struct nl_run *run, const struct nl_state *state, const char *origin,
                const struct nl_convert_report *report)
{
    nl_note("%s: %d tensors from %s (%s)%s%s", run->args.to, state->count, state->path, origin,
            report->pred_w[0] ? "; pred_w " : "", report->pred_w);
    if (state->solver) nl_note("left out: %d tensors of optimizer state", state->solver);
    for (int i = 0; i < report->unknown.count; i++)
        nl_note("kept as it is: %s", report->unknown.list[i]);
    for (int i = 0; i < state->ignored.count; i++) nl_note("ignored: %s", state->ignored.list[i]);
}

nl_status nl_cmd_convert(struct nl_run *run)
{
    struct nl_state state;
    struct nl_convert_report report = {.ours = false};
    NL_REQUIRE(run->args.from && run->args.to, NL_EUSAGE, "want --from=FILE and --to=FILE");
    NL_TRY(nl_state_load(run->args.from, NULL, &state));
    const char *origin = nl_origin_name(state.origin);
    nl_status st = name_tensors(run, &state);
    if (st == NL_OK) st = nl_convert(&state, run->settings.config.train.dropout_rate, &report);
    if (st == NL_OK) st = nl_state_save(&state, run->args.to);
    if (st == NL_OK) say(run, &state, origin, &report);
    nl_convert_report_clear(&report);
    nl_state_clear(&state);
    return st;
}
