#include "src/app/bench.h"
#include "src/app/command.h"
#include "src/app/progress.h"
#include "src/app/session.h"
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

nl_status nl_bench_json(json_t *line)
{
    NL_REQUIRE(line, NL_ENOMEM, "out of memory for a JSON line");
    json_dumpf(line, stdout, JSON_REAL_PRECISION(6));
    putchar('\n');
    json_decref(line);
    return NL_OK;
}

/* Inputs and kept outputs. */
static size_t bytes_of_ends(const struct nl_bench_subject *subject)
{
    const struct nl_graph *g = nl_plan_graph(subject->plan);
    size_t sum = 0, bytes;
    for (int v = 0; v < g->n_values; v++)
        if (g->values[v].kind == NL_VALUE_INPUT &&
            nl_tensor_bytes(&g->values[v].tensor, &bytes) == NL_OK)
            sum += bytes;
    for (int i = 0; i < subject->n_outputs; i++)
        if (nl_tensor_bytes(nl_graph_tensor(g, subject->outputs[i]), &bytes) == NL_OK) sum += bytes;
    return sum;
}

/* What the plan knows of its memory, in bytes. */
static void add_memory(json_t *line, const struct nl_bench_subject *subject)
{
    const struct nl_plan_cost cost = nl_plan_cost(subject->plan);
    const struct {
        const char *key;
        size_t bytes;
    } parts[] = {{"arena_bytes", cost.arena},
                 {"workspace_bytes", cost.workspace},
                 {"constant_bytes", cost.constants},
                 {"input_output_bytes", bytes_of_ends(subject)}};
    for (size_t i = 0; i < NL_COUNT(parts); i++)
        json_object_set_new(line, parts[i].key, json_integer((json_int_t)parts[i].bytes));
}

nl_status nl_bench_report(const struct nl_run *run, const struct nl_bench_subject *subject,
                          const char *backend, double *ms, int count)
{
    struct rusage usage;
    qsort(ms, (size_t)count, sizeof *ms, by_value);
    getrusage(RUSAGE_SELF, &usage);
    if (subject && run->args.per_op) NL_TRY(nl_bench_ops(run, subject));
    json_t *line = json_pack("{s:f, s:f, s:f, s:s}", "ms_min", ms[0], "ms_median", ms[count / 2],
                             "peak_rss_mib", (double)usage.ru_maxrss / 1024, "backend", backend);
    if (line && subject) add_memory(line, subject);
    return nl_bench_json(line);
}

nl_status nl_bench_values(int64_t count, float **out)
{
    struct nl_rng rng;
    NL_TRY(nl_calloc((size_t)count, sizeof **out, out));
    nl_rng_seed(&rng, 0, "bench");
    for (int64_t i = 0; i < count; i++) (*out)[i] = (float)nl_rng_normal(&rng);
    return NL_OK;
}

nl_status nl_bench_plan(const struct nl_run *run, const struct nl_bench_subject *subject)
{
    const int repeat = run->args.repeat ? (int)run->args.repeat : 5;
    double *ms = NULL;
    nl_status st = nl_calloc((size_t)repeat, sizeof *ms, &ms);
    for (int i = -2; st == NL_OK && i < repeat; i++) {
        const double start = nl_seconds();
        st = nl_plan_run(subject->plan, NULL);
        if (i >= 0) ms[i] = (nl_seconds() - start) * 1e3;
    }
    if (st == NL_OK) st = nl_bench_report(run, subject, subject->be->ops->name, ms, repeat);
    nl_free(ms);
    return st;
}

static nl_status time_network(struct nl_session *session, struct nl_engine *engine)
{
    const nl_tensor *t = nl_graph_tensor(nl_plan_graph(engine->plan), engine->ends.clip);
    float *clips = NULL;
    nl_status st = nl_bench_values(nl_tensor_count(t), &clips);
    if (st == NL_OK) st = nl_engine_run(engine, clips);
    nl_free(clips);
    const struct nl_bench_subject subject = {engine->plan, &session->be, &engine->output, 1};
    return st == NL_OK ? nl_bench_plan(session->run, &subject) : st;
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
    if (st == NL_OK) st = nl_engine_settle(&engine);
    if (st == NL_OK) st = time_network(&session, &engine);
    nl_engine_close(&engine);
    nl_session_close(&session);
    return st;
}

/* Flags that not every mode has. */
static nl_status check_flags(const struct nl_run *run, const char *mode)
{
    const struct nl_flags *args = &run->args;
    const bool video = nl_settings_origin(&run->settings, "INFER.video_path") == NL_BY_FLAG;
    const struct {
        const char *name, *modes;
        bool given;
    } flags[] = {{"weights", "infer or train", args->weights},
                 {"batch", "infer, train or block", args->batch},
                 {"crop", "infer or train", args->crop},
                 {"per-op", "infer, train or block", args->per_op},
                 {"shape", "block", args->shape},
                 {"backward", "block", args->backward},
                 {"train", "data", args->train},
                 {"views", "data", args->views},
                 {"video_path", "data", video}};
    for (size_t i = 0; i < NL_COUNT(flags); i++)
        NL_REQUIRE(!flags[i].given || strstr(flags[i].modes, mode), NL_EUSAGE,
                   "--%s is of --mode=%s, not %s", flags[i].name, flags[i].modes, mode);
    return NL_OK;
}

nl_status nl_cmd_bench(struct nl_run *run)
{
    static const struct {
        const char *name;
        nl_status (*run)(struct nl_run *run);
    } modes[] = {{"infer", bench_infer},
                 {"train", nl_bench_train},
                 {"block", nl_bench_block},
                 {"data", nl_bench_data},
                 {"peak", nl_bench_peak}};
    const char *mode = run->args.mode ? run->args.mode : "infer";
    for (size_t i = 0; i < NL_COUNT(modes); i++) {
        if (strcmp(mode, modes[i].name) != 0) continue;
        NL_TRY(check_flags(run, mode));
        return modes[i].run(run);
    }
    return nl_fail(NL_EUSAGE, "--mode: want infer, train, block, data or peak, got \"%s\"", mode);
}
