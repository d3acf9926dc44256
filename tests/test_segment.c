/* Segments: which nodes a plan does frame by frame, and that nothing shows in the results. */
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/graph/layers.h"
#include "src/graph/plan.h"
#include "src/graph/rewrite.h"
#include "src/graph/segment.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 4, SIDE = 120, CHANNELS = 16 };

struct net {
    struct nl_params params;
    struct nl_graph *g;
    nl_value x, middle, y;
};

static nl_value conv(struct net *n, const char *name, nl_value x, int64_t filters, int time,
                     int side)
{
    nl_value y;
    const struct nl_conv_layer layer = {.name = name,
                                        .weights = name,
                                        .filters = filters,
                                        .kernel = {time, side, side},
                                        .stride = {1, 1, 1},
                                        .pad = {time / 2, side / 2, side / 2},
                                        .init = {NL_INIT_NORMAL, 0.1}};
    ck_assert_int_eq(nl_layer_conv(n->g, &layer, x, &y), NL_OK);
    return y;
}

static nl_value relu(struct net *n, const char *name, nl_value x)
{
    ck_assert_int_eq(nl_layer_relu(n->g, name, x, &x), NL_OK);
    return x;
}

static nl_value pool(struct net *n, const char *name, nl_value x, int time)
{
    const int window[3] = {time, 2, 2};
    ck_assert_int_eq(nl_layer_pool(n->g, NL_OP_MAX_POOL, name, window, window, x, &x), NL_OK);
    return x;
}

/* A residual block and pooling; then a convolution over time and one within frames. */
static void build(struct net *n, nl_type storage)
{
    const int64_t clip[5] = {1, FRAMES, SIDE, SIDE, CHANNELS};
    nl_value h;
    memset(n, 0, sizeof *n);
    ck_assert_int_eq(nl_graph_new(NL_F32, &n->params, &n->g), NL_OK);
    n->g->storage = storage;
    ck_assert_int_eq(nl_graph_input(n->g, 5, clip, &n->x), NL_OK);
    ck_assert_int_eq(nl_layer_cast(n->g, "in", storage, n->x, &h), NL_OK);
    h = relu(n, "a_relu", conv(n, "a", h, CHANNELS, 1, 3));
    n->middle = h;
    h = conv(n, "b", relu(n, "c_relu", conv(n, "c", h, INT64_C(2) * CHANNELS, 1, 1)), CHANNELS, 1,
             3);
    ck_assert_int_eq(
        nl_graph_append(n->g, NL_OP_ADD, "sum", NULL, (nl_value[]){h, n->middle}, 2, &h), NL_OK);
    h = pool(n, "pool", relu(n, "sum_relu", h), 1);
    h = conv(n, "d", conv(n, "time", h, CHANNELS, 3, 1), CHANNELS, 1, 1);
    ck_assert_int_eq(nl_layer_cast(n->g, "out", NL_F32, h, &n->y), NL_OK);
}

static void clear(struct net *n)
{
    nl_graph_free(n->g);
    nl_params_clear(&n->params);
}

/* Runs the network; `out` gets y, or what is in the middle. */
static void run(const char *backend, int threads, nl_type storage, bool middle, float *out)
{
    struct net n;
    struct nl_backend be;
    struct nl_plan *plan = NULL;
    struct nl_rng rng;
    const int64_t count = INT64_C(1) * FRAMES * SIDE * SIDE * CHANNELS;
    float *x = NULL;
    build(&n, storage);
    ck_assert_int_eq(nl_backend_open(backend, threads, &be), NL_OK);
    ck_assert_int_eq(nl_params_alloc(&n.params, &be, NL_F32), NL_OK);
    ck_assert_int_eq(nl_params_init(&n.params, 1, false), NL_OK);
    const nl_value keep[2] = {n.y, n.middle};
    ck_assert_int_eq(nl_plan_new(n.g, &be, keep, middle ? 2 : 1, &plan), NL_OK);
    ck_assert_int_eq(nl_calloc((size_t)count, sizeof *x, &x), NL_OK);
    nl_rng_seed(&rng, 1, "x");
    for (int64_t i = 0; i < count; i++) x[i] = (float)nl_rng_normal(&rng);
    ck_assert_int_eq(nl_plan_write(plan, n.x, x), NL_OK);
    for (int twice = 0; twice < 2; twice++) ck_assert_int_eq(nl_plan_run(plan, NULL), NL_OK);
    ck_assert_int_eq(nl_plan_read(plan, middle ? n.middle : n.y, out), NL_OK);
    nl_free(x);
    nl_plan_free(plan);
    clear(&n);
    nl_backend_close(&be);
}

static int find(struct net *n, const nl_value *keep, int n_keep, struct nl_segment *segments,
                bool *inner)
{
    static bool constant[256];
    ck_assert_int_eq(nl_rewrite(n->g, keep, n_keep, NULL, NULL), NL_OK);
    ck_assert_int_lt(n->g->n_values, 256);
    nl_find_constants(n->g, constant);
    const int count = nl_segments_find(n->g, constant, NULL, NULL, segments);
    memset(inner, 0, 256);
    nl_segments_mark_inner(n->g, segments, count, constant, inner);
    return count;
}

START_TEST(a_segment_ends_where_frames_meet)
{
    struct net n;
    struct nl_segment segments[256];
    bool inner[256];
    build(&n, NL_F32);
    ck_assert_int_eq(find(&n, &n.y, 1, segments, inner), 1);
    ck_assert_int_eq(segments[0].frames, FRAMES);
    ck_assert_int_eq(segments[0].first, 0);
    ck_assert_int_eq(segments[0].end, nl_graph_find(n.g, "time"));
    ck_assert(inner[n.g->nodes[nl_graph_find(n.g, "c_relu")].out[0]]);
    ck_assert(!inner[n.g->nodes[nl_graph_find(n.g, "pool")].out[0]]); /* read outside */
    clear(&n);
}
END_TEST

START_TEST(results_are_the_same_bits_with_lanes_and_without)
{
    static float want[FRAMES * SIDE * SIDE * CHANNELS / 4], got[NL_COUNT(want)];
    static const char *const backends[] = {"cpu", "onednn"};
    static const int threads[] = {2, 3, FRAMES + 1}; /* more threads than frames: node by node */
    const nl_type storage = _i % 2 ? NL_BF16 : NL_F32;
    const char *backend = backends[_i / 2];
    struct nl_backend be;
    if (nl_backend_open(backend, 1, &be) != NL_OK) {
        fprintf(stderr, "skip: %s\n", nl_error());
        return;
    }
    nl_backend_close(&be);
    run(backend, 1, storage, false, want);
    for (size_t i = 0; i < NL_COUNT(threads); i++) {
        run(backend, threads[i], storage, false, got);
        ck_assert_msg(memcmp(got, want, sizeof got) == 0, "%s, %d threads", backend, threads[i]);
    }
}
END_TEST

START_TEST(results_are_those_of_ref)
{
    static float want[FRAMES * SIDE * SIDE * CHANNELS / 4], got[NL_COUNT(want)];
    run("ref", 2, NL_F32, false, want);
    run("cpu", 2, NL_F32, false, got);
    for (size_t i = 0; i < NL_COUNT(want); i++)
        ck_assert_float_eq_tol(got[i], want[i], 1e-4F); /* values are of size 10 */
}
END_TEST

/* What the caller keeps has all of its frames, though a segment makes and reads it. */
START_TEST(a_kept_value_within_a_segment_is_whole)
{
    static float want[FRAMES * SIDE * SIDE * CHANNELS], got[NL_COUNT(want)];
    run("ref", 2, NL_F32, true, want);
    run("cpu", 2, NL_F32, true, got);
    for (size_t i = 0; i < NL_COUNT(want); i++) ck_assert_float_eq_tol(got[i], want[i], 2e-5F);
}
END_TEST

START_TEST(lanes_need_less_memory_than_all_frames)
{
    struct net n;
    struct nl_backend be;
    struct nl_plan_cost lanes, whole;
    build(&n, NL_F32);
    ck_assert_int_eq(nl_backend_open("cpu", 1, &be), NL_OK);
    ck_assert_int_eq(nl_plan_measure(n.g, &be, &n.y, 1, &lanes), NL_OK);
    nl_backend_close(&be);
    ck_assert_int_eq(nl_backend_open("cpu", FRAMES + 1, &be), NL_OK);
    ck_assert_int_eq(nl_plan_measure(n.g, &be, &n.y, 1, &whole), NL_OK);
    nl_backend_close(&be);
    ck_assert_uint_lt(3 * lanes.arena, 2 * whole.arena);
    ck_assert_uint_ge(lanes.arena, lanes.arena_bound);
    clear(&n);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("segment");
    TCase *tc = tcase_create("segment");
    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_segment_ends_where_frames_meet);
    tcase_add_loop_test(tc, results_are_the_same_bits_with_lanes_and_without, 0, 4);
    tcase_add_test(tc, results_are_those_of_ref);
    tcase_add_test(tc, a_kept_value_within_a_segment_is_whole);
    tcase_add_test(tc, lanes_need_less_memory_than_all_frames);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
