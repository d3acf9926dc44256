#include "src/app/signals.h"
#include "src/app/train.h"
#include "src/core/log.h"
#include "src/weights/safetensors.h"

static nl_status save(struct nl_train *train, const char *path)
{
    struct nl_text config = {.data = NULL};
    char key[] = "config";
    nl_settings_dump(&train->run->settings, &config);
    nl_status st = nl_text_check(&config);
    if (st == NL_OK) {
        const struct nl_meta meta = {key, config.data};
        st = nl_params_save(&train->session.model.params, path, &meta, 1, false);
    }
    nl_text_clear(&config);
    return st;
}

nl_status nl_cmd_bn_recompute(struct nl_run *run)
{
    enum { BATCHES = 200 };
    const int64_t batches = run->args.batches ? run->args.batches : BATCHES;
    struct nl_train train = {.run = run, .config = &run->settings.config};
    NL_REQUIRE(run->args.to, NL_EUSAGE, "want --to=FILE");
    nl_signals_watch();
    nl_status st = nl_session_open(&train.session, run, NL_WEIGHTS_NEEDED);
    train.at.seed = run->args.has_seed ? (uint64_t)run->args.seed : 0;
    if (st == NL_OK) st = nl_train_lists(&train, false);
    if (st == NL_OK) st = nl_precise_bn(&train, batches);
    if (st == NL_OK) st = save(&train, run->args.to);
    if (st == NL_OK)
        nl_note("%s: running statistics over at most %lld batches of %d clips", run->args.to,
                (long long)batches,
                train.config->train.sampling.batch_size / train.config->train.num_gpus);
    nl_train_lists_clear(&train);
    nl_session_close(&train.session);
    return st;
}
