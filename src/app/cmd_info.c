#include "blocks/block.h"
#include "src/app/command.h"
#include "src/app/netinfo.h"
#include "src/app/plugin.h"
#include "src/app/session.h"
#include "src/app/table.h"

#include <stdio.h>

static nl_status print_backends(void)
{
    const struct nl_backend_ops *ops = NULL;
    struct nl_table table = {.columns = 3, .align = "lll"};
    nl_status st = NL_OK;
    for (int i = 0; st == NL_OK && (ops = nl_backend_at(i)); i++) {
        struct nl_backend be;
        const bool opens = nl_backend_open(ops->name, 0, &be) == NL_OK;
        st = nl_table_add(&table, "%s\tmemory %s, falls back on %s\t%s", ops->name,
                          ops->memory->name, ops->next ? ops->next->name : "none",
                          opens ? "opens" : nl_error());
        if (opens) nl_backend_close(&be);
    }
    puts("backends");
    if (st == NL_OK) nl_table_print(&table, 2, stdout);
    nl_table_clear(&table);
    return st;
}

static nl_status print_blocks(void)
{
    const struct nl_block *block = NULL;
    struct nl_table table = {.columns = 3, .align = "lll"};
    nl_status st = NL_OK;
    for (int i = 0; st == NL_OK && (block = nl_block_at(i)); i++)
        st = nl_table_add(&table, "%s\t%s\t%s", block->name, block->alias ? block->alias : "",
                          block->source);
    puts("blocks");
    if (st == NL_OK) nl_table_print(&table, 2, stdout);
    nl_table_clear(&table);
    return st;
}

static void print_models(void)
{
    const struct nl_model_kind *kind = NULL;
    puts("models");
    for (int i = 0; (kind = nl_model_at(i)); i++) printf("  %s  %s\n", kind->name, kind->summary);
}

static void print_plugins(void)
{
    const char *path = NULL;
    const struct nl_plugin *plugin = NULL;
    puts("plug-ins");
    for (int i = 0; (plugin = nl_plugin_at(i, &path)); i++)
        printf("  %s  %s\n", plugin->name, path);
    if (!nl_plugin_at(0, NULL)) puts("  none; NL_PLUGIN_PATH names files and folders of them");
}

static void print_totals(const struct nl_counts *counts, const struct nl_plan *plan,
                         const struct nl_geometry *at)
{
    const struct nl_plan_cost cost = nl_plan_cost(plan);
    printf("tensors: %lld\n", (long long)counts->tensors);
    printf("parameters: %lld (%lld trainable)\n", (long long)counts->parameters,
           (long long)counts->trainable);
    printf("multiply-adds: %.2f G (%lld) a run of %lld clip(s) of %lld x %lld x %lld, of which "
           "non-local blocks %.2f G (%lld)\n",
           (double)counts->multiply_adds * 1e-9, (long long)counts->multiply_adds,
           (long long)at->batch, (long long)at->frames, (long long)at->height, (long long)at->width,
           (double)counts->block_multiply_adds * 1e-9, (long long)counts->block_multiply_adds);
    printf("memory: activations %.1f MiB (no plan needs less than %.1f), workspace %.1f, folded "
           "and packed weights %.1f\n",
           (double)cost.arena / 1048576, (double)cost.arena_bound / 1048576,
           (double)cost.workspace / 1048576, (double)cost.constants / 1048576);
}

static nl_status print_network(struct nl_session *session)
{
    const struct nl_config *config = &session->run->settings.config;
    const struct nl_flags *args = &session->run->args;
    const int64_t crop = args->crop ? args->crop : config->test.sampling.crop_size;
    const struct nl_geometry at = {args->batch ? args->batch : 1,
                                   config->test.sampling.video_length, crop, crop};
    struct nl_engine engine;
    struct nl_graph *g = NULL;
    struct nl_model_ends ends;
    nl_status st = nl_engine_open(&engine, session, &at, NULL);
    if (st == NL_OK) st = nl_model_graph(&session->model, &at, &g, &ends);
    if (st == NL_OK) st = nl_print_nodes(engine.plan, stdout);
    if (st == NL_OK) putchar('\n');
    if (st == NL_OK && g->n_notes) st = nl_print_blocks(engine.plan, stdout);
    if (st == NL_OK) {
        const struct nl_counts counts = nl_count(g);
        print_totals(&counts, engine.plan, &at);
    }
    nl_graph_free(g);
    nl_engine_close(&engine);
    return st;
}

/* A network is meant where anything of it was given. */
static bool wants_network(const struct nl_run *run)
{
    if (run->args.config || run->args.weights) return true;
    for (int i = 0; i < nl_n_options; i++)
        if (run->settings.origin[i] != NL_BY_DEFAULT) return true;
    return false;
}

nl_status nl_cmd_info(struct nl_run *run)
{
    struct nl_session session;
    if (!wants_network(run)) {
        NL_TRY(print_backends());
        NL_TRY(print_blocks());
        print_models();
        print_plugins();
        return NL_OK;
    }
    nl_status st = nl_session_open(&session, run, NL_WEIGHTS_INITIAL);
    if (st == NL_OK) st = print_network(&session);
    nl_session_close(&session);
    return st;
}

nl_status nl_cmd_options(struct nl_run *run)
{
    struct nl_text text = {.data = NULL};
    if (run->args.markdown) {
        nl_options_markdown(stdout);
        return NL_OK;
    }
    NL_TRY(nl_settings_resolve(&run->settings));
    nl_settings_dump(&run->settings, &text);
    const nl_status st = nl_text_check(&text);
    if (st == NL_OK) fputs(text.data, stdout);
    nl_text_clear(&text);
    return st;
}
