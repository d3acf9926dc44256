#include "src/app/load.h"
#include "src/app/progress.h"
#include "src/app/schedule.h"
#include "src/app/signals.h"
#include "src/app/table.h"
#include "src/app/train.h"
#include "src/core/log.h"
#include "src/core/memory.h"
#include "src/weights/apply.h"
#include "src/weights/safetensors.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

static int micro_of(const struct nl_config *config)
{
    return config->train.sampling.batch_size / config->train.num_gpus;
}

static bool is_from_checkpoint(const struct nl_run *run, const char *key)
{
    return nl_settings_origin(&run->settings, key) == NL_BY_CHECKPOINT;
}

/* --scale_lr: the configured rate and boundaries were meant for the file's or original's batch.
 * Those of a checkpoint were scaled before. */
static void scale_rate(struct nl_run *run)
{
    enum { PUBLISHED = 64 };
    struct nl_config *config = &run->settings.config;
    const struct nl_config before = *config;
    const int batch = config->train.sampling.batch_size;
    if (!run->args.scale_lr || batch == PUBLISHED) return;
    nl_schedule_scale(config, PUBLISHED, batch);
    if (is_from_checkpoint(run, "TRAIN.learning_rate"))
        config->train.learning_rate = before.train.learning_rate;
    if (is_from_checkpoint(run, "TRAIN.step_sizes"))
        memcpy(config->train.step_sizes, before.train.step_sizes, sizeof before.train.step_sizes);
    nl_note("scale_lr: batch %d for %d: learning rate %g for %g, first phase %" PRId64
            " steps for %" PRId64,
            batch, (int)PUBLISHED, config->train.learning_rate, before.train.learning_rate,
            config->train.step_sizes[0], before.train.step_sizes[0]);
}

static uint64_t seed_of(const struct nl_flags *args)
{
    enum { FIXED = 1000 };
    uint32_t drawn = 0;
    if (args->has_seed) return (uint64_t)args->seed;
    if (args->fix_random_seed) return FIXED;
    if (getrandom(&drawn, sizeof drawn, 0) != (ssize_t)sizeof drawn) drawn = (uint32_t)time(NULL);
    return drawn;
}

/* What --resume means: a file, or the newest checkpoint of a folder (NULL: there is none yet). */
static nl_status find_resume(const struct nl_run *run, char **path)
{
    struct stat about;
    *path = NULL;
    if (!run->args.resume) return NL_OK;
    if (stat(run->args.resume, &about) != 0 || !S_ISDIR(about.st_mode))
        return nl_copy_text(run->args.resume, path);
    return nl_checkpoint_newest(run->args.resume, path);
}

/* Where a run that goes on stands. Its seed stays, or it would not be the same run. */
static void tell_resumed(const struct nl_train *train, const char *path)
{
    const struct nl_flags *args = &train->run->args;
    if (strcmp(args->resume, path) != 0) nl_note("resume: %s is the newest checkpoint", path);
    if (train->at.step == 0) return; /* weights only */
    nl_note("resume: step %" PRId64 ", epoch %" PRId64 ", batch %" PRId64 " of it", train->at.step,
            train->at.epoch, train->at.batch);
    if ((args->has_seed || args->fix_random_seed) && seed_of(args) != train->at.seed)
        nl_warn("seed %" PRIu64 " has no effect; the run goes on with its own, %" PRIu64,
                seed_of(args), train->at.seed);
}

/* How the run begins, once nothing is left to refuse its flags. `path` as find_resume leaves it;
 * drawn: nobody gave the seed. */
static void tell_start(const struct nl_train *train, const char *path, bool drawn)
{
    const char *folder = train->run->args.resume;
    if (path) {
        tell_resumed(train, path);
        return;
    }
    if (folder) nl_note("resume: no checkpoint in %s yet; starting from the beginning", folder);
    if (drawn) nl_note("seed: %" PRIu64, train->at.seed);
}

/* Optimizer state and position; a file without them gives weights only. */
static nl_status take_state(struct nl_train *train, const struct nl_state *state)
{
    struct nl_params *params = &train->session.model.params;
    bool velocities = false, at = false;
    const uint64_t seed = train->at.seed;
    NL_TRY(nl_params_train(params));
    NL_TRY(nl_params_load_velocities(params, state, &velocities));
    if (velocities) NL_TRY(nl_checkpoint_at(state, &train->at, &at));
    if (at) return NL_OK;
    train->at = (struct nl_train_at){.seed = seed, .best = -1};
    nl_warn("%s has no optimizer state: weights only, from epoch 0", state->path);
    return NL_OK;
}

static nl_status resume(struct nl_train *train, const char *path)
{
    struct nl_state state;
    train->run->args.weights = path;
    NL_TRY(nl_session_open(&train->session, train->run, NL_WEIGHTS_NEEDED));
    NL_TRY(nl_state_load(path, NULL, &state));
    const nl_status st = take_state(train, &state);
    nl_state_clear(&state);
    return st;
}

static nl_status pretrain(struct nl_train *train, const char *path)
{
    const struct nl_apply_options options = {.dropout_rate = train->config->train.dropout_rate,
                                             .pretrain = true};
    struct nl_load_report report = {.loaded = 0};
    struct nl_state state;
    char text[1024];
    const struct nl_state_hints hints = {&train->session.model.params};
    NL_TRY(nl_state_load(path, &hints, &state));
    const nl_status st = nl_weights_apply(&state, &train->session.model.params, &options, &report);
    if (st == NL_OK)
        nl_note("pretrain: %s (%s): %s", state.path, nl_origin_name(state.origin),
                nl_load_report_text(&report, text, sizeof text));
    nl_load_report_clear(&report);
    nl_state_clear(&state);
    return st;
}

/* Opens the network, its values from the checkpoint `path`, or (NULL) --pretrain or the seed. */
static nl_status open_network(struct nl_train *train, const char *path)
{
    struct nl_run *run = train->run;
    train->at = (struct nl_train_at){.seed = seed_of(&run->args), .best = -1};
    nl_status st;
    if (path)
        st = resume(train, path);
    else {
        run->args.seed = (int64_t)train->at.seed;
        run->args.has_seed = true;
        st = nl_session_open(&train->session, run, NL_WEIGHTS_INITIAL);
        if (st == NL_OK && run->args.pretrain) st = pretrain(train, run->args.pretrain);
    }
    run->args.weights = NULL;
    return st;
}

static nl_status open_lists(struct nl_train *train)
{
    const int batch = train->config->train.sampling.batch_size;
    NL_TRY(nl_train_lists(train, false));
    if (train->run->args.valid_interval > 0) NL_TRY(nl_train_lists(train, true));
    train->steps_per_epoch = train->inputs[0].count / batch;
    NL_REQUIRE(train->steps_per_epoch > 0, NL_EUSAGE,
               "%s: %d videos are fewer than one batch (TRAIN.batch_size %d)",
               train->config->train.sampling.filelist, train->inputs[0].count, batch);
    NL_REQUIRE(train->at.batch <= train->steps_per_epoch, NL_EUSAGE,
               "%s: %" PRId64 " steps an epoch, but the checkpoint stands after %" PRId64
               "; resume with its list and TRAIN.batch_size",
               train->config->train.sampling.filelist, train->steps_per_epoch, train->at.batch);
    train->steps = train->steps_per_epoch * train->config->train.epoch;
    return NL_OK;
}

static bool is_pairwise_chosen(const struct nl_settings *settings)
{
    const int row = nl_option_find("NONLOCAL", "pairwise");
    const nl_setter setter = nl_settings_origin(settings, "NONLOCAL.pairwise");
    if (setter != NL_BY_FILE) return setter == NL_BY_FLAG;
    return strcmp(settings->config.nonlocal.options.pairwise, nl_options[row].preset) != 0;
}

/* Which non-local blocks there are, or a warning that a choice of them has no effect. */
static nl_status summarise(struct nl_train *train)
{
    const struct nl_graph *g = nl_plan_graph(train->trainer.plan);
    const struct nl_settings *settings = &train->run->settings;
    int64_t values = 0;
    for (int i = 0; i < train->session.model.params.count; i++)
        values += nl_tensor_count(&train->session.model.params.list[i].tensor);
    nl_note("network: video_arc_choice %d, %d classes, %" PRId64 " parameters, %d non-local blocks",
            train->config->model.video_arc_choice, train->config->model.num_classes, values,
            g->n_notes);
    for (int i = 0; i < g->n_notes; i++) {
        const struct nl_block_note *note = &g->notes[i];
        nl_note("  %s: %s after block %d of res%d, %" PRId64 " queries, %" PRId64 " keys, %" PRId64
                " channels",
                note->name, note->variant, note->index, note->stage, note->queries, note->keys,
                note->inner);
    }
    if (g->n_notes == 0 && is_pairwise_chosen(settings))
        nl_warn("NONLOCAL.pairwise is set, but the network has no non-local block");
    return NL_OK;
}

static nl_status open_from(struct nl_train *train, const char *path)
{
    struct nl_run *run = train->run;
    const bool drawn = !run->args.has_seed;
    train->save_dir = run->args.save_dir ? run->args.save_dir : "data/checkpoints";
    NL_TRY(open_network(train, path));
    scale_rate(run);
    NL_TRY(open_lists(train));
    const struct nl_sampling *s = &train->config->train.sampling;
    const struct nl_geometry g = {micro_of(train->config), s->video_length, s->crop_size,
                                  s->crop_size};
    NL_TRY(nl_train_memory(train, &g));
    tell_start(train, path, drawn);
    NL_TRY(nl_train_folder(train, path != NULL));
    NL_TRY(nl_trainer_open(&train->trainer, &train->session, &g, train->config->train.num_gpus,
                           train->at.seed));
    NL_TRY(summarise(train));
    return nl_train_log_open(train);
}

static nl_status open_all(struct nl_train *train)
{
    char *path = NULL;
    NL_TRY(find_resume(train->run, &path));
    const nl_status st = open_from(train, path);
    nl_free(path);
    return st;
}

/* One micro-batch after the other; *waited: seconds until they were there. */
static nl_status run_micros(struct nl_train *train, struct nl_loader *loader,
                            struct nl_tally *tally, double *waited)
{
    for (int i = 0; i < train->trainer.micro_batches; i++) {
        const double start = nl_seconds();
        struct nl_batch *batch = NULL;
        NL_TRY(nl_loader_next(loader, &batch));
        NL_REQUIRE(batch, NL_EIO, "the training data ended at step %" PRId64, train->at.step);
        *waited += nl_seconds() - start;
        const nl_status st = nl_trainer_micro(&train->trainer, train->at.step, i, batch->clips,
                                              batch->labels, tally);
        nl_loader_release(loader, batch);
        NL_TRY(st);
        if (!isfinite(tally->loss)) break; /* the plan still holds what made it so */
    }
    return NL_OK;
}

static nl_status not_finite(struct nl_train *train, const char *what)
{
    char node[160] = "";
    NL_TRY(nl_trainer_find_not_finite(&train->trainer, node, sizeof node));
    return nl_fail(NL_EIO,
                   "%s is not finite at step %" PRId64 " (epoch %" PRId64 ", batch %" PRId64
                   "); first in node %s; the last checkpoint is left as it was",
                   what, train->at.step, train->at.epoch, train->at.batch,
                   *node ? node : "(none: it came with the update)");
}

static nl_status one_step(struct nl_train *train, struct nl_loader *loader)
{
    const double start = nl_seconds();
    struct nl_step_report report = {.data_seconds = 0};
    report.rate = nl_learning_rate(train->config, train->at.step, train->steps);
    NL_TRY(run_micros(train, loader, &report.tally, &report.data_seconds));
    if (!isfinite(report.tally.loss)) return not_finite(train, "the loss");
    NL_TRY(nl_trainer_update(&train->trainer, report.rate, &report.norm));
    if (!isfinite(report.norm)) return not_finite(train, "the gradient");
    report.seconds = nl_seconds() - start;
    nl_tally_add(&train->at.tally, &report.tally);
    NL_TRY(nl_train_log_step(train, &report));
    train->at.step++;
    train->at.batch++;
    return NL_OK;
}

/* Ctrl-C, after the state was saved. */
static nl_status stopped(const struct nl_train *train)
{
    nl_note("stopped after step %" PRId64 "; saved. The same command with --resume=%s goes on",
            train->at.step, train->save_dir);
    return NL_EINTR;
}

/* Ctrl-C: the step at hand is done. */
static nl_status stop(struct nl_train *train)
{
    NL_TRY(nl_checkpoint_save(train, "NONLOCAL_last"));
    return stopped(train);
}

/* At the end of its steps an epoch is saved, so that what fails after them costs no step. */

static nl_status steps_of_epoch(struct nl_train *train, struct nl_loader *loader)
{
    const int64_t every = train->run->args.save_steps;
    while (train->at.batch < train->steps_per_epoch) {
        NL_TRY(one_step(train, loader));
        if (nl_interrupted()) return stop(train);
        if (every && train->at.step % every == 0 && train->at.batch < train->steps_per_epoch)
            NL_TRY(nl_checkpoint_save(train, "NONLOCAL_last"));
    }
    return nl_checkpoint_save(train, "NONLOCAL_last");
}

static nl_status validate(struct nl_train *train, int64_t epoch)
{
    const int64_t interval = train->run->args.valid_interval;
    struct nl_tally tally;
    if (!interval || (epoch + 1) % interval != 0) return NL_OK;
    NL_TRY(nl_validate(train, &tally));
    NL_TRY(nl_train_log_valid(train, &tally));
    const double top1 = tally.clips ? (double)tally.top1 / (double)tally.clips : 0;
    if (top1 <= train->at.best) return NL_OK;
    train->at.best = top1;
    train->at.best_epoch = epoch;
    return nl_checkpoint_save(train, "NONLOCAL_best");
}

static nl_status judge_epoch(struct nl_train *train)
{
    NL_TRY(nl_train_log_epoch(train));
    if (train->config->train.precise_bn)
        NL_TRY(nl_precise_bn(train, train->config->train.precise_bn));
    return validate(train, train->at.epoch);
}

/* The checkpoint of an epoch stands at the beginning of the next one. One that was interrupted
 * before is left where its steps ended, and its end is done again. */
static nl_status end_epoch(struct nl_train *train)
{
    char name[64];
    const int64_t epoch = train->at.epoch;
    const nl_status st = judge_epoch(train);
    if (st == NL_EINTR) return stopped(train);
    NL_TRY(st);
    train->at.epoch++;
    train->at.batch = 0;
    train->at.tally = (struct nl_tally){.loss = 0};
    snprintf(name, sizeof name, "NONLOCAL_epoch%" PRId64, epoch);
    NL_TRY(nl_checkpoint_save(train, name));
    nl_checkpoint_prune(train);
    return NL_OK;
}

static nl_status one_epoch(struct nl_train *train)
{
    struct nl_loader *loader = NULL;
    const int parts = train->trainer.micro_batches;
    nl_status st = nl_train_loader(train, false, train->at.batch * parts,
                                   (int)train->trainer.geometry.batch, &loader);
    if (st == NL_OK) st = steps_of_epoch(train, loader);
    if (loader) nl_train_report_bad(loader);
    nl_loader_close(loader);
    return st == NL_OK ? end_epoch(train) : st;
}

static nl_status all_epochs(struct nl_train *train)
{
    while (train->at.epoch < train->config->train.epoch) {
        NL_TRY(one_epoch(train));
        if (nl_interrupted() && train->at.epoch < train->config->train.epoch) return stop(train);
    }
    NL_TRY(nl_checkpoint_save(train, "NONLOCAL"));
    nl_note("done: %s/NONLOCAL.safetensors", train->save_dir);
    return NL_OK;
}

nl_status nl_cmd_train(struct nl_run *run)
{
    struct nl_train train = {.run = run, .config = &run->settings.config};
    nl_signals_watch();
    nl_status st = open_all(&train);
    if (st == NL_OK) st = all_epochs(&train);
    nl_train_log_close(&train);
    nl_trainer_close(&train.trainer);
    nl_train_lists_clear(&train);
    nl_session_close(&train.session);
    return st;
}
