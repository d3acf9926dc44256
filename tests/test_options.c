#include "tests/settings.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

START_TEST(rows_are_sound)
{
    for (int i = 0; i < nl_n_options; i++) {
        const struct nl_option *option = &nl_options[i];
        ck_assert_int_eq(nl_option_find(option->section, option->key), i);
        ck_assert_msg(*option->help && !strchr(option->help, '|'), "help of %s", option->key);
        ck_assert_uint_lt(option->offset, sizeof(struct nl_config));
        if (i > 0 && strcmp(option->section, nl_options[i - 1].section) != 0)
            for (int k = 0; k < i; k++) ck_assert_str_ne(nl_options[k].section, option->section);
    }
    ck_assert_int_eq(nl_option_find("MODEL", "nothing"), -1);
    ck_assert_int_eq(nl_option_find("NOTHING", "depth"), -1);
}
END_TEST

/* Spot checks against the original's file, one of each type. */
START_TEST(defaults_are_the_originals)
{
    const struct nl_config *config = &settings.config;
    ck_assert_int_eq(config->model.num_classes, 400);
    ck_assert_double_eq(config->model.image_mean, 114.75);
    ck_assert_double_eq(config->model.bn_epsilon, 1e-5);
    ck_assert_str_eq(config->resnets.trans_func, "bottleneck_transformation_3d");
    ck_assert(config->nonlocal.use_maxpool && config->nonlocal.options.use_bn);
    ck_assert(!config->nonlocal.options.no_bias && !config->nonlocal.blocks_given);
    ck_assert_str_eq(config->nonlocal.options.pairwise, "embedded_gaussian");
    ck_assert_int_eq(config->nonlocal.options.pool, NL_POOL_BEFORE);
    ck_assert_int_eq(config->train.n_steps, 3);
    ck_assert_int_eq(config->train.step_sizes[2], 100000);
    ck_assert_int_eq(config->train.sampling.jitter_scales[1], 320);
    ck_assert_int_eq(config->test.dataset_size, 19761);
    ck_assert_int_eq(config->infer.sampling.crop_size, 256);
    ck_assert_str_eq(config->infer.video_path, "");
    for (int i = 0; i < nl_n_options; i++) ck_assert_int_eq(settings.origin[i], NL_BY_DEFAULT);
}
END_TEST

static const struct {
    const char *key, *value, *written;
} good[] = {
    {"MODEL.use_affine", "True", "True"},
    {"MODEL.use_affine", "true", "True"},
    {"NONLOCAL.no_bias", "1", "True"},
    {"NONLOCAL.use_bn", "False", "False"},
    {"NONLOCAL.use_bn", "'False'", "False"},
    {"MODEL.num_classes", "5", "5"},
    {"MODEL.num_classes", "\"7\"", "7"},
    {"MODEL.bn_epsilon", "1e-5", "1e-05"},
    {"MODEL.bn_epsilon", "1.0000001e-5", "1.0000001e-05"},
    {"MODEL.bn_init_gamma", "0.", "0"},
    {"MODEL.bn_init_gamma", "-0.1", "-0.1"},
    {"TRAIN.momentum", "0.3333333333333333", "0.3333333333333333"},
    {"NONLOCAL.pairwise", "dot", "'dot'"},
    {"NONLOCAL.pool", "after", "after"},
    {"NONLOCAL.pool", "None", "none"},
    {"NONLOCAL.pool_size", "[2, 1, 3]", "[2, 1, 3]"},
    {"NONLOCAL.group_size", "2", "2"},
    {"NONLOCAL.group_size", "{3: 4, 4: 2}", "{3: 4, 4: 2}"},
    {"TRAIN.step_sizes", "[9000000000]", "[9000000000]"},
    {"TRAIN.filelist", "", "''"},
    {"TRAIN.filelist", "null", "''"},
    {"TRAIN.filelist", "it's here.txt", "'it''s here.txt'"},
    {"NONLOCAL.blocks", "{3: [1, 3], 4: [1]}", "{3: {1: {}, 3: {}}, 4: {1: {}}}"},
    {"NONLOCAL.blocks", "{3:[1],4:{2:{pairwise:'a:b'}}}",
     "{3: {1: {}}, 4: {2: {pairwise: 'a:b'}}}"},
    {"NONLOCAL.blocks", "{}", "{}"},
    {"NONLOCAL.blocks", "''", "''"},
    {"NONLOCAL.blocks", "{4: {1: {pairwise: dot, pool_size: [1, 4, 4], group_size: 2}, 3: {}}}",
     "{4: {1: {pairwise: 'dot', pool_size: [1, 4, 4], group_size: 2}, 3: {}}}"},
};

START_TEST(a_value_is_read_and_written)
{
    give(good[_i].key, good[_i].value);
    assert_value(good[_i].key, good[_i].written);
    ck_assert_int_eq(nl_settings_origin(&settings, good[_i].key), NL_BY_FLAG);
    give(good[_i].key, good[_i].written);
    assert_value(good[_i].key, good[_i].written);
}
END_TEST

static const struct {
    const char *key, *value, *message;
} bad[] = {
    {"MODEL.num_classes", "many",
     "MODEL.num_classes: want an integer from 1 to 1000000, got \"many\""},
    {"MODEL.num_classes", "0", "want an integer from 1"},
    {"MODEL.num_classes", "1e3", "want an integer"},
    {"MODEL.num_classes", "0x10", "want an integer"},
    {"MODEL.num_classes", "99999999999999999999", "want an integer"},
    {"MODEL.num_classes", "[1]", "got a list"},
    {"MODEL.num_classes", "{a: 1}", "got a map"},
    {"MODEL.num_classes", "", "got \"\""},
    {"MODEL.num_classes", "' 5'", "want an integer"},
    {"MODEL.use_affine", "2", "want True or False"},
    {"MODEL.image_std", "0", "want a number from"},
    {"MODEL.image_std", "nan", "want a number"},
    {"MODEL.image_std", "inf", "want a number"},
    {"MODEL.image_mean", "1.5.2", "want a number"},
    {"NONLOCAL.pool", "behind", "want before or after or none, got \"behind\""},
    {"NONLOCAL.pairwise", "", "want a text"},
    {"NONLOCAL.pairwise", "x23456789x123456789x123456789x123456789x123456789x123456789x12345",
     "at most 63 bytes"},
    {"NONLOCAL.pool_size", "[1, 2]", "a list of 3 integers"},
    {"NONLOCAL.pool_size", "[1, 2, 0]", "a list of 3 integers from 1"},
    {"NONLOCAL.pool_size", "2", "a list of 3 integers"},
    {"NONLOCAL.group_size", "-1", "a number of frames"},
    {"NONLOCAL.group_size", "{6: 2}", "a number of frames"},
    {"NONLOCAL.group_size", "[2]", "a number of frames"},
    {"TRAIN.step_sizes", "[]", "a list of 1 to 16"},
    {"TRAIN.step_sizes", "[1, x]", "a list of 1 to 16"},
    {"TRAIN.step_sizes", "[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", "a list of 1 to 16"},
    {"NONLOCAL.blocks", "{3: [1", "command line: "},
    {"NONLOCAL.blocks", "3", "want a map such as"},
    {"NONLOCAL.blocks", "{7: [1]}", "stages are 2 to 5"},
    {"NONLOCAL.blocks", "{3: 1}", "a stage has a list or a map"},
    {"NONLOCAL.blocks", "{3: [-1]}", "a residual block is an integer from 0"},
    {"NONLOCAL.blocks", "{3: [1, 1]}", "a place stands twice"},
    {"NONLOCAL.blocks", "{3: {1: dot}}", "a block's switches are a map"},
    {"NONLOCAL.blocks", "{3: {1: {piarwise: dot}}}", "no switch piarwise; the nearest is pairwise"},
    {"NONLOCAL.blocks", "{3: {1: {layer_mod: 2}}}", "no switch layer_mod"},
    {"NONLOCAL.blocks", "{3: {1: {pool: behind}}}", "NONLOCAL.pool: want before or after or none"},
    {"NONLOCAL.blocks", "{3: {1: {group_size: {3: 1}}}}", "group_size of one block"},
    {"NONLOCAL.pool", "*x", "aliases"},
    {"NONLOCAL.pool", "!!python/object:os.system x", "tags"},
    {"NONLOCAL.pool", "\"a\\0b\"", "zero byte"},
    {"NONLOCAL.pool", "[", "command line: "},
    {"NONLOCAL.pool", "a\nb: c", "command line: "},
    {"NONLOCAL.parwise", "dot", "unknown key NONLOCAL.parwise; the nearest is pairwise"},
    {"NONLOCAL.learning_rate", "1",
     "unknown key NONLOCAL.learning_rate; there is TRAIN.learning_rate"},
    {"NONLOCAL.a\nb", "1", "unknown key NONLOCAL.a\\nb"},
    {"NONLOCL.pairwise", "dot", "unknown section NONLOCL; the nearest is NONLOCAL"},
    {"Q.pairwise", "dot", "unknown section Q; there are MODEL"},
    {"pairwise", "dot", "want SECTION.KEY, got \"pairwise\""},
};

START_TEST(a_wrong_value_is_refused_in_one_line_that_says_what_is_wanted)
{
    ck_assert_int_eq(nl_settings_set(&settings, bad[_i].key, bad[_i].value, NL_BY_FLAG), NL_EUSAGE);
    assert_error(bad[_i].message);
}
END_TEST

START_TEST(who_goes_first_does_not_depend_on_the_order)
{
    static const nl_setter order[][3] = {{NL_BY_FILE, NL_BY_CHECKPOINT, NL_BY_FLAG},
                                         {NL_BY_FLAG, NL_BY_CHECKPOINT, NL_BY_FILE},
                                         {NL_BY_CHECKPOINT, NL_BY_FLAG, NL_BY_FILE}};
    static const char *const value[] = {"1", "2", "3", "4"};
    for (size_t i = 0; i < NL_COUNT(order); i++) {
        ck_assert_int_eq(nl_settings_init(&settings), NL_OK);
        for (int k = 0; k < 3; k++)
            ck_assert_int_eq(nl_settings_set(&settings, "MODEL.video_arc_choice",
                                             value[order[i][k]], order[i][k]),
                             NL_OK);
        ck_assert_int_eq(settings.config.model.video_arc_choice, 4);
        ck_assert_int_eq(nl_settings_origin(&settings, "MODEL.video_arc_choice"), NL_BY_FLAG);
    }
    /* what loses is checked all the same */
    ck_assert_int_eq(nl_settings_set(&settings, "MODEL.video_arc_choice", "9", NL_BY_FILE),
                     NL_EUSAGE);
}
END_TEST

START_TEST(a_checkpoint_says_nothing_about_the_machine)
{
    static const char text[] = "MODEL: {backend: cuda, width: 8}\nTRAIN: {filelist: theirs.txt}\n";
    ck_assert_int_eq(nl_settings_read(&settings, text, "c.safetensors", NL_BY_CHECKPOINT), NL_OK);
    ck_assert_int_eq(settings.config.model.width, 8);
    assert_value("MODEL.backend", "'auto'");
    assert_value("TRAIN.filelist", "'./data/dataset/nonlocal/trainlist.txt'");
    ck_assert_int_eq(nl_settings_origin(&settings, "MODEL.backend"), NL_BY_DEFAULT);
}
END_TEST

START_TEST(a_path_may_be_any_bytes)
{
    char longest[NL_PATH_MAX + 1];
    ck_assert_int_eq(
        nl_settings_set_text(&settings, "INFER.video_path", "a\n: \xE9*!'.mp4", NL_BY_FLAG), NL_OK);
    ck_assert_str_eq(settings.config.infer.video_path, "a\n: \xE9*!'.mp4");
    assert_value("INFER.video_path", "\"a\\u000A: \\uFFFD*!'.mp4\"");
    memset(longest, 'x', NL_PATH_MAX);
    longest[NL_PATH_MAX] = '\0';
    ck_assert_int_eq(nl_settings_set_text(&settings, "INFER.video_path", longest, NL_BY_FLAG),
                     NL_EUSAGE);
    ck_assert_int_eq(nl_settings_set_text(&settings, "INFER.video_path", longest + 1, NL_BY_FLAG),
                     NL_OK);
    ck_assert_int_eq(nl_settings_set_text(&settings, "MODEL.depth", "50", NL_BY_FLAG), NL_EINVAL);
}
END_TEST

static void dump(struct nl_text *text)
{
    nl_settings_dump(&settings, text);
    ck_assert_int_eq(nl_text_check(text), NL_OK);
}

/* Reads a dump into fresh settings, resolves and dumps them again: the same text. */
static void assert_round_trip(void)
{
    struct nl_text first = {.data = NULL}, second = {.data = NULL};
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    dump(&first);
    const struct nl_settings before = settings;
    ck_assert_int_eq(nl_settings_init(&settings), NL_OK);
    ck_assert_msg(nl_settings_read(&settings, first.data, "dump", NL_BY_FILE) == NL_OK, "%s",
                  nl_error());
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    dump(&second);
    ck_assert_str_eq(second.data, first.data);
    ck_assert_int_eq(settings.config.nonlocal.n_blocks, before.config.nonlocal.n_blocks);
    for (int i = 0; i < before.config.nonlocal.n_blocks; i++)
        ck_assert_str_eq(settings.config.nonlocal.blocks[i].options.pairwise,
                         before.config.nonlocal.blocks[i].options.pairwise);
    nl_text_clear(&first);
    nl_text_clear(&second);
}

START_TEST(a_dump_reads_back_to_the_same_configuration)
{
    assert_round_trip();
    give("NONLOCAL.use_maxpool", "False");
    give("NONLOCAL.use_scale", "False");
    give("NONLOCAL.blocks", "{4: {1: {pairwise: dot, bn_momentum: 0.123456789012345678}}, 3: [1]}");
    give("NONLOCAL.group_size", "{3: 4}");
    give("TRAIN.learning_rate", "0.012345678901234567");
    give("TRAIN.filelist", "\"tab\\t quote' double\\\" \\xE9 \\u2028 \\\\ end \"");
    give("MODEL.dataset", "\"- : # {}\"");
    assert_round_trip();
    assert_value("NONLOCAL.pool", "none");
    assert_value("NONLOCAL.scale", "none");
    ck_assert_str_eq(settings.config.train.sampling.filelist,
                     "tab\t quote' double\" \xC3\xA9 \xE2\x80\xA8 \\ end ");
    ck_assert_str_eq(settings.config.model.dataset, "- : # {}");
}
END_TEST

/* pool and scale where the original's spellings and ours are given by setters of different rank. */
static const struct {
    const char *file, *flag_key, *flag;
    int pool, scale;
} spellings[] = {
    {"", NULL, NULL, NL_POOL_BEFORE, NL_SCALE_INNER},
    {"use_maxpool: False", NULL, NULL, NL_POOL_NONE, NL_SCALE_INNER},
    {"use_scale: False", NULL, NULL, NL_POOL_BEFORE, NL_SCALE_NONE},
    {"use_maxpool: False, pool: after", NULL, NULL, NL_POOL_AFTER, NL_SCALE_INNER},
    {"use_scale: False, scale: in", NULL, NULL, NL_POOL_BEFORE, NL_SCALE_IN},
    {"pool: after", "NONLOCAL.use_maxpool", "False", NL_POOL_NONE, NL_SCALE_INNER},
    {"use_maxpool: False", "NONLOCAL.pool", "before", NL_POOL_BEFORE, NL_SCALE_INNER},
    {"scale: none", "NONLOCAL.use_scale", "True", NL_POOL_BEFORE, NL_SCALE_INNER},
};

START_TEST(the_originals_spellings_give_pool_and_scale_unless_ours_are_given)
{
    char text[128];
    snprintf(text, sizeof text, "NONLOCAL: {%s}", spellings[_i].file);
    ck_assert_int_eq(nl_settings_read(&settings, text, "f", NL_BY_FILE), NL_OK);
    if (spellings[_i].flag_key) give(spellings[_i].flag_key, spellings[_i].flag);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
        ck_assert_int_eq(settings.config.nonlocal.options.pool, spellings[_i].pool);
        ck_assert_int_eq(settings.config.nonlocal.options.scale, spellings[_i].scale);
    }
}
END_TEST

START_TEST(affine_scales_are_decayed_as_filters_unless_told_otherwise)
{
    static const struct {
        const char *file, *flag;
        double want;
    } cases[] = {{"epoch: 1", NULL, 1e-4},
                 {"weight_decay: 0.5", NULL, 0.5},
                 {"weight_decay: 0.5, weight_decay_affine: 0.25", NULL, 0.25},
                 {"weight_decay_affine: 0.25", "0.125", 0.125}};
    char text[128];
    for (size_t i = 0; i < NL_COUNT(cases); i++) {
        ck_assert_int_eq(nl_settings_init(&settings), NL_OK);
        snprintf(text, sizeof text, "TRAIN: {%s}", cases[i].file);
        ck_assert_int_eq(nl_settings_read(&settings, text, "f", NL_BY_FILE), NL_OK);
        if (cases[i].flag) give("TRAIN.weight_decay", cases[i].flag);
        ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
        ck_assert_double_eq(settings.config.train.weight_decay_affine, cases[i].want);
    }
}
END_TEST

START_TEST(a_block_has_its_own_switches_and_else_those_of_all)
{
    give("NONLOCAL.pairwise", "gaussian");
    give("NONLOCAL.group_size", "{3: 2}");
    give("NONLOCAL.blocks", "{3: {1: {pairwise: dot, inner: 8, use_bn: False, conv_init_std: 0.5,"
                            " pool: none, pool_size: [1, 4, 4], group_size: 4}, 0: {}}, 4: [5]}");
    give("NONLOCAL.inner", "16");
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    const struct nl_block_place *own = &settings.config.nonlocal.blocks[1];
    const struct nl_block_place *plain = &settings.config.nonlocal.blocks[0];
    ck_assert_int_eq(settings.config.nonlocal.n_blocks, 3);
    ck_assert(own->stage == 3 && own->index == 1 && plain->stage == 3 && plain->index == 0);
    ck_assert_str_eq(own->options.pairwise, "dot");
    ck_assert_int_eq(own->options.inner, 8);
    ck_assert_int_eq(own->options.pool, NL_POOL_NONE);
    ck_assert_int_eq(own->options.pool_size[2], 4);
    ck_assert_int_eq(own->options.group_size, 4);
    ck_assert(!own->options.use_bn);
    ck_assert_double_eq(own->options.conv_init_std, 0.5);
    ck_assert_double_eq(own->options.bn_momentum, 0.9);
    ck_assert_str_eq(plain->options.pairwise, "gaussian");
    ck_assert_int_eq(plain->options.inner, 16);
    ck_assert_int_eq(plain->options.group_size, 2);
    ck_assert(plain->options.use_bn);
    ck_assert_int_eq(settings.config.nonlocal.blocks[2].options.group_size, 0);
}
END_TEST

static const struct {
    const char *key[2], *value[2], *message;
} contradictions[] = {
    {{"NONLOCAL.use_softmax", NULL}, {"False", NULL}, "pairwise: dot_product"},
    {{"TRAIN.jitter_scales", NULL}, {"[320, 256]", NULL}, "TRAIN.jitter_scales: want the smaller"},
    {{"INFER.jitter_scales", NULL}, {"[257, 256]", NULL}, "INFER.jitter_scales: want the smaller"},
    {{"NONLOCAL.group_size", "NONLOCAL.extent"}, {"2", "space"}, "extent: spacetime"},
    {{"NONLOCAL.group_size", "NONLOCAL.extent"}, {"{3: 2}", "time"}, "extent: spacetime"},
    {{"NONLOCAL.blocks", NULL}, {"{3: {1: {extent: time, group_size: 2}}}", NULL}, "extent"},
};

START_TEST(options_that_contradict_each_other_are_refused)
{
    for (int i = 0; i < 2 && contradictions[_i].key[i]; i++)
        give(contradictions[_i].key[i], contradictions[_i].value[i]);
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_EUSAGE);
    assert_error(contradictions[_i].message);
}
END_TEST

START_TEST(what_has_no_effect_is_warned_of_once_and_only_where_it_was_changed)
{
    give("TRAIN.max_iter", "400000");
    give("RESNETS.trans_func", "bottleneck_transformation_3d");
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    ck_assert_str_eq(warnings, "");
    give("TRAIN.max_iter", "5");
    give("MODEL.depth", "101");
    for (int i = 0; i < 2; i++) ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    ck_assert_str_eq(warnings,
                     "TRAIN.max_iter has no effect, in the original neither\n"
                     "MODEL.depth 101 is not that of video_arc_choice 1; the arc decides (50)\n");
}
END_TEST

START_TEST(a_flag_that_contradicts_a_checkpoint_is_an_error)
{
    static struct nl_settings theirs;
    ck_assert_int_eq(nl_settings_init(&theirs), NL_OK);
    ck_assert_int_eq(nl_settings_set(&theirs, "MODEL.num_classes", "5", NL_BY_CHECKPOINT), NL_OK);
    ck_assert_int_eq(nl_settings_agree(&settings, &theirs, "MODEL.num_classes", "c"), NL_OK);
    give("MODEL.num_classes", "5");
    ck_assert_int_eq(nl_settings_agree(&settings, &theirs, "MODEL.num_classes", "c"), NL_OK);
    give("MODEL.num_classes", "6");
    ck_assert_int_eq(nl_settings_agree(&settings, &theirs, "MODEL.num_classes", "c"), NL_EUSAGE);
    assert_error("c: MODEL.num_classes is 6, but this checkpoint was made with 5");
}
END_TEST

/* The page docs/options.md is what the table gives. */
START_TEST(the_page_of_options_is_up_to_date)
{
    const char *fixtures = getenv("NL_FIXTURES");
    static char page[1 << 16], made[1 << 16], path[4096];
    if (!fixtures) {
        puts("skip: NL_FIXTURES is not set");
        return;
    }
    snprintf(path, sizeof path, "%s/../../docs/options.md", fixtures);
    FILE *file = fopen(path, "r"), *temporary = tmpfile();
    ck_assert_ptr_nonnull(file);
    ck_assert_ptr_nonnull(temporary);
    const size_t size = fread(page, 1, sizeof page - 1, file);
    nl_options_markdown(temporary);
    rewind(temporary);
    ck_assert_uint_eq(fread(made, 1, sizeof made - 1, temporary), size);
    ck_assert_msg(strcmp(page, made) == 0,
                  "docs/options.md is old; run: nonlocal options --markdown >docs/options.md");
    fclose(file);
    fclose(temporary);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("options");
    TCase *tc = tcase_create("table");
    tcase_add_checked_fixture(tc, reset_settings, NULL);
    tcase_add_test(tc, rows_are_sound);
    tcase_add_test(tc, defaults_are_the_originals);
    tcase_add_loop_test(tc, a_value_is_read_and_written, 0, NL_COUNT(good));
    tcase_add_loop_test(tc, a_wrong_value_is_refused_in_one_line_that_says_what_is_wanted, 0,
                        NL_COUNT(bad));
    tcase_add_test(tc, who_goes_first_does_not_depend_on_the_order);
    tcase_add_test(tc, a_checkpoint_says_nothing_about_the_machine);
    tcase_add_test(tc, a_path_may_be_any_bytes);
    tcase_add_test(tc, a_dump_reads_back_to_the_same_configuration);
    tcase_add_loop_test(tc, the_originals_spellings_give_pool_and_scale_unless_ours_are_given, 0,
                        NL_COUNT(spellings));
    tcase_add_test(tc, affine_scales_are_decayed_as_filters_unless_told_otherwise);
    tcase_add_test(tc, a_block_has_its_own_switches_and_else_those_of_all);
    tcase_add_loop_test(tc, options_that_contradict_each_other_are_refused, 0,
                        NL_COUNT(contradictions));
    tcase_add_test(tc, what_has_no_effect_is_warned_of_once_and_only_where_it_was_changed);
    tcase_add_test(tc, a_flag_that_contradicts_a_checkpoint_is_an_error);
    tcase_add_test(tc, the_page_of_options_is_up_to_date);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
