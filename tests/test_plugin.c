#include "src/app/plugin.h"

#include "tests/network.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Path of a plug-in of the tests. Those that are refused lie in a folder of their own, so that
 * the other folder loads as a whole. */
static const char *built(const char *name)
{
    static char path[NL_PATH_MAX];
    const char *folder = getenv("NL_TEST_PLUGINS");
    ck_assert_msg(folder, "NL_TEST_PLUGINS is not set");
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void expect_refusal(const char *name, nl_status status, const char *format)
{
    char want[NL_PATH_MAX + 256];
    const char *path = built(name);
    snprintf(want, sizeof want, "plug-in %s%s", path, format);
    ck_assert_int_eq(nl_plugins_load(path), status);
    ck_assert_str_eq(nl_error(), want);
}

START_TEST(a_folder_is_loaded_in_the_order_of_names)
{
    const struct nl_block *block = NULL;
    struct nl_backend be;
    const char *path = NULL;
    ck_assert_int_eq(nl_backend_open("guarded", 1, &be), NL_EUSAGE);
    ck_assert_int_eq(nl_block_find("rectified", &block), NL_EUSAGE);
    ck_assert_msg(nl_plugins_load(built("")) == NL_OK, "%s", nl_error());
    ck_assert_str_eq(nl_plugin_at(0, &path)->name, "rectified");
    ck_assert_ptr_nonnull(strstr(path, "plugin_block.so"));
    ck_assert_str_eq(nl_plugin_at(1, NULL)->name, "guarded");
    ck_assert_ptr_null(nl_plugin_at(2, NULL));
    ck_assert_int_eq(nl_block_find("rectified", &block), NL_OK);
    ck_assert_int_eq(nl_backend_open("guarded", 1, &be), NL_OK);
    nl_backend_close(&be);
}
END_TEST

START_TEST(a_list_may_repeat_itself_and_have_empty_entries)
{
    char list[3 * NL_PATH_MAX], one[NL_PATH_MAX];
    snprintf(one, sizeof one, "%s", built("plugin_guarded.so"));
    snprintf(list, sizeof list, "::%s:%s:", one, built(""));
    ck_assert_msg(nl_plugins_load(list) == NL_OK, "%s", nl_error());
    ck_assert_str_eq(nl_plugin_at(0, NULL)->name, "guarded");
    ck_assert_str_eq(nl_plugin_at(1, NULL)->name, "rectified");
    ck_assert_ptr_null(nl_plugin_at(2, NULL));
}
END_TEST

START_TEST(without_a_list_nothing_is_loaded)
{
    ck_assert_int_eq(nl_plugins_load(NULL), NL_OK);
    ck_assert_int_eq(nl_plugins_load(""), NL_OK);
    unsetenv("NL_PLUGIN_PATH");
    ck_assert_int_eq(nl_plugins_load_env(), NL_OK);
    ck_assert_ptr_null(nl_plugin_at(0, NULL));
}
END_TEST

START_TEST(the_environment_names_plug_ins)
{
    setenv("NL_PLUGIN_PATH", built("plugin_block.so"), 1);
    ck_assert_msg(nl_plugins_load_env() == NL_OK, "%s", nl_error());
    ck_assert_str_eq(nl_plugin_at(0, NULL)->name, "rectified");
}
END_TEST

START_TEST(another_version_is_refused_in_one_line)
{
    char want[80];
    snprintf(want, sizeof want, " was built for version %d, this is %d; rebuild it",
             NL_PLUGIN_ABI + 1, NL_PLUGIN_ABI);
    expect_refusal("../odd/.libs/plugin_version.so", NL_EINVAL, want);
    ck_assert_ptr_null(nl_plugin_at(0, NULL));
}
END_TEST

START_TEST(a_descriptor_of_another_size_is_refused)
{
    char want[128];
    snprintf(want, sizeof want, ": its descriptor has 16 bytes, want %zu; rebuild it",
             sizeof(struct nl_plugin));
    expect_refusal("../odd/.libs/plugin_size.so", NL_EINVAL, want);
}
END_TEST

START_TEST(a_library_without_a_descriptor_is_refused)
{
    expect_refusal("../odd/.libs/plugin_symbol.so", NL_EINVAL, ": exports no nl_plugin");
}
END_TEST

START_TEST(a_name_that_is_taken_is_refused)
{
    expect_refusal("../odd/.libs/plugin_taken.so", NL_EINVAL, ": there is already a backend ref");
}
END_TEST

START_TEST(what_is_missing_or_no_library_is_an_error)
{
    expect_refusal("missing.so", NL_EIO, ": No such file or directory");
    ck_assert_int_eq(nl_plugins_load("/dev/null"), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "plug-in cannot be loaded: /dev/null"));
    ck_assert_ptr_null(strchr(nl_error(), '\n'));
}
END_TEST

/* Of two arrays of floating-point numbers. */
static bool same_bits(const void *a, const void *b, size_t bytes)
{
    return memcmp(a, b, bytes) == 0;
}

/* What the process may do at an address, "rw-p" or "---p". */
static void access_of(const void *address, char access[5])
{
    char line[512];
    uintptr_t first, end;
    FILE *maps = fopen("/proc/self/maps", "r");
    ck_assert_ptr_nonnull(maps);
    snprintf(access, 5, "none");
    while (fgets(line, sizeof line, maps)) {
        char found[5];
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %4s", &first, &end, found) != 3) continue;
        if ((uintptr_t)address >= first && (uintptr_t)address < end) memcpy(access, found, 5);
    }
    fclose(maps);
}

START_TEST(guarded_memory_is_out_of_the_hosts_reach)
{
    struct nl_backend be;
    void *block = NULL;
    char access[5];
    float out[4] = {0}, in[4] = {1, 2, 3, 4};
    ck_assert_msg(nl_plugins_load(built("plugin_guarded.so")) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_backend_open("guarded", 1, &be), NL_OK);
    ck_assert_int_eq(be.ops->memory->alloc(&be, sizeof in, &block), NL_OK);
    ck_assert_uint_eq((uintptr_t)block % 64, 0);
    ck_assert_int_eq(be.ops->memory->copy(&be, block, in, sizeof in, NL_TO_DEVICE), NL_OK);
    access_of(block, access);
    ck_assert_str_eq(access, "---p");
    ck_assert_int_eq(be.ops->memory->copy(&be, out, block, sizeof out, NL_TO_HOST), NL_OK);
    ck_assert(same_bits(in, out, sizeof in));
    access_of(block, access);
    ck_assert_str_eq(access, "---p");
    ck_assert_int_eq(be.ops->memory->copy(&be, out, in, sizeof in, NL_TO_DEVICE), NL_EINVAL);
    ck_assert_int_eq(be.ops->memory->copy(&be, block, in, 65, NL_TO_DEVICE), NL_EINVAL);
    be.ops->memory->release(&be, block);
    nl_backend_close(&be);
}
END_TEST

START_TEST(guarded_kernels_take_no_host_memory)
{
    struct nl_backend be;
    struct nl_kernel kernel;
    float host[4] = {0};
    nl_tensor v = nl_tensor_dense(NL_F32, 1, (const int64_t[]){4});
    const struct nl_op_desc desc = {.op = NL_OP_RELU, .in = {v}, .out = {v}};
    ck_assert_msg(nl_plugins_load(built("plugin_guarded.so")) == NL_OK, "%s", nl_error());
    ck_assert_int_eq(nl_backend_open("guarded", 1, &be), NL_OK);
    ck_assert_int_eq(nl_kernel_prepare(&be, &desc, NULL, &kernel), NL_OK);
    v.data = host;
    const struct nl_args args = {.in = {v}, .out = {v}};
    ck_assert_int_eq(nl_kernel_run(&be, &kernel, &args), NL_EINVAL);
    nl_kernel_drop(&be, &kernel);
    nl_backend_close(&be);
}
END_TEST

enum { CLIP = 3 * 8 * 64 * 64, CLASSES = 5 };

static void run_network(const char *backend, const char *pairwise, const float *clip, double *out)
{
    const char *const sets[] = {pairwise, NULL};
    struct network n;
    network_open(&n, backend, 2, sets);
    ck_assert_int_eq(nl_params_init(&n.model.params, 7, true), NL_OK);
    network_plan(&n, 1, 8, 64, 64);
    network_run(&n, clip, out);
    network_close(&n);
}

static const char *const variants[] = {"NONLOCAL.pairwise=gaussian", "NONLOCAL.pairwise=embedded",
                                       "NONLOCAL.pairwise=dot", "NONLOCAL.pairwise=concat",
                                       "NONLOCAL.pairwise=rectified"};

/* The last variant comes from a plug-in too. */
START_TEST(a_network_on_guarded_memory_gives_the_bits_of_ref)
{
    static float clip[CLIP];
    double want[CLASSES], got[CLASSES];
    random_values(clip, CLIP, "clip");
    ck_assert_msg(nl_plugins_load(built("")) == NL_OK, "%s", nl_error());
    run_network("ref", variants[_i], clip, want);
    run_network("guarded", variants[_i], clip, got);
    ck_assert(same_bits(want, got, sizeof want));
    ck_assert_double_eq_tol(got[0] + got[1] + got[2] + got[3] + got[4], 1, 1e-5);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("plugin");
    TCase *tc = tcase_create("loading and guarded memory");
    tcase_add_test(tc, a_folder_is_loaded_in_the_order_of_names);
    tcase_add_test(tc, a_list_may_repeat_itself_and_have_empty_entries);
    tcase_add_test(tc, without_a_list_nothing_is_loaded);
    tcase_add_test(tc, the_environment_names_plug_ins);
    tcase_add_test(tc, another_version_is_refused_in_one_line);
    tcase_add_test(tc, a_descriptor_of_another_size_is_refused);
    tcase_add_test(tc, a_library_without_a_descriptor_is_refused);
    tcase_add_test(tc, a_name_that_is_taken_is_refused);
    tcase_add_test(tc, what_is_missing_or_no_library_is_an_error);
    tcase_add_test(tc, guarded_memory_is_out_of_the_hosts_reach);
    tcase_add_test(tc, guarded_kernels_take_no_host_memory);
    tcase_add_loop_test(tc, a_network_on_guarded_memory_gives_the_bits_of_ref, 0,
                        NL_COUNT(variants));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
