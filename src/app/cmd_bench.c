#include "src/app/bench.h"
#include "src/app/command.h"
#include "src/app/progress.h"
#include "src/app/session.h"
#include "src/app/table.h"
#include "src/core/memory.h"
#include "src/core/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static int by_value(const void *a, const void *b)
{
    const double one = *(const double *)a, two = *(const double *)b;
    return (one > two) - (one < two);
}

void nl_bench_report(double *ms, int count, const char *backend)
{
    struct rusage usage;
    qsort(ms, (size_t)count, sizeof *ms, by_value);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"ms_min\": %.3f, \"ms_median\": %.3f, \"peak_rss_mib\": %.1f, \"backend\": \"%s\"}\n",
           ms[0], ms[count / 2], (double)usage.ru_maxrss / 1024, backend);
}

nl_status nl_bench_values(int64_t count, float **out)
{
    struct nl_rng rng;
    NL_TRY(nl_calloc((size_t)count, sizeof **out, out));
    nl_rng_seed(&rng, 0, "bench");
    for (int64_t i = 0; i < count; i++) (*out)[i] = (float)nl_rng_normal(&rng);
    return NL_OK;
}

nl_status nl_bench_per_op(const struct nl_plan *plan, const double *ms)
{
    const struct nl_graph *g = nl_plan_graph(plan);
    struct nl_table table = {.columns = 6, .align = "lllrrl"};
    nl_status st = nl_table_add(&table, "node\top\toutput\tms\tGFLOP/s\tserved by");
    for (int i = 0; st == NL_OK && i < g->n_nodes; i++) {
        if (nl_plan_is_constant(plan, i)) continue;
        const struct nl_op_desc desc = nl_graph_desc(g, &g->nodes[i]);
        const int64_t work = nl_op_multiply_adds(&desc);
        char shape[160], rate[32] = "";
        if (work) snprintf(rate, sizeof rate, "%.0f", 2e-6 * (double)work / ms[i]);
        st = nl_table_add(&table, "%s\t%s\t%s\t%.3f\t%s\t%s/%s", g->nodes[i].name,
                          nl_op_name(desc.op), nl_tensor_text(&desc.out[0], shape, sizeof shape),
                          ms[i], rate, nl_plan_kernel(plan, i)->owner->name,
                          nl_plan_kernel(plan, i)->impl->name);
    }
    if (st == NL_OK) nl_table_print(&table, 0, stdout);
    nl_table_clear(&table);
    return st;
}

nl_status nl_bench_plan(const struct nl_run *run, struct nl_plan *plan, const char *backend)
{
    const int repeat = run->args.repeat ? (int)run->args.repeat : 5;
    double *ms = NULL, *per_op = NULL;
    nl_status st = nl_calloc((size_t)repeat, sizeof *ms, &ms);
    if (st == NL_OK) st = nl_calloc((size_t)nl_plan_graph(plan)->n_nodes, sizeof *per_op, &per_op);
    for (int i = -2; st == NL_OK && i < repeat; i++) {
        const double start = nl_seconds();
        st = nl_plan_run(plan, NULL);
        if (i >= 0) ms[i] = (nl_seconds() - start) * 1e3;
    }
    if (st == NL_OK && run->args.per_op) {
        st = nl_plan_run(plan, per_op);
        if (st == NL_OK) st = nl_bench_per_op(plan, per_op);
    }
    if (st == NL_OK) nl_bench_report(ms, repeat, backend);
    nl_free(ms);
    nl_free(per_op);
    return st;
}

static nl_status time_network(struct nl_session *session, struct nl_engine *engine)
{
    const nl_tensor *t = nl_graph_tensor(nl_plan_graph(engine->plan), engine->ends.clip);
    float *clips = NULL;
    nl_status st = nl_bench_values(nl_tensor_count(t), &clips);
    if (st == NL_OK) st = nl_engine_run(engine, clips);
    nl_free(clips);
    return st == NL_OK ? nl_bench_plan(session->run, engine->plan, session->be.ops->name) : st;
}

static nl_status bench_infer(struct nl_run *run)
{
    const struct nl_config *config = &run->settings.config;
    const int64_t crop = run->args.crop ? run->args.crop : config->train.sampling.crop_size;
    const struct nl_geometry at = {run->args.batch ? run->args.batch : 1,
                                   config->infer.sampling.video_length, crop, crop};
    struct nl_session session;
    struct nl_engine engine = {.plan = NULL};
    nl_status st = nl_session_open(&session, run, NL_WEIGHTS_TRIVIAL);
    if (st == NL_OK) st = nl_engine_open(&engine, &session, &at, NULL);
    if (st == NL_OK) st = time_network(&session, &engine);
    nl_engine_close(&engine);
    nl_session_close(&session);
    return st;
}

nl_status nl_cmd_bench(struct nl_run *run)
{
    const char *mode = run->args.mode ? run->args.mode : "infer";
    if (strcmp(mode, "infer") == 0) return bench_infer(run);
    if (strcmp(mode, "block") == 0) return nl_bench_block(run);
    if (strcmp(mode, "data") == 0) return nl_bench_data(run);
    if (strcmp(mode, "train") == 0) return nl_bench_train(run);
    return nl_fail(NL_EUSAGE, "--mode: want infer, train, block or data, got \"%s\"", mode);
}
