/* What depends on several options. */
#include "src/core/log.h"
#include "src/core/option_value.h"

#include <string.h>

nl_status nl_settings_agree(const struct nl_settings *settings, const struct nl_settings *theirs,
                            const char *key, const char *name)
{
    struct nl_text ours = {.data = NULL}, other = {.data = NULL};
    if (nl_settings_origin(settings, key) != NL_BY_FLAG) return NL_OK;
    nl_settings_write(settings, key, &ours);
    nl_settings_write(theirs, key, &other);
    nl_status st = nl_text_check(&ours);
    if (st == NL_OK) st = nl_text_check(&other);
    if (st == NL_OK && strcmp(ours.data, other.data) != 0)
        st = nl_fail(NL_EUSAGE, "%s: %s is %s, but this checkpoint was made with %s", name, key,
                     ours.data, other.data);
    nl_text_clear(&ours);
    nl_text_clear(&other);
    return st;
}

/* The original's spellings of pool, scale and f. */
static nl_status resolve_spellings(struct nl_settings *settings)
{
    struct nl_config *config = &settings->config;
    struct nl_block_options *options = &config->nonlocal.options;
    NL_REQUIRE(config->nonlocal.use_softmax, NL_EUSAGE,
               "NONLOCAL.use_softmax: False is not built; use pairwise: dot_product "
               "(--pairwise=dot)");
    if (nl_settings_origin(settings, "NONLOCAL.pool") <
        nl_settings_origin(settings, "NONLOCAL.use_maxpool"))
        options->pool = config->nonlocal.use_maxpool ? NL_POOL_BEFORE : NL_POOL_NONE;
    if (nl_settings_origin(settings, "NONLOCAL.scale") <
        nl_settings_origin(settings, "NONLOCAL.use_scale"))
        options->scale = config->nonlocal.use_scale ? NL_SCALE_INNER : NL_SCALE_NONE;
    return NL_OK;
}

/* The original decays what has no rule of its own, as affine scales and offsets have not. */
static void resolve_decay(struct nl_settings *settings)
{
    if (nl_settings_origin(settings, "TRAIN.weight_decay_affine") <
        nl_settings_origin(settings, "TRAIN.weight_decay"))
        settings->config.train.weight_decay_affine = settings->config.train.weight_decay;
}

static nl_status check_scales(const char *section, const struct nl_sampling *sampling)
{
    const int *scales = sampling->jitter_scales;
    NL_REQUIRE(scales[0] <= scales[1], NL_EUSAGE,
               "%s.jitter_scales: want the smaller one first, got [%d, %d]", section, scales[0],
               scales[1]);
    return NL_OK;
}

/* Groups of frames cut up the extent over space and time; the others have none. */
static nl_status check_groups(const struct nl_block_options *options, const int *of_stage)
{
    bool grouped = options->group_size > 0;
    for (int i = 0; of_stage && i < NL_STAGES; i++) grouped |= of_stage[i] > 0;
    NL_REQUIRE(!grouped || options->extent == NL_EXTENT_SPACETIME, NL_EUSAGE,
               "NONLOCAL.group_size: groups of frames need extent: spacetime, or group_size: 0");
    return NL_OK;
}

static nl_status check_blocks(const struct nl_config *config)
{
    if (!config->nonlocal.blocks_given)
        return check_groups(&config->nonlocal.options, config->nonlocal.group_of_stage);
    for (int i = 0; i < config->nonlocal.n_blocks; i++)
        NL_TRY(check_groups(&config->nonlocal.blocks[i].options, NULL));
    return NL_OK;
}

/* True the first time that a user's own file or flag set row `index`. */
static bool may_warn(struct nl_settings *settings, int index)
{
    const nl_setter setter = (nl_setter)settings->origin[index];
    if (settings->warned[index] || setter == NL_BY_DEFAULT || setter == NL_BY_CHECKPOINT)
        return false;
    settings->warned[index] = true;
    return true;
}

/* The original's settings without effect, where they say something else than its default. */
static nl_status warn_unused(struct nl_settings *settings, int index)
{
    const struct nl_option *option = &nl_options[index];
    struct nl_text now = {.data = NULL};
    char quoted[NL_NAME_MAX + 2];
    nl_option_write(settings, index, &now);
    const nl_status st = nl_text_check(&now);
    snprintf(quoted, sizeof quoted, "'%s'", option->preset);
    const bool same =
        st == NL_OK && (strcmp(now.data, option->preset) == 0 || strcmp(now.data, quoted) == 0);
    if (st == NL_OK && !same && may_warn(settings, index))
        nl_warn("%s.%s has no effect, in the original neither", option->section, option->key);
    nl_text_clear(&now);
    return st;
}

static void warn_depth(struct nl_settings *settings)
{
    const int arc = settings->config.model.video_arc_choice, depth = arc >= 3 ? 101 : 50;
    if (settings->config.model.depth == depth) return;
    if (may_warn(settings, nl_option_find("MODEL", "depth")))
        nl_warn("MODEL.depth %d is not that of video_arc_choice %d; the arc decides (%d)",
                settings->config.model.depth, arc, depth);
}

nl_status nl_settings_resolve(struct nl_settings *settings)
{
    const struct nl_config *config = &settings->config;
    NL_TRY(resolve_spellings(settings));
    resolve_decay(settings);
    NL_TRY(check_scales("TRAIN", &config->train.sampling));
    NL_TRY(check_scales("VALID", &config->valid.sampling));
    NL_TRY(check_scales("TEST", &config->test.sampling));
    NL_TRY(check_scales("INFER", &config->infer.sampling));
    nl_blocks_resolve(settings);
    NL_TRY(check_blocks(config));
    for (int i = 0; i < nl_n_options; i++)
        if (nl_options[i].flags & NL_OPT_UNUSED) NL_TRY(warn_unused(settings, i));
    warn_depth(settings);
    return NL_OK;
}
