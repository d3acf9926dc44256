#include "tests/weights_case.h"

#include "src/core/memory.h"

#include <check.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

static char *next_buffer(void)
{
    static char buffers[4][4200];
    static int turn;
    turn = (turn + 1) % 4;
    return buffers[turn];
}

const char *fixture(const char *name)
{
    const char *fixtures = getenv("NL_FIXTURES");
    char *path = next_buffer();
    ck_assert_msg(fixtures != NULL, "NL_FIXTURES is not set");
    snprintf(path, 4200, "%s/%s", fixtures, name);
    return path;
}

const char *scratch(const char *name)
{
    char *path = next_buffer();
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/nl-weights-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(folder));
    }
    snprintf(path, 4200, "%s/%s", folder, name);
    return path;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *at)
{
    (void)about;
    (void)kind;
    (void)at;
    return remove(path);
}

void scratch_remove(void)
{
    if (folder[0]) nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    folder[0] = '\0';
}

const char *scratch_file(const char *name, const void *bytes, size_t size)
{
    const char *path = scratch(name);
    FILE *file = fopen(path, "wb");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(bytes, 1, size, file), size);
    ck_assert_int_eq(fclose(file), 0);
    return path;
}

size_t put_bytes(void *bytes, size_t at, const void *from, size_t size)
{
    memcpy((char *)bytes + at, from, size);
    return at + size;
}

struct nl_state load_state(const char *path)
{
    struct nl_state state;
    const nl_status st = nl_state_load(path, NULL, &state);
    ck_assert_msg(st == NL_OK, "%s", nl_error());
    return state;
}

void expect_refused(const char *path, const char *part)
{
    struct nl_state state;
    ck_assert_int_eq(nl_state_load(path, NULL, &state), NL_EIO);
    ck_assert_msg(strstr(nl_error(), part) != NULL, "want \"%s\" in \"%s\"", part, nl_error());
    ck_assert_msg(strncmp(nl_error(), path, strlen(path)) == 0, "no path in \"%s\"", nl_error());
    ck_assert_msg(!strchr(nl_error(), '\n'), "more than a line");
    ck_assert_int_eq(state.count, 0);
}

void make_params(struct nl_params *params, const struct parameter *list, int count, nl_type type)
{
    static const struct nl_backend_ops ops = {.name = "host", .memory = &nl_host_memory};
    static struct nl_backend be = {.ops = &ops, .threads = 1};
    *params = (struct nl_params){.list = NULL};
    for (int i = 0; i < count; i++) {
        const int64_t *d = list[i].dim;
        const int64_t ours[5] = {d[0], d[2], d[3], d[4], d[1]};
        const nl_tensor t = nl_tensor_dense(type, list[i].rank, list[i].rank == 5 ? ours : d);
        int index;
        ck_assert_int_eq(nl_params_add(params, list[i].name, &t, list[i].role,
                                       (struct nl_init){NL_INIT_CONSTANT, -1}, &index),
                         NL_OK);
    }
    ck_assert_int_eq(nl_params_alloc(params, &be, type), NL_OK);
    ck_assert_int_eq(nl_params_init(params, 0, false), NL_OK);
}

const struct parameter small_network[] = {
    {"conv1_weights", NL_ROLE_FILTER, 5, {4, 3, 1, 7, 7}},
    {"bn_conv1_scale", NL_ROLE_BN, 1, {4}},
    {"bn_conv1_offset", NL_ROLE_BN, 1, {4}},
    {"bn_conv1_mean", NL_ROLE_STATISTIC, 1, {4}},
    {"bn_conv1_variance", NL_ROLE_STATISTIC, 1, {4}},
    {"pred_w", NL_ROLE_FC, 5, {5, 6, 1, 1, 1}},
    {"pred_b", NL_ROLE_BIAS, 1, {5}},
};
