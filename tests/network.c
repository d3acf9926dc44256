#include "tests/network.h"

#include "src/core/memory.h"
#include "src/core/rng.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static void set(struct nl_settings *settings, const char *text)
{
    char key[128];
    const char *equals = strchr(text, '=');
    ck_assert_ptr_nonnull(equals);
    snprintf(key, sizeof key, "%.*s", (int)(equals - text), text);
    ck_assert_msg(nl_settings_set(settings, key, equals + 1, NL_BY_FLAG) == NL_OK, "%s",
                  nl_error());
}

void network_open(struct network *n, const char *backend, int threads, const char *const *sets)
{
    static const char *const narrow[] = {"MODEL.width=4", "MODEL.num_classes=5",
                                         "TRAIN.crop_size=64"};
    const struct nl_geometry smallest = {1, 8, 64, 64};
    memset(n, 0, sizeof *n);
    ck_assert_int_eq(nl_settings_init(&n->settings), NL_OK);
    for (size_t i = 0; i < NL_COUNT(narrow); i++) set(&n->settings, narrow[i]);
    for (; sets && *sets; sets++) set(&n->settings, *sets);
    ck_assert_msg(nl_settings_resolve(&n->settings) == NL_OK, "%s", nl_error());
    ck_assert_msg(nl_backend_open(backend, threads, &n->be) == NL_OK, "%s", nl_error());
    ck_assert_msg(nl_model_init(&n->model, &n->settings.config, &smallest) == NL_OK, "%s",
                  nl_error());
    ck_assert_int_eq(nl_params_alloc(&n->model.params, &n->be, n->model.type), NL_OK);
}

void network_plan(struct network *n, int64_t batch, int64_t frames, int64_t height, int64_t width)
{
    struct nl_graph *g = NULL;
    nl_plan_free(n->plan);
    n->geometry = (struct nl_geometry){batch, frames, height, width};
    ck_assert_msg(nl_model_graph(&n->model, &n->geometry, &g, &n->ends) == NL_OK, "%s", nl_error());
    ck_assert_msg(nl_plan_new(g, &n->be, &n->ends.probability, 1, &n->plan) == NL_OK, "%s",
                  nl_error());
    nl_graph_free(g);
}

/* (N,3,T,H,W) floats to [N,T,H,W,3] in the network's type. */
static void *channels_last(const struct network *n, const float *clips)
{
    const int64_t pixels = n->geometry.frames * n->geometry.height * n->geometry.width;
    void *out = NULL;
    ck_assert_int_eq(nl_calloc((size_t)(n->geometry.batch * pixels * 3), sizeof(double), &out),
                     NL_OK);
    for (int64_t b = 0; b < n->geometry.batch; b++)
        for (int64_t p = 0; p < pixels; p++)
            for (int64_t c = 0; c < 3; c++) {
                const float value = clips[(b * 3 + c) * pixels + p];
                if (n->model.type == NL_F64)
                    ((double *)out)[(b * pixels + p) * 3 + c] = value;
                else
                    ((float *)out)[(b * pixels + p) * 3 + c] = value;
            }
    return out;
}

void network_run(struct network *n, const float *clips, double *probability)
{
    const int64_t count = n->geometry.batch * n->settings.config.model.num_classes;
    void *input = channels_last(n, clips);
    float narrow[64];
    ck_assert_int_le(count, 64);
    ck_assert_int_eq(nl_plan_write(n->plan, n->ends.clip, input), NL_OK);
    ck_assert_msg(nl_plan_run(n->plan, NULL) == NL_OK, "%s", nl_error());
    nl_free(input);
    if (n->model.type == NL_F64) {
        ck_assert_int_eq(nl_plan_read(n->plan, n->ends.probability, probability), NL_OK);
        return;
    }
    ck_assert_int_eq(nl_plan_read(n->plan, n->ends.probability, narrow), NL_OK);
    for (int64_t i = 0; i < count; i++) probability[i] = narrow[i];
}

void network_close(struct network *n)
{
    nl_plan_free(n->plan);
    nl_model_clear(&n->model);
    nl_backend_close(&n->be);
}

void random_values(float *out, int64_t count, const char *name)
{
    struct nl_rng rng;
    nl_rng_seed(&rng, 1, name);
    for (int64_t i = 0; i < count; i++) out[i] = (float)nl_rng_normal(&rng);
}
