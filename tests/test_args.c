#include "src/app/command.h"
#include "src/app/flags.h"
#include "src/tensor/backend.h"
#include "tests/settings.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Stand-ins: flags are read before any command runs. */
const struct nl_command nl_commands[] = {
    {"predict", "Classes of videos", "[VIDEO|FOLDER...] ", NL_CMD_PREDICT, NULL},
    {"clip", "A clip", "", NL_CMD_CLIP, NULL},
    {"bench", "Times", "", NL_CMD_BENCH, NULL},
    {NULL, NULL, NULL, 0, NULL},
};

static const struct nl_command *const predict = &nl_commands[0], *const bench = &nl_commands[2];

static struct nl_run run;

/* Reads one command line, its words separated by blanks; '' stands for an empty word. */
static nl_status read_words(const struct nl_command *command, const char *words)
{
    static char line[1024];
    char *argv[64], *rest = line;
    int argc = 0;
    nl_args_clear(&run);
    run.command = command;
    snprintf(line, sizeof line, "%s", words);
    for (char *word; (word = strtok_r(rest, " ", &rest));)
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    const nl_status st = nl_args_read(&run, argc, argv);
    settings = run.settings;
    return st;
}

static void assert_read(const struct nl_command *command, const char *words)
{
    ck_assert_msg(read_words(command, words) == NL_OK, "%s: %s", words, nl_error());
}

static void teardown(void)
{
    nl_args_clear(&run);
}

START_TEST(values_follow_an_equals_sign_or_come_next)
{
    assert_read(predict, "--weights=w.pdparams --infer_topk 5 --seed=7 a.mp4 --views 2x3 b.mp4");
    ck_assert_str_eq(run.args.weights, "w.pdparams");
    ck_assert_int_eq(run.args.infer_topk, 5);
    ck_assert_int_eq(run.args.seed, 7);
    ck_assert(run.args.has_seed);
    ck_assert_str_eq(run.args.views, "2x3");
    ck_assert_int_eq(run.args.n_rest, 2);
    ck_assert_str_eq(run.args.rest[0], "a.mp4");
    ck_assert_str_eq(run.args.rest[1], "b.mp4");
    assert_read(predict, "--json=a=b");
    ck_assert_str_eq(run.args.json, "a=b");
    ck_assert(!run.args.has_seed);
    ck_assert_ptr_null(run.args.weights);
}
END_TEST

START_TEST(flags_end_at_two_dashes_and_one_dash_is_a_name)
{
    assert_read(predict, "-25_leading_dash.mp4 -- --weights=x '' --");
    ck_assert_ptr_null(run.args.weights);
    ck_assert_int_eq(run.args.n_rest, 3);
    ck_assert_str_eq(run.args.rest[0], "-25_leading_dash.mp4");
    ck_assert_str_eq(run.args.rest[1], "--weights=x");
    ck_assert_str_eq(run.args.rest[2], "--");
}
END_TEST

START_TEST(empty_paths_and_keys_are_not_given)
{
    assert_read(predict, "--weights= --video_path= --filelist= --config= --backend= --pairwise= "
                         "--json '' --use_gpu=");
    ck_assert_ptr_null(run.args.weights);
    ck_assert_ptr_null(run.args.json);
    for (int i = 0; i < nl_n_options; i++) ck_assert_int_eq(settings.origin[i], NL_BY_DEFAULT);
}
END_TEST

START_TEST(the_originals_command_line_is_read)
{
    assert_read(predict,
                "--model_name=NONLOCAL --use_gpu=False --weights=w --log_interval=1 --batch_size=2 "
                "--infer_topk=20 --filelist=list.txt --save_dir=out --video_path=v.mp4 "
                "--no_memory_optimize --profiler_path=./ --is_profiler=0");
    ck_assert_int_eq(run.args.use_gpu, NL_GPU_FALSE);
    assert_value("INFER.batch_size", "2");
    assert_value("INFER.filelist", "'list.txt'");
    assert_value("INFER.video_path", "'v.mp4'");
    ck_assert_str_eq(warnings, "--save_dir has no effect\n--no_memory_optimize has no effect\n"
                               "--profiler_path has no effect\n--is_profiler has no effect\n");
}
END_TEST

static const struct {
    const char *word;
    int use_gpu;
} gpu[] = {{"True", NL_GPU_TRUE},   {"true", NL_GPU_TRUE}, {"1", NL_GPU_TRUE},
           {"False", NL_GPU_FALSE}, {"0", NL_GPU_FALSE},   {"auto", NL_GPU_AUTO}};

START_TEST(use_gpu_is_a_python_literal_or_auto)
{
    char words[64];
    snprintf(words, sizeof words, "--use_gpu=%s", gpu[_i].word);
    assert_read(predict, words);
    ck_assert_int_eq(run.args.use_gpu, gpu[_i].use_gpu);
}
END_TEST

START_TEST(keys_of_the_configuration_are_set_and_keys_of_nonlocal_are_flags)
{
    assert_read(bench, "--set MODEL.num_classes=5 --set=TRAIN.step_sizes=[1,2] --pairwise=dot "
                       "--nl_impl=tiled --pool_size [1,4,4] --use_bn=False --blocks={3:[1]} "
                       "--backend=ref --precision f64 --set MODEL.num_classes=6");
    assert_value("MODEL.num_classes", "6");
    assert_value("TRAIN.step_sizes", "[1, 2]");
    assert_value("NONLOCAL.pairwise", "'dot'");
    assert_value("NONLOCAL.impl", "'tiled'");
    assert_value("NONLOCAL.pool_size", "[1, 4, 4]");
    assert_value("NONLOCAL.use_bn", "False");
    assert_value("MODEL.backend", "'ref'");
    assert_value("MODEL.precision", "f64");
    ck_assert_int_eq(nl_settings_origin(&settings, "NONLOCAL.pairwise"), NL_BY_FLAG);
}
END_TEST

/* One table serves the flag and the file: no key of NONLOCAL is hidden behind another flag. */
START_TEST(every_key_of_nonlocal_is_a_flag_of_every_command)
{
    char key[96];
    for (const struct nl_command *command = nl_commands; command->name; command++)
        for (int i = 0; i < nl_n_options; i++) {
            if (strcmp(nl_options[i].section, "NONLOCAL") != 0) continue;
            const struct nl_flag *flag = nl_flag_find(nl_options[i].key, command->bit);
            snprintf(key, sizeof key, "NONLOCAL.%s", nl_options[i].key);
            ck_assert_ptr_nonnull(flag);
            ck_assert_str_eq(flag->key, key);
        }
}
END_TEST

START_TEST(json_names_a_file_for_predict_and_is_bare_for_bench)
{
    assert_read(predict, "--json out.jsonl");
    ck_assert_str_eq(run.args.json, "out.jsonl");
    assert_read(bench, "--json --per-op --mode=infer rest");
    ck_assert(run.args.bare_json && run.args.per_op);
    ck_assert_ptr_null(run.args.json);
    ck_assert_int_eq(run.args.n_rest, 1);
    assert_read(bench, "--json=False --per-op=True");
    ck_assert(!run.args.bare_json && run.args.per_op);
}
END_TEST

START_TEST(a_flag_goes_before_the_file_wherever_it_stands)
{
    char path[] = "/tmp/nl-args-XXXXXX", words[256];
    const int fd = mkstemp(path);
    static const char text[] = "MODEL: {num_classes: 5, width: 8}\n";
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(fd);
    snprintf(words, sizeof words, "--set MODEL.num_classes=7 --config %s", path);
    assert_read(predict, words);
    unlink(path);
    ck_assert_int_eq(settings.config.model.num_classes, 7);
    ck_assert_int_eq(settings.config.model.width, 8);
    ck_assert_int_eq(nl_settings_origin(&settings, "MODEL.width"), NL_BY_FILE);
}
END_TEST

static const struct {
    const char *words, *message;
} bad[] = {
    {"--wieghts=x", "unknown flag --wieghts; the nearest is --weights"},
    {"--pairwize=dot", "unknown flag --pairwize; the nearest is --pairwise"},
    {"--qqqqqqqqqqqqqqqq", "unknown flag --qqqqqqqqqqqqqqqq; see nonlocal predict --help"},
    {"--shape=1", "--shape is no flag of this command; see nonlocal predict --help"},
    {"--xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "unknown flag"},
    {"--=x", "unknown flag --"},
    {"--wei\nghts=x", "unknown flag --wei\\nghts"},
    {"--weights", "--weights: no value; write --weights=VALUE"},
    {"--weights --json=x", "--weights: no value"},
    {"--infer_topk=0", "--infer_topk: want an integer from 1 to 1000000, got \"0\""},
    {"--infer_topk=5x", "--infer_topk: want an integer"},
    {"--infer_topk=", "--infer_topk: want an integer"},
    {"--seed=-1", "--seed: want an integer from 0"},
    {"--seed=99999999999999999999", "--seed: want an integer from 0"},
    {"--threads=0", "--threads: want an integer from 1 to 1024"},
    {"--views=", "--views: want a value"},
    {"--use_gpu=maybe", "--use_gpu: want True, False or auto, got \"maybe\""},
    {"--allow_missing=2", "--allow_missing: want True or False, got \"2\""},
    {"--set=x", "--set: want SECTION.KEY=VALUE, got \"x\""},
    {"--set MODEL.x=1", "unknown key MODEL.x"},
    {"--pool=behind", "NONLOCAL.pool: want before or after or none, got \"behind\""},
    {"--precision=f16", "MODEL.precision: want f32 or bf16 or f64"},
};

START_TEST(a_wrong_flag_is_refused_in_one_line)
{
    ck_assert_int_eq(read_words(predict, bad[_i].words), NL_EUSAGE);
    assert_error(bad[_i].message);
}
END_TEST

START_TEST(threads_are_as_many_as_processors_at_most)
{
    char words[64];
    const int most = nl_processors();
    snprintf(words, sizeof words, "--threads=%d", most);
    assert_read(predict, words);
    ck_assert_int_eq(run.args.threads, most);
    snprintf(words, sizeof words, "--threads=%d", most + 1);
    ck_assert_int_eq(read_words(predict, words), NL_EUSAGE);
    assert_error(most < 1024 ? "want at most " : "want an integer");
}
END_TEST

START_TEST(a_missing_configuration_is_named)
{
    ck_assert_int_eq(read_words(predict, "--config=/no/such.yaml"), NL_EIO);
    assert_error("--config: /no/such.yaml: No such file or directory");
}
END_TEST

START_TEST(paths_are_any_bytes)
{
    char path[] = "--video_path=\xE9 #: *.mp4";
    char *argv[] = {path};
    nl_args_clear(&run);
    run.command = predict;
    ck_assert_int_eq(nl_args_read(&run, 1, argv), NL_OK);
    ck_assert_str_eq(run.settings.config.infer.video_path, "\xE9 #: *.mp4");
}
END_TEST

static void usage_of(const struct nl_command *command, char *out, size_t size)
{
    FILE *file = tmpfile();
    ck_assert_ptr_nonnull(file);
    nl_print_usage(command, file);
    rewind(file);
    out[fread(out, 1, size - 1, file)] = '\0';
    fclose(file);
}

START_TEST(the_usage_lists_what_a_command_takes)
{
    static char text[1 << 16];
    usage_of(NULL, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "predict       Classes of videos"));
    usage_of(predict, text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "usage: nonlocal predict [VIDEO|FOLDER...] "));
    for (int i = 0; nl_flag_at(i, NL_CMD_PREDICT); i++) {
        char name[96];
        snprintf(name, sizeof name, "  --%s", nl_flag_at(i, NL_CMD_PREDICT)->name);
        ck_assert_msg(strstr(text, name) != NULL, "%s is not listed", name);
    }
    ck_assert_ptr_null(strstr(text, "--shape"));
    ck_assert(read_words(predict, "--help") == NL_OK && run.args.help);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("args");
    TCase *tc = tcase_create("flags");
    tcase_add_checked_fixture(tc, reset_settings, teardown);
    tcase_add_test(tc, values_follow_an_equals_sign_or_come_next);
    tcase_add_test(tc, flags_end_at_two_dashes_and_one_dash_is_a_name);
    tcase_add_test(tc, empty_paths_and_keys_are_not_given);
    tcase_add_test(tc, the_originals_command_line_is_read);
    tcase_add_loop_test(tc, use_gpu_is_a_python_literal_or_auto, 0, NL_COUNT(gpu));
    tcase_add_test(tc, keys_of_the_configuration_are_set_and_keys_of_nonlocal_are_flags);
    tcase_add_test(tc, every_key_of_nonlocal_is_a_flag_of_every_command);
    tcase_add_test(tc, json_names_a_file_for_predict_and_is_bare_for_bench);
    tcase_add_test(tc, a_flag_goes_before_the_file_wherever_it_stands);
    tcase_add_loop_test(tc, a_wrong_flag_is_refused_in_one_line, 0, NL_COUNT(bad));
    tcase_add_test(tc, threads_are_as_many_as_processors_at_most);
    tcase_add_test(tc, a_missing_configuration_is_named);
    tcase_add_test(tc, paths_are_any_bytes);
    tcase_add_test(tc, the_usage_lists_what_a_command_takes);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
