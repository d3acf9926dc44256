#include "src/app/load.h"

#include "blocks/block.h"
#include "models/arc.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/core/option_value.h"
#include "src/weights/apply.h"
#include "src/weights/describe.h"

#include <stdio.h>
#include <string.h>

const char *nl_load_hint(void)
{
    return "no weights: pass --weights=FILE. The original's released file is NONLOCAL.pdparams, "
           "linked from the "
           "README of PaddleCV/video, release/1.8 of the PaddlePaddle models repository; `nonlocal "
           "init "
           "--to=FILE` makes seeded ones";
}

/* An alias of a pairwise as its name, so that two spellings compare as one. */
static nl_status spell_out(struct nl_settings *settings)
{
    const struct nl_block *block = NULL;
    const nl_setter setter = nl_settings_origin(settings, "NONLOCAL.pairwise");
    NL_TRY(nl_block_find(settings->config.nonlocal.options.pairwise, &block));
    return nl_settings_set_text(settings, "NONLOCAL.pairwise", block->name, setter);
}

/* Sets `key` from the file unless a flag did; a flag that says otherwise is an error. */
static nl_status adopt(struct nl_run *run, const char *key, const char *value, const char *fits)
{
    struct nl_text was = {.data = NULL};
    nl_settings_write(&run->settings, key, &was);
    nl_status st = nl_text_check(&was);
    const bool same = st == NL_OK && strcmp(was.data, value) == 0;
    if (st == NL_OK && !same && nl_settings_origin(&run->settings, key) == NL_BY_FLAG)
        st = nl_fail(NL_EUSAGE, "%s: %s is %s, but these are weights of %s", run->args.weights, key,
                     was.data, fits);
    if (st == NL_OK && !same) st = nl_settings_set(&run->settings, key, value, NL_BY_CHECKPOINT);
    nl_text_clear(&was);
    return st;
}

static nl_status adopt_number(struct nl_run *run, const char *key, int64_t value, const char *fits)
{
    char text[32];
    snprintf(text, sizeof text, "%lld", (long long)value);
    return value > 0 ? adopt(run, key, text, fits) : NL_OK;
}

static nl_status adopt_switch(struct nl_run *run, const char *key, bool value, const char *fits)
{
    return adopt(run, key, value ? "True" : "False", fits);
}

/* Whether the file's blocks stand where the configuration puts them. */
static nl_status same_places(struct nl_run *run, const struct nl_network *network, bool *same)
{
    struct nl_block_place places[NL_BLOCKS_MAX];
    const struct nl_arc *arc = nl_arc_find(run->settings.config.model.video_arc_choice);
    int count = 0;
    *same = false;
    nl_blocks_resolve(&run->settings);
    if (!arc || nl_arc_places(arc, &run->settings.config, places, &count) != NL_OK) return NL_OK;
    *same = count == network->n_blocks;
    for (int i = 0; *same && i < count; i++)
        *same = places[i].stage == network->blocks[i].stage &&
                places[i].index == network->blocks[i].index;
    return NL_OK;
}

static nl_status adopt_places(struct nl_run *run, const struct nl_network *network,
                              const char *fits)
{
    struct nl_text map = {.data = NULL};
    bool same;
    NL_TRY(same_places(run, network, &same));
    if (same) return NL_OK;
    nl_text_add(&map, "{");
    for (int stage = 2; stage <= 5; stage++) {
        const char *before = "";
        for (int i = 0; i < network->n_blocks; i++) {
            if (network->blocks[i].stage != stage) continue;
            if (!*before) nl_text_add(&map, "%s%d: {", map.length > 1 ? ", " : "", stage);
            nl_text_add(&map, "%s%d: {}", before, network->blocks[i].index);
            before = ", ";
        }
        if (*before) nl_text_add(&map, "}");
    }
    nl_text_add(&map, "}");
    nl_status st = nl_text_check(&map);
    if (st == NL_OK) st = adopt(run, "NONLOCAL.blocks", map.data, fits);
    nl_text_clear(&map);
    return st;
}

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0) return true;
    return false;
}

/* Only what tensors can tell: without theta it is Gaussian, with w_f concatenation; the other two
 * look alike, and a plug-in's variant knows itself. */
static nl_status adopt_pairwise(struct nl_run *run, const struct nl_network_block *block,
                                const char *fits)
{
    static const char *const gaussian[] = {"gaussian", NULL}, *const concat[] = {"concatenation",
                                                                                 "concat", NULL};
    static const char *const alike[] = {"embedded_gaussian", "embedded", "dot_product", "dot",
                                        NULL};
    const char *now = run->settings.config.nonlocal.options.pairwise;
    const bool known = is_one_of(now, gaussian) || is_one_of(now, concat) || is_one_of(now, alike);
    if (!known) return NL_OK;
    if (!block->theta)
        return is_one_of(now, gaussian) ? NL_OK
                                        : adopt(run, "NONLOCAL.pairwise", "'gaussian'", fits);
    if (block->w_f)
        return is_one_of(now, concat) ? NL_OK
                                      : adopt(run, "NONLOCAL.pairwise", "'concatenation'", fits);
    return is_one_of(now, alike) ? NL_OK
                                 : adopt(run, "NONLOCAL.pairwise", "'embedded_gaussian'", fits);
}

static nl_status adopt_block(struct nl_run *run, const struct nl_network *network, const char *fits)
{
    const struct nl_network_block *block = &network->blocks[0];
    if (network->n_blocks == 0) return NL_OK;
    NL_TRY(adopt_pairwise(run, block, fits));
    NL_TRY(adopt_switch(run, "NONLOCAL.no_bias", !block->bias, fits));
    NL_TRY(adopt_switch(run, "NONLOCAL.use_bn", block->bn, fits));
    NL_TRY(adopt_switch(run, "NONLOCAL.use_affine", block->affine, fits));
    if (block->inner > 0 && block->inner != block->channels / 2)
        return adopt_number(run, "NONLOCAL.inner", block->inner, fits);
    return NL_OK;
}

static nl_status adopt_foreign(struct nl_run *run, const struct nl_state *state)
{
    struct nl_network network;
    char fits[512];
    nl_network_describe(state, &network);
    if (state->nameless || network.arc == 0)
        return NL_OK; /* every name and shape is checked when applied */
    nl_network_text(&network, fits, sizeof fits);
    NL_TRY(adopt_number(run, "MODEL.video_arc_choice", network.arc, fits));
    NL_TRY(adopt_number(run, "MODEL.width", network.width, fits));
    NL_TRY(adopt_number(run, "MODEL.num_classes", network.classes, fits));
    NL_TRY(adopt_switch(run, "MODEL.use_affine", network.affine, fits));
    NL_TRY(adopt_places(run, &network, fits));
    NL_TRY(adopt_block(run, &network, fits));
    nl_note("weights: %s", fits);
    return NL_OK;
}

/* A checkpoint's own configuration, under the flags. What contradicts them could load without an
 * error, since variants share names and shapes, so it is one here. */
static nl_status adopt_ours(struct nl_run *run, const struct nl_state *state)
{
    static const char *const decisive[] = {"MODEL.video_arc_choice", "MODEL.num_classes",
                                           "NONLOCAL.pairwise"};
    const char *config = nl_state_meta(state, "config");
    struct nl_settings *theirs = NULL;
    if (!config) return adopt_foreign(run, state); /* converted: told from its tensors */
    NL_TRY(nl_settings_read(&run->settings, config, run->args.weights, NL_BY_CHECKPOINT));
    NL_TRY(nl_calloc(1, sizeof *theirs, &theirs));
    nl_status st = nl_settings_init(theirs);
    if (st == NL_OK) st = nl_settings_read(theirs, config, run->args.weights, NL_BY_CHECKPOINT);
    if (st == NL_OK) st = spell_out(&run->settings);
    if (st == NL_OK) st = spell_out(theirs);
    for (size_t i = 0; st == NL_OK && i < NL_COUNT(decisive); i++)
        st = nl_settings_agree(&run->settings, theirs, decisive[i], run->args.weights);
    nl_free(theirs);
    return st;
}

nl_status nl_load_open(struct nl_run *run, struct nl_state *state)
{
    NL_TRY(nl_state_load(run->args.weights, NULL, state));
    nl_status st =
        state->origin == NL_ORIGIN_OURS ? adopt_ours(run, state) : adopt_foreign(run, state);
    if (st == NL_OK) st = nl_settings_resolve(&run->settings);
    if (st != NL_OK) nl_state_clear(state);
    return st;
}

nl_status nl_load_apply(const struct nl_run *run, struct nl_state *state, struct nl_params *params)
{
    const struct nl_apply_options options = {.dropout_rate =
                                                 run->settings.config.train.dropout_rate,
                                             .allow_missing = run->args.allow_missing};
    struct nl_load_report report = {.loaded = 0};
    char text[1024];
    if (state->nameless) NL_TRY(nl_state_adopt_names(state, params));
    const nl_status st = nl_weights_apply(state, params, &options, &report);
    if (st == NL_OK)
        nl_note("weights: %s (%s): %s%s%s", state->path, nl_origin_name(state->origin),
                nl_load_report_text(&report, text, sizeof text),
                report.pred_w[0] ? "; pred_w " : "", report.pred_w);
    if (st == NL_OK && state->origin == NL_ORIGIN_OURS && report.unused)
        nl_warn("%s: flags made this another network: %d tensors of the checkpoint are not used",
                state->path, report.unused);
    nl_load_report_clear(&report);
    return st;
}
