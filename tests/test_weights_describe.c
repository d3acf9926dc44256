#include "src/weights/apply.h"
#include "src/weights/describe.h"
#include "src/weights/names.h"
#include "src/weights/state_build.h"
#include "tests/weights_case.h"

#include <check.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* The tensors "param.X" of a recorded network as X; they borrow `file`'s data. */
static struct nl_state parameters_of(const struct nl_state *file, const char *without)
{
    struct nl_state state = {.origin = NL_ORIGIN_PLAIN};
    for (int i = 0; i < file->count; i++) {
        const char *name = file->list[i].name;
        struct nl_entry entry = file->list[i];
        if (strncmp(name, "param.", 6) != 0 || (without && strstr(name, without))) continue;
        entry.owned = NULL;
        ck_assert_int_eq(nl_state_add(&state, name + 6, strlen(name + 6), &entry), NL_OK);
    }
    ck_assert_int_eq(nl_state_sort(&state), NL_OK);
    return state;
}

static const struct {
    const char *file;
    int arc;
    bool theta, w_f;
    const char *text;
} networks[] = {
    {"network_arc1_gaussian.safetensors", 1, false, false,
     "C2D-ResNet50 (video_arc_choice 1), width 4, 5 classes, non-local blocks res3: 1, 3; res4: 1, "
     "3, 5"},
    {"network_arc1_embedded_gaussian.safetensors", 1, true, false,
     "C2D-ResNet50 (video_arc_choice 1), width 4, 5 classes, non-local blocks res3: 1, 3; res4: 1, "
     "3, 5"},
    {"network_arc1_concatenation.safetensors", 1, true, true,
     "C2D-ResNet50 (video_arc_choice 1), width 4, 5 classes, non-local blocks res3: 1, 3; res4: 1, "
     "3, 5"},
    {"network_arc2_embedded_gaussian.safetensors", 2, true, false,
     "I3D-ResNet50 (video_arc_choice 2), width 4, 5 classes, non-local blocks res3: 1, 3; res4: 1, "
     "3, 5"},
    {"network_arc3_embedded_gaussian.safetensors", 3, true, false,
     "C2D-ResNet101 (video_arc_choice 3), width 4, 5 classes, non-local blocks res3: 1, 3; res4: "
     "6, 13, 20"},
};

START_TEST(the_network_is_told_from_names_and_shapes)
{
    char text[512];
    struct nl_network network;
    struct nl_state file = load_state(fixture(networks[_i].file));
    struct nl_state state = parameters_of(&file, NULL);
    nl_network_describe(&state, &network);
    ck_assert_int_eq(network.arc, networks[_i].arc);
    ck_assert_str_eq(nl_network_text(&network, text, sizeof text), networks[_i].text);
    ck_assert_int_eq(network.n_blocks, 5);
    for (int i = 0; i < 5; i++) {
        const struct nl_network_block *block = &network.blocks[i];
        ck_assert_int_eq(block->theta, networks[_i].theta);
        ck_assert_int_eq(block->phi, networks[_i].theta);
        ck_assert_int_eq(block->w_f, networks[_i].w_f);
        ck_assert(block->bias && block->bn && !block->affine);
        ck_assert_int_eq(block->channels, block->stage == 3 ? 32 : 64);
        ck_assert_int_eq(block->inner, block->channels / 2);
    }
    ck_assert(!network.affine);
    nl_state_clear(&state);
    nl_state_clear(&file);
}
END_TEST

START_TEST(a_network_without_a_part_is_told_as_far_as_it_goes)
{
    static const struct {
        const char *without;
        int arc, blocks;
        bool affine;
        int64_t classes, width;
    } cases[] = {
        {"nonlocal", 1, 0, false, 5, 4},      {"nonlocal_conv3", 1, 3, false, 5, 4},
        {"_mean", 1, 5, true, 5, 4},          {"pred_b", 1, 5, false, 0, 4},
        {"conv1_weights", 0, 5, false, 5, 0}, {"res4c_branch2a_weights", 0, 5, false, 5, 4},
        {"res5", 0, 5, false, 5, 4},
    };
    struct nl_state file = load_state(fixture("network_arc1_embedded_gaussian.safetensors"));
    for (size_t i = 0; i < NL_COUNT(cases); i++) {
        struct nl_network network;
        struct nl_state state = parameters_of(&file, cases[i].without);
        nl_network_describe(&state, &network);
        ck_assert_msg(network.arc == cases[i].arc, "%s: arc %d", cases[i].without, network.arc);
        ck_assert_int_eq(network.n_blocks, cases[i].blocks);
        ck_assert_int_eq(network.affine, cases[i].affine);
        ck_assert_int_eq(network.classes, cases[i].classes);
        ck_assert_int_eq(network.width, cases[i].width);
        nl_state_clear(&state);
    }
    nl_state_clear(&file);
}
END_TEST

/* Parameters of the shapes that a state holds. */
static void params_like(const struct nl_state *state, struct nl_params *params)
{
    struct parameter list[1024];
    ck_assert_int_le(state->count, (int)NL_COUNT(list));
    for (int i = 0; i < state->count; i++) {
        const struct nl_entry *e = &state->list[i];
        const bool pred = strcmp(e->name, "pred_w") == 0;
        list[i] = (struct parameter){
            e->name, pred ? NL_ROLE_FC : NL_ROLE_BN, pred ? 5 : e->rank, {1, 1, 1, 1, 1}};
        memcpy(list[i].dim, e->dim, (size_t)e->rank * sizeof *e->dim);
    }
    make_params(params, list, state->count, NL_F32);
}

START_TEST(weights_of_another_network_name_the_one_that_fits)
{
    const struct nl_apply_options options = {.dropout_rate = 0};
    struct nl_params params;
    struct nl_load_report report;
    struct nl_state wanted_file = load_state(fixture("network_arc1_embedded_gaussian.safetensors"));
    struct nl_state wanted = parameters_of(&wanted_file, NULL);
    params_like(&wanted, &params);
    for (int i = 3; i < 5; i++) {
        struct nl_state file = load_state(fixture(networks[i].file));
        struct nl_state state = parameters_of(&file, NULL);
        ck_assert_int_eq(nl_weights_apply(&state, &params, &options, &report), NL_ESHAPE);
        ck_assert_msg(strstr(nl_error(), networks[i].text) != NULL, "%s", nl_error());
        nl_load_report_clear(&report);
        nl_state_clear(&state);
        nl_state_clear(&file);
    }
    ck_assert_int_eq(nl_weights_apply(&wanted, &params, &options, &report), NL_OK);
    ck_assert_int_eq(report.loaded, params.count);
    ck_assert_int_eq(report.reshaped + report.rescaled + report.unused + report.missing, 0);
    nl_load_report_clear(&report);
    nl_state_clear(&wanted);
    nl_state_clear(&wanted_file);
    nl_params_clear(&params);
}
END_TEST

/* Every name of the three full-size networks is understood and comes back from Caffe2's. */
START_TEST(all_names_of_the_full_networks_are_known)
{
    const char *shared = getenv("NL_SHARED"), *arc, *name;
    char path[4200];
    json_t *arcs = NULL, *names, *shape;
    int known = 0;
    if (shared) {
        snprintf(path, sizeof path, "%s/oracle/parameters.json", shared);
        arcs = json_load_file(path, 0, NULL);
    }
    if (!arcs) {
        fprintf(stderr, "skip: names of the full networks: no $NL_SHARED/oracle/parameters.json\n");
        return;
    }
    json_object_foreach(arcs, arc, names)
    {
        json_object_foreach(names, name, shape)
        {
            struct nl_part part, back;
            char blob[NL_PART_NAME_MAX], again[NL_PART_NAME_MAX];
            ck_assert_msg(nl_part_parse(name, &part), "%s", name);
            ck_assert_msg(nl_part_parse_caffe2(nl_part_name_caffe2(&part, blob), &back), "%s",
                          blob);
            back.numbered = part.numbered;
            ck_assert_str_eq(nl_part_name(&back, again), name);
            known++;
        }
    }
    ck_assert_int_eq(known, 327 + 327 + 582);
    json_decref(arcs);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("weights describe");
    TCase *tests = tcase_create("describe");
    tcase_add_loop_test(tests, the_network_is_told_from_names_and_shapes, 0,
                        (int)NL_COUNT(networks));
    tcase_add_test(tests, a_network_without_a_part_is_told_as_far_as_it_goes);
    tcase_add_test(tests, weights_of_another_network_name_the_one_that_fits);
    tcase_add_test(tests, all_names_of_the_full_networks_are_known);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
