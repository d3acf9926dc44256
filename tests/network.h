/* network.h - narrow networks for tests: configured, seeded, run on a backend. */
#ifndef NL_TEST_NETWORK_H
#define NL_TEST_NETWORK_H

#include "models/model.h"
#include "src/core/options.h"
#include "src/graph/plan.h"

struct network {
    struct nl_settings settings;
    struct nl_backend be;
    struct nl_model model;
    struct nl_plan *plan;
    struct nl_model_ends ends;
    struct nl_geometry geometry;
};

/* Width 4, 5 classes, training crop 64 and the `sets` ("SECTION.KEY=VALUE", NULL-terminated), on
 * the named backend. Parameters have memory and no values yet. Aborts the test on failure. */
void network_open(struct network *n, const char *backend, int threads, const char *const *sets);

/* The plan for one geometry; replaces an earlier one. */
void network_plan(struct network *n, int64_t batch, int64_t frames, int64_t height, int64_t width);

/* Runs clips in the field's layout, float (N,3,T,H,W); doubles (N,classes) come out. */
void network_run(struct network *n, const float *clips, double *probability);

void network_close(struct network *n);

/* `count` seeded normal numbers. */
void random_values(float *out, int64_t count, const char *name);

#endif
