/* What /proc and the control groups say of memory, from files that the tests make. */
#include "src/app/room.h"

#include "src/core/file.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char root[64];
enum { MIB = 1 << 20 };

static void setup(void)
{
    snprintf(root, sizeof root, "/tmp/nl-room-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
}

static void teardown(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", root);
    ck_assert_int_eq(system(command), 0);
}

/* A file below the root, with its folders. */
static void put(const char *name, const char *text)
{
    char path[256], folder[256];
    snprintf(path, sizeof path, "%s%s", root, name);
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    ck_assert_int_eq(nl_folder_make(folder), NL_OK);
    FILE *file = fopen(path, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static void put_meminfo(void)
{
    put("/proc/meminfo", "MemTotal: 9999999 kB\nMemFree: 5 kB\nMemAvailable:   1024000 kB\n");
}

static void assert_room(double mib)
{
    ck_assert_double_eq(nl_room_at(root) / MIB, mib);
}

START_TEST(a_system_that_says_nothing_gives_0)
{
    assert_room(0);
}
END_TEST

START_TEST(without_groups_the_machine_counts)
{
    put_meminfo();
    assert_room(1000);
    put("/proc/self/cgroup", "0::/\n");
    assert_room(1000);
}
END_TEST

#define GROUP "/sys/fs/cgroup/user.slice/run"

START_TEST(a_group_of_version_2_leaves_its_limit_less_what_is_used_but_for_cached_files)
{
    put_meminfo();
    put("/proc/self/cgroup", "0::/user.slice/run\n");
    put(GROUP "/memory.max", "314572800\n");
    put(GROUP "/memory.current", "209715200\n");
    assert_room(100);
    put(GROUP "/memory.stat", "anon 5\ninactive_file 52428800\nactive_file 7\n");
    assert_room(150);
    put(GROUP "/memory.max", "max\n");
    assert_room(1000);
}
END_TEST

START_TEST(groups_above_count_too)
{
    put_meminfo();
    put("/proc/self/cgroup", "0::/user.slice/run\n");
    put(GROUP "/memory.max", "max\n");
    put(GROUP "/memory.current", "0\n");
    put("/sys/fs/cgroup/user.slice/memory.max", "73400320\n");
    put("/sys/fs/cgroup/user.slice/memory.current", "10485760\n");
    assert_room(60);
}
END_TEST

/* In a container the files are those of the mount, whatever the path says. */
START_TEST(version_1_is_read_where_it_is_mounted)
{
    put_meminfo();
    put("/proc/self/cgroup", "9:cpu,cpuacct:/x\n4:memory:/docker/0123\n1:name=systemd:/\n0::/\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "104857600\n");
    put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "20971520\n");
    put("/sys/fs/cgroup/memory/memory.stat", "inactive_file 5\ntotal_inactive_file 1048576\n");
    assert_room(81);
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_room(1000);
}
END_TEST

START_TEST(a_group_over_its_limit_leaves_next_to_nothing)
{
    put_meminfo();
    put("/proc/self/cgroup", "0::/\n");
    put("/sys/fs/cgroup/memory.max", "1000\n");
    put("/sys/fs/cgroup/memory.current", "5000\n");
    ck_assert_double_eq(nl_room_at(root), 1);
}
END_TEST

/* One clip needs 10 MiB, each further one 5. */
static nl_status measure(void *user, int64_t batch, double *bytes)
{
    ++*(int *)user;
    *bytes = (5.0 + 5.0 * (double)batch) * MIB;
    return NL_OK;
}

static nl_status too_much(void *user, int64_t batch, double *bytes)
{
    (void)user;
    *bytes = 1e18 * (double)batch;
    return NL_OK;
}

static const struct nl_command commands[] = {{.name = "bench", .bit = NL_CMD_BENCH},
                                             {.name = "eval", .bit = NL_CMD_EVAL},
                                             {.name = "forward", .bit = NL_CMD_FORWARD}};
static const char *const asks[] = {"fit: --batch=", "fit: --batch_size=", "clips in --input: "},
                         *const smaller[] = {"want a smaller --crop or --shape",
                                             "want a smaller TEST.crop_size", "smaller clip"};

START_TEST(what_does_not_fit_is_refused_with_what_does)
{
    struct nl_run run = {.command = &commands[_i]};
    int calls = 0;
    char fits[64];
    struct nl_room_plan plan = {&run, 1, measure, &calls};
    if (nl_room(1, 1) == 0) {
        printf("skip: the system does not say how much memory there is\n");
        return;
    }
    ck_assert_int_eq(nl_room_check(&plan), NL_OK);
    plan.batch = INT64_C(1) << 40;
    ck_assert_int_eq(nl_room_check(&plan), NL_EUSAGE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "1099511627776 clips at a time need 5497558138885 M"));
    const char *asked = strstr(nl_error(), asks[_i]);
    ck_assert_ptr_nonnull(asked);
    snprintf(fits, sizeof fits, "%s", asked + strlen(asks[_i]));
    const double mib = 5 + 5 * strtod(fits, NULL);
    ck_assert_double_gt(mib, 5);
    ck_assert_double_le(mib * MIB, 1.05 * nl_room(1, 1) + 64 * MIB); /* others take and give */
    ck_assert_double_ge(mib * MIB, 0.95 * nl_room(1, 1) - 64 * MIB);
    plan.measure = too_much;
    ck_assert_int_eq(nl_room_check(&plan), NL_EUSAGE);
    ck_assert_ptr_nonnull(strstr(nl_error(), "a single clip needs 953674316406 MiB"));
    ck_assert_ptr_nonnull(strstr(nl_error(), smaller[_i]));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("room");
    TCase *tc = tcase_create("room");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_system_that_says_nothing_gives_0);
    tcase_add_test(tc, without_groups_the_machine_counts);
    tcase_add_test(tc,
                   a_group_of_version_2_leaves_its_limit_less_what_is_used_but_for_cached_files);
    tcase_add_test(tc, groups_above_count_too);
    tcase_add_test(tc, version_1_is_read_where_it_is_mounted);
    tcase_add_test(tc, a_group_over_its_limit_leaves_next_to_nothing);
    tcase_add_loop_test(tc, what_does_not_fit_is_refused_with_what_does, 0,
                        (int)NL_COUNT(commands));
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
