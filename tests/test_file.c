#include "src/core/file.h"
#include "src/core/memory.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/nl-file-XXXXXX";

static const char *in_folder(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    unlink(in_folder("kept"));
    unlink(in_folder("empty"));
    unlink(in_folder("pipe"));
    ck_assert_int_eq(rmdir(folder), 0); /* nothing else, so no temporary file, is left */
}

static void put(const char *name, const char *text)
{
    struct nl_file_write w;
    ck_assert_int_eq(nl_file_write_begin(&w, in_folder(name)), NL_OK);
    ck_assert_int_ge(fputs(text, w.file), 0);
    ck_assert_int_eq(nl_file_write_commit(&w), NL_OK);
}

static void assert_text(const char *name, const char *want)
{
    char *text = NULL;
    size_t size = 0;
    ck_assert_int_eq(nl_file_read(in_folder(name), 100, &text, &size), NL_OK);
    ck_assert_uint_eq(size, strlen(want));
    ck_assert_str_eq(text, want);
    nl_free(text);
}

START_TEST(a_file_is_written_whole_read_and_mapped)
{
    struct nl_file_map map;
    put("kept", "first");
    put("kept", "second one");
    assert_text("kept", "second one");
    ck_assert_int_eq(nl_file_map(in_folder("kept"), &map), NL_OK);
    ck_assert_uint_eq(map.size, 10);
    ck_assert_int_eq(memcmp(map.data, "second one", 10), 0);
    nl_file_unmap(&map);
    ck_assert_ptr_null(map.data);
    put("empty", "");
    assert_text("empty", "");
    ck_assert_int_eq(nl_file_map(in_folder("empty"), &map), NL_OK);
    ck_assert_uint_eq(map.size, 0);
    nl_file_unmap(&map);
}
END_TEST

START_TEST(an_unfinished_or_failed_write_leaves_the_old_file)
{
    struct nl_file_write w;
    put("kept", "old");
    ck_assert_int_eq(nl_file_write_begin(&w, in_folder("kept")), NL_OK);
    fputs("half of the n", w.file);
    nl_file_write_abort(&w);
    assert_text("kept", "old");
    ck_assert_int_eq(nl_file_write_begin(&w, in_folder("kept")), NL_OK);
    fputs("new", w.file);
    ck_assert_int_eq(fflush(w.file), 0);
    ck_assert_int_eq(close(fileno(w.file)), 0); /* as if the disk failed */
    ck_assert_int_eq(nl_file_write_commit(&w), NL_EIO);
    assert_text("kept", "old");
}
END_TEST

START_TEST(what_cannot_be_written_is_said)
{
    struct nl_file_write w;
    ck_assert_int_eq(nl_file_write_begin(&w, folder), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "is a folder"));
    ck_assert_int_eq(nl_file_write_begin(&w, in_folder("no/such")), NL_EIO);
    ck_assert_int_eq(nl_file_write_begin(&w, "/dev/null"), NL_OK);
    ck_assert_str_eq(w.temporary, "");
    ck_assert_int_eq(nl_file_write_commit(&w), NL_OK);
    if (access("/dev/full", W_OK) != 0) {
        puts("skip: no /dev/full");
        return;
    }
    ck_assert_int_eq(nl_file_write_begin(&w, "/dev/full"), NL_OK);
    fputs("x", w.file);
    ck_assert_int_eq(nl_file_write_commit(&w), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "No space left"));
}
END_TEST

START_TEST(folders_are_made_with_those_above)
{
    char long_name[300];
    struct stat about;
    ck_assert_int_eq(nl_folder_make(in_folder("a/b//c/")), NL_OK);
    ck_assert_int_eq(nl_folder_make(in_folder("a/b/c")), NL_OK); /* it is there */
    ck_assert_int_eq(stat(in_folder("a/b/c"), &about), 0);
    ck_assert(S_ISDIR(about.st_mode));
    put("file", "text");
    ck_assert_int_eq(nl_folder_make(in_folder("file")), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "is a file, want a folder"));
    ck_assert_int_eq(nl_folder_make(in_folder("file/a")), NL_EIO);
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    ck_assert_int_eq(nl_folder_make(long_name), NL_EIO);
    ck_assert_int_eq(nl_folder_make(""), NL_EIO);
    unlink(in_folder("file"));
    rmdir(in_folder("a/b/c"));
    rmdir(in_folder("a/b"));
    rmdir(in_folder("a"));
}
END_TEST

START_TEST(only_regular_files_of_a_bearable_size_are_read)
{
    char *text = NULL;
    size_t size = 0;
    struct nl_file_map map;
    put("kept", "four");
    ck_assert_int_eq(nl_file_read(in_folder("kept"), 3, &text, &size), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "4 bytes, want at most 3"));
    ck_assert_ptr_null(text);
    ck_assert_int_eq(nl_file_read(in_folder("kept"), 4, &text, &size), NL_OK);
    nl_free(text);
    nl_memory_fail_nth(1);
    ck_assert_int_eq(nl_file_read(in_folder("kept"), 4, &text, &size), NL_ENOMEM);
    ck_assert_ptr_null(text);
    ck_assert_int_eq(nl_file_read(folder, 4, &text, &size), NL_EIO);
    ck_assert_int_eq(nl_file_map(in_folder("missing"), &map), NL_EIO);
    ck_assert_int_eq(mkfifo(in_folder("pipe"), 0600), 0);
    ck_assert_int_eq(nl_file_map(in_folder("pipe"), &map), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "is no regular file"));
    ck_assert_int_eq(nl_file_read("a\nb", 4, &text, &size), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "a\\nb: "));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("file");
    TCase *tc = tcase_create("files");
    tcase_add_unchecked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, a_file_is_written_whole_read_and_mapped);
    tcase_add_test(tc, an_unfinished_or_failed_write_leaves_the_old_file);
    tcase_add_test(tc, what_cannot_be_written_is_said);
    tcase_add_test(tc, folders_are_made_with_those_above);
    tcase_add_test(tc, only_regular_files_of_a_bearable_size_are_read);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
