#include "src/app/command.h"
#include "src/app/inputs.h"
#include "src/app/outputs.h"
#include "src/app/session.h"
#include "src/core/memory.h"
#include "src/tensor/npy.h"

#include <math.h>

/* (N,C,S) to (N,S,C), or back: the field's layout to ours, S running over T,H,W. */
static void swap_axes(const float *in, float *out, int64_t n, int64_t c, int64_t s)
{
    for (int64_t b = 0; b < n; b++)
        for (int64_t i = 0; i < c; i++)
            for (int64_t k = 0; k < s; k++) out[(b * s + k) * c + i] = in[(b * c + i) * s + k];
}

/* Clips as [N,T,H,W,3]. One clip may lack the first axis. */
static nl_status take_clips(const struct nl_npy *npy, const char *path, float **clips,
                            struct nl_geometry *at)
{
    const int64_t *d = npy->rank == 5 ? npy->dim + 1 : npy->dim;
    NL_REQUIRE((npy->rank == 4 || npy->rank == 5) && d[0] == 3 && npy->type == NL_F32, NL_EUSAGE,
               "%s: want float32 clips (N,3,T,H,W) or (3,T,H,W), got %s with %d axes", path,
               nl_type_name(npy->type), npy->rank);
    *at = (struct nl_geometry){npy->rank == 5 ? npy->dim[0] : 1, d[1], d[2], d[3]};
    NL_REQUIRE(at->batch > 0, NL_EUSAGE, "%s: no clip in it", path);
    const int64_t pixels = at->frames * at->height * at->width;
    NL_TRY(nl_calloc((size_t)(at->batch * 3 * pixels), sizeof **clips, clips));
    swap_axes(npy->data, *clips, at->batch, 3, pixels);
    return NL_OK;
}

static nl_status read_clips(const char *path, float **clips, struct nl_geometry *at)
{
    struct nl_npy npy;
    NL_TRY(nl_npy_read(path, &npy));
    const nl_status st = take_clips(&npy, path, clips, at);
    nl_npy_clear(&npy);
    return st;
}

/* Doubles [N,...,C] to the file: (N,C), or (N,C,T,H,W). */
static nl_status write_output(const char *path, const nl_tensor *t, const double *values)
{
    const int64_t n = t->dim[0], c = t->dim[t->rank - 1], s = nl_tensor_count(t) / (n * c);
    int64_t dim[NL_MAX_RANK] = {n, c};
    float *out = NULL;
    NL_TRY(nl_calloc((size_t)(n * c * s), sizeof *out, &out));
    for (int64_t b = 0; b < n; b++)
        for (int64_t k = 0; k < s; k++)
            for (int64_t i = 0; i < c; i++)
                out[(b * c + i) * s + k] = (float)values[(b * s + k) * c + i];
    for (int i = 2; i < t->rank; i++) dim[i] = t->dim[i - 1];
    const nl_status st = nl_npy_write(path, NL_F32, t->rank, dim, out);
    nl_free(out);
    return st;
}

/* NaN and Inf in a clip, or weights that make numbers overflow, are no result. */
static nl_status check_finite(const nl_tensor *t, const double *values)
{
    const int64_t one = nl_tensor_count(t) / t->dim[0];
    for (int64_t i = 0; i < nl_tensor_count(t); i++)
        NL_REQUIRE(isfinite(values[i]), NL_EIO,
                   "clip %lld: the output is not finite (clip or weights out of range?)",
                   (long long)(i / one));
    return NL_OK;
}

static nl_status run_clips(struct nl_engine *engine, const float *clips, const char *output)
{
    const nl_value wanted = engine->layer != NL_NONE ? engine->layer : engine->ends.probability;
    const nl_tensor t = *nl_graph_tensor(nl_plan_graph(engine->plan), wanted);
    double *values = NULL;
    NL_TRY(nl_calloc((size_t)nl_tensor_count(&t), sizeof *values, &values));
    nl_status st = nl_engine_run(engine, clips);
    if (st == NL_OK) st = nl_engine_read(engine, wanted, values);
    if (st == NL_OK) st = check_finite(&t, values);
    if (st == NL_OK) st = write_output(output, &t, values);
    nl_free(values);
    return st;
}

nl_status nl_cmd_forward(struct nl_run *run)
{
    struct nl_session session = {.run = NULL};
    struct nl_engine engine = {.plan = NULL};
    struct nl_geometry at;
    float *clips = NULL;
    NL_REQUIRE(run->args.input && run->args.output, NL_EUSAGE,
               "want --input=CLIPS.npy and --output=OUT.npy");
    NL_TRY(nl_is_no_input("--output", run->args.output, run->args.input));
    NL_TRY(nl_is_no_input("--output", run->args.output, run->args.weights));
    nl_status st = read_clips(run->args.input, &clips, &at);
    if (st == NL_OK) st = nl_session_open(&session, run, NL_WEIGHTS_NEEDED);
    if (st == NL_OK) st = nl_engine_open(&engine, &session, &at, run->args.layer);
    if (st == NL_OK) st = nl_engine_settle(&engine);
    if (st == NL_OK) st = run_clips(&engine, clips, run->args.output);
    nl_engine_close(&engine);
    nl_session_close(&session);
    nl_free(clips);
    return st;
}
