#include "src/app/command.h"
#include "src/app/session.h"
#include "src/core/log.h"
#include "src/weights/safetensors.h"

nl_status nl_cmd_init(struct nl_run *run)
{
    struct nl_session session;
    struct nl_text config = {.data = NULL};
    NL_REQUIRE(run->args.to, NL_EUSAGE, "want --to=FILE");
    nl_status st = nl_session_open(&session, run, NL_WEIGHTS_TRIVIAL);
    if (st == NL_OK) {
        nl_settings_dump(&run->settings, &config);
        st = nl_text_check(&config);
    }
    if (st == NL_OK) {
        struct nl_meta meta = {(char[]){"config"}, config.data};
        st = nl_params_save(&session.model.params, run->args.to, &meta, 1, false);
    }
    if (st == NL_OK)
        nl_note(
            "%s: %d tensors, seed %lld; seeded weights for demos and benchmarks, not trained ones",
            run->args.to, session.model.params.count, (long long)run->args.seed);
    nl_text_clear(&config);
    nl_session_close(&session);
    return st;
}
