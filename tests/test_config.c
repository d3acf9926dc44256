#include "src/core/memory.h"
#include "src/core/rng.h"
#include "tests/settings.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/nl-config-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *write_file(const char *name, const char *text, size_t size)
{
    const char *path = in_folder(name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

/* The value of every option as one text. NULL and a visible word where the file is not there. */
static char *values_of(const char *path)
{
    struct nl_text text = {.data = NULL};
    reset_settings();
    if (path) ck_assert_msg(nl_settings_load(&settings, path) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_settings_resolve(&settings), NL_OK);
    nl_settings_dump(&settings, &text);
    ck_assert_int_eq(nl_text_check(&text), NL_OK);
    return text.data;
}

static void assert_all_defaults(const char *path)
{
    char *defaults = values_of(NULL), *loaded = values_of(path);
    ck_assert_str_eq(loaded, defaults);
    ck_assert_str_eq(warnings, "");
    nl_free(defaults);
    nl_free(loaded);
}

/* Those that follow another key unless they are given. */
static bool is_shown_as_comment(const struct nl_option *option)
{
    static const char *const names[] = {"NONLOCAL.pool", "NONLOCAL.scale", "NONLOCAL.blocks",
                                        "TRAIN.weight_decay_affine"};
    char name[128];
    snprintf(name, sizeof name, "%s.%s", option->section, option->key);
    for (size_t i = 0; i < NL_COUNT(names); i++)
        if (strcmp(name, names[i]) == 0) return true;
    return false;
}

START_TEST(the_shipped_file_has_every_key_with_its_default)
{
    const char *path = getenv("NL_CONFIG");
    if (!path) {
        puts("skip: NL_CONFIG is not set");
        return;
    }
    assert_all_defaults(path);
    for (int i = 0; i < nl_n_options; i++) {
        const nl_setter want = is_shown_as_comment(&nl_options[i]) ? NL_BY_DEFAULT : NL_BY_FILE;
        ck_assert_msg(settings.origin[i] == want, "%s.%s", nl_options[i].section,
                      nl_options[i].key);
    }
}
END_TEST

START_TEST(the_originals_file_loads_unchanged_and_says_the_defaults)
{
    char path[4096];
    const char *shared = getenv("NL_SHARED");
    snprintf(path, sizeof path, "%s/spec/original_keys.yaml", shared ? shared : "");
    if (!shared || access(path, R_OK) != 0) {
        puts("skip: NL_SHARED has no spec/original_keys.yaml");
        return;
    }
    assert_all_defaults(path);
    for (int i = 0; i < nl_n_options; i++)
        ck_assert_msg((settings.origin[i] == NL_BY_FILE) == !(nl_options[i].flags & NL_OPT_OURS),
                      "%s.%s", nl_options[i].section, nl_options[i].key);
}
END_TEST

static const struct {
    const char *text, *message; /* NULL: no error */
} files[] = {
    {"", NULL},
    {"# nothing but a comment\n", NULL},
    {"---\nMODEL: {}\n...\n", NULL},
    {"MODEL:\nTRAIN: ~\n", NULL},
    {"\xEF\xBB\xBFMODEL: {width: 8}\n", NULL},
    {"MODEL:\r\n  width: 8\r\n", NULL},
    {"MODEL: {&a width: 8}\n", NULL},
    {"MODEL:\n  width: 8\n  widht: 8\n", "f.yaml:3: unknown key MODEL.widht; the nearest is width"},
    {"MODEL:\n  width:\n    8x\n", "f.yaml:3: MODEL.width: want an integer from 1 to 1024, got"},
    {"MODEL:\n  width: 4096\n", "f.yaml:2: MODEL.width: want an integer from 1 to 1024"},
    {"MODEL:\n  width: 8\n  depth: 50\n  width: 9\n", "f.yaml:4: width stands twice"},
    {"MODEL: {}\nTRAIN: {}\nMODEL: {}\n", "f.yaml:3: MODEL stands twice"},
    {"\nMODLE:\n  width: 8\n", "f.yaml:2: unknown section MODLE; the nearest is MODEL"},
    {"MODEL: 5\n", "f.yaml:1: section MODEL is no map of keys"},
    {"MODEL: [width, 8]\n", "f.yaml:1: section MODEL is no map of keys"},
    {"- MODEL\n", "f.yaml:1: want sections such as MODEL:, found a list"},
    {"hello\n", "f.yaml:1: want sections such as MODEL:, found plain text"},
    {"MODEL: {width: 8\nTRAIN: {}\n", "f.yaml:2: "},
    {"MODEL:\n\twidth: 8\n", "f.yaml:2: found character that cannot start any token"},
    {"MODEL: {? [a] : 8}\n", "f.yaml:1: a key must be a plain word"},
    {"MODEL: {}\n---\nTRAIN: {}\n", "f.yaml:2: a second document"},
    {"a: &a [x]\nMODEL: *a\n", "f.yaml:2: aliases (*name) are not read"},
    {"MODEL: &a {<<: *a}\n", "f.yaml:1: aliases"},
    {"MODEL: {width: !!int 8}\n", "f.yaml:1: tags (!name) are not read"},
    {"MODEL: !x {width: 8}\n", "f.yaml:1: tags"},
    {"MODEL: {dataset: \"a\\0b\"}\n", "f.yaml:1: a text with a zero byte"},
    {"MODEL: {dataset: \"\xFF\"}\n", "f.yaml:"},
    {"MODEL: {\"wi\\ndth\": 8}\n", "f.yaml:1: unknown key MODEL.wi\\ndth"},
    {"MODEL: {width: \"8\\e[31m\"}\n", "got \"8\\x1B[31m\""},
    {"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "f.yaml:1: nested too deeply"},
    {"{a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {", "nested too deeply"},
    {"- - - - - - - - - - - - - - - - - - x\n", "nested too deeply"},
};

START_TEST(a_file_is_read_or_refused_with_its_line)
{
    const char *path = write_file("f.yaml", files[_i].text, strlen(files[_i].text));
    const nl_status st = nl_settings_load(&settings, path);
    ck_assert_msg(st == (files[_i].message ? NL_EUSAGE : NL_OK), "%s", nl_error());
    if (files[_i].message) assert_error(files[_i].message);
    /* the same settings go on to work */
    give("MODEL.width", "16");
    assert_value("MODEL.width", "16");
}
END_TEST

/* `count` times `piece`, each numbered, and how they are refused. */
static const struct {
    const char *start, *piece, *end, *message;
    int count;
} large[] = {
    {"MODEL: {", "k%d: 1, ", "}", "more keys than any section has", 2000},
    {"TRAIN: {step_sizes: [", "%d, ", "1]}", "more values than any configuration has", 100000},
    {"MODEL: {dataset: ", "%dxxxxxxxxxxxxxxx", "}", "want at most 1048576", 80000},
};

START_TEST(a_file_larger_than_any_configuration_is_refused)
{
    struct nl_text text = {.data = NULL};
    nl_text_add(&text, "%s", large[_i].start);
    for (int i = 0; i < large[_i].count; i++) {
        char number[16];
        snprintf(number, sizeof number, "%d", i);
        const char *mark = strchr(large[_i].piece, '%');
        nl_text_add(&text, "%.*s%s%s", (int)(mark - large[_i].piece), large[_i].piece, number,
                    mark + 2);
    }
    nl_text_add(&text, "%s", large[_i].end);
    const char *path = write_file("large.yaml", text.data, text.length);
    ck_assert_int_ne(nl_settings_load(&settings, path), NL_OK);
    assert_error(large[_i].message);
    nl_text_clear(&text);
}
END_TEST

START_TEST(what_is_no_readable_text_file_is_refused)
{
    ck_assert_int_eq(nl_settings_load(&settings, in_folder("missing.yaml")), NL_EIO);
    assert_error("missing.yaml: No such file");
    ck_assert_int_eq(nl_settings_load(&settings, folder), NL_EIO);
    assert_error("is a folder");
    ck_assert_int_eq(nl_settings_load(&settings, ""), NL_EIO);
    ck_assert_int_eq(mkfifo(in_folder("pipe"), 0600), 0);
    ck_assert_int_eq(nl_settings_load(&settings, in_folder("pipe")), NL_EIO);
    assert_error("is no regular file");
    ck_assert_int_eq(nl_settings_load(&settings, "/dev/zero"), NL_EIO);
    ck_assert_int_eq(symlink("loop", in_folder("loop")), 0);
    ck_assert_int_eq(nl_settings_load(&settings, in_folder("loop")), NL_EIO);
    ck_assert_int_eq(nl_settings_load(&settings, write_file("nul", "MODEL: {}\0x", 11)), NL_EUSAGE);
    assert_error("not a text file");
    ck_assert_int_eq(nl_settings_load(&settings, write_file("a\nb", "- x", 3)), NL_EUSAGE);
    assert_error("a\\nb:1: want sections");
}
END_TEST

static const char whole[] =
    "MODEL: {num_classes: 5, bn_epsilon: 1e-5, use_affine: True, dataset: 'x'}\n"
    "NONLOCAL:\n  pairwise: dot_product\n  pool_size: [1, 2, 2]\n  group_size: {3: 4}\n"
    "  blocks: {4: {1: {pairwise: dot, pool: none}, 3: {}}, 3: [1]}\n"
    "TRAIN: {step_sizes: [1, 2], filelist: \"a \\t b\", jitter_scales: [256, 320]}\n";

/* Every allocation of ours fails in its turn: an error each time, no crash, no leak (ASan). */
START_TEST(a_failed_allocation_is_reported_wherever_it_happens)
{
    static struct nl_settings other;
    int failures = 0;
    const char *path = write_file("whole.yaml", whole, strlen(whole));
    for (nl_status st = NL_ENOMEM; st != NL_OK; failures++) {
        ck_assert_int_lt(failures, 10000);
        struct nl_text text = {.data = NULL};
        ck_assert_int_eq(nl_settings_init(&other), NL_OK);
        ck_assert_int_eq(nl_settings_set(&other, "MODEL.num_classes", "7", NL_BY_FLAG), NL_OK);
        nl_memory_fail_nth(failures + 1);
        st = nl_settings_init(&settings);
        if (st == NL_OK) st = nl_settings_load(&other, path);
        if (st == NL_OK) st = nl_settings_resolve(&other);
        if (st == NL_OK) nl_settings_dump(&other, &text);
        if (st == NL_OK) st = nl_text_check(&text);
        nl_memory_fail_nth(0);
        if (st != NL_OK) ck_assert_int_eq(st, NL_ENOMEM);
        nl_text_clear(&text);
    }
    ck_assert_int_gt(failures, 5);
}
END_TEST

/* Changes, drops, doubles or moves some bytes of `text`. */
static void mutate(struct nl_rng *rng, char *text, size_t *length, size_t room)
{
    static const char spice[] = "{}[]:,-&*!|>'\"%@`#\n\t ~?\0\xFF\xC3"
                                "e9.";
    const int changes = (int)nl_rng_range(rng, 1, 3);
    for (int i = 0; i<changes && * length> 1; i++) {
        const size_t at = (size_t)nl_rng_range(rng, 0, (int64_t)*length - 1);
        const size_t from = (size_t)nl_rng_range(rng, 0, (int64_t)*length - 1);
        const size_t longest = *length - (at > from ? at : from);
        size_t count = (size_t)nl_rng_range(rng, 1, 20);
        if (count > longest) count = longest;
        switch (nl_rng_range(rng, 0, 3)) {
        case 0:
            text[at] = spice[nl_rng_range(rng, 0, sizeof spice - 2)];
            break;
        case 1:
            memmove(text + at, text + at + count, *length - at - count);
            *length -= count;
            break;
        case 2:
            memmove(text + at, text + from, count);
            break;
        default:
            if (*length + count >= room) break;
            memmove(text + at + count, text + at, *length - at);
            memset(text + at, spice[nl_rng_range(rng, 0, sizeof spice - 2)], count);
            *length += count;
        }
    }
    text[*length] = '\0';
}

/* Damaged files never crash; those that still read give a configuration that writes and reads. */
START_TEST(damaged_files_are_read_or_refused_but_never_crash)
{
    enum { ROUNDS = 3000 };
    static struct nl_settings defaults;
    struct nl_rng rng;
    int read = 0;
    defaults = settings;
    nl_rng_seed(&rng, 1, "damaged files");
    for (int i = 0; i < ROUNDS; i++) {
        char text[1024];
        size_t length = strlen(whole);
        snprintf(text, sizeof text, "%s", whole);
        mutate(&rng, text, &length, sizeof text);
        settings = defaults;
        const nl_status st = nl_settings_read(&settings, text, "damaged", NL_BY_FILE);
        if (st != NL_OK) {
            ck_assert_int_eq(st, NL_EUSAGE);
            ck_assert_msg(!strchr(nl_error(), '\n'), "%s", nl_error());
            continue;
        }
        if (nl_settings_resolve(&settings) != NL_OK) continue;
        struct nl_text dump = {.data = NULL};
        nl_settings_dump(&settings, &dump);
        ck_assert_int_eq(nl_text_check(&dump), NL_OK);
        settings = defaults;
        ck_assert_msg(nl_settings_read(&settings, dump.data, "dump", NL_BY_FILE) == NL_OK, "%s\n%s",
                      nl_error(), text);
        nl_text_clear(&dump);
        warnings[0] = '\0';
        read++;
    }
    ck_assert_int_gt(read, ROUNDS / 50);
    ck_assert_int_lt(read, ROUNDS);
}
END_TEST

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    static const char *const names[] = {"f.yaml", "large.yaml", "pipe",      "loop",
                                        "nul",    "a\nb",       "whole.yaml"};
    for (size_t i = 0; i < NL_COUNT(names); i++) unlink(in_folder(names[i]));
    ck_assert_int_eq(rmdir(folder), 0);
}

int main(void)
{
    Suite *suite = suite_create("config");
    TCase *tc = tcase_create("files");
    tcase_add_unchecked_fixture(tc, make_folder, remove_folder);
    tcase_add_checked_fixture(tc, reset_settings, NULL);
    tcase_add_test(tc, the_shipped_file_has_every_key_with_its_default);
    tcase_add_test(tc, the_originals_file_loads_unchanged_and_says_the_defaults);
    tcase_add_loop_test(tc, a_file_is_read_or_refused_with_its_line, 0, NL_COUNT(files));
    tcase_add_loop_test(tc, a_file_larger_than_any_configuration_is_refused, 0, NL_COUNT(large));
    tcase_add_test(tc, what_is_no_readable_text_file_is_refused);
    tcase_add_test(tc, a_failed_allocation_is_reported_wherever_it_happens);
    tcase_add_test(tc, damaged_files_are_read_or_refused_but_never_crash);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
