#include "src/app/events.h"
#include "src/core/file.h"
#include "src/core/memory.h"

#include <check.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static char folder[64];

static void make_folder(void)
{
    snprintf(folder, sizeof folder, "test_events.XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void drop_folder(void)
{
    char path[512];
    DIR *dir = opendir(folder);
    ck_assert_ptr_nonnull(dir);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        unlink(path);
    }
    closedir(dir);
    rmdir(folder);
}

/* --- a reader of its own, written from the formats' descriptions ------------------------------- */

struct reader {
    const unsigned char *at, *end;
};

struct event {
    double wall_time;
    int64_t step;
    char version[32], tag[300];
    float value;
};

static uint64_t fixed(struct reader *r, int bytes)
{
    uint64_t value = 0;
    ck_assert_int_ge(r->end - r->at, bytes);
    for (int i = 0; i < bytes; i++) value |= (uint64_t)*r->at++ << 8 * i;
    return value;
}

static uint64_t varint(struct reader *r)
{
    uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
        const uint64_t byte = fixed(r, 1);
        value |= (byte & 0x7F) << shift;
        if (byte < 0x80) return value;
        ck_assert_int_lt(shift, 63);
    }
}

static struct reader chunk(struct reader *r)
{
    const uint64_t size = varint(r);
    ck_assert_uint_le(size, (uint64_t)(r->end - r->at));
    const struct reader inner = {r->at, r->at + size};
    r->at += size;
    return inner;
}

static void text(struct reader from, char *out, size_t room)
{
    const size_t size = (size_t)(from.end - from.at);
    ck_assert_uint_lt(size, room);
    memcpy(out, from.at, size);
    out[size] = '\0';
}

static void read_value(struct reader r, struct event *event)
{
    while (r.at < r.end) {
        const uint64_t key = varint(&r);
        if (key == (1 << 3 | 2)) {
            text(chunk(&r), event->tag, sizeof event->tag);
        } else {
            ck_assert_uint_eq(key, 2 << 3 | 5);
            const uint32_t bits = (uint32_t)fixed(&r, 4);
            memcpy(&event->value, &bits, sizeof bits);
        }
    }
}

static struct event read_event(struct reader r)
{
    struct event event = {.step = 0};
    while (r.at < r.end) {
        const uint64_t key = varint(&r);
        if (key == (1 << 3 | 1)) {
            const uint64_t bits = fixed(&r, 8);
            memcpy(&event.wall_time, &bits, sizeof bits);
        } else if (key == (2 << 3 | 0)) {
            event.step = (int64_t)varint(&r);
        } else if (key == (3 << 3 | 2)) {
            text(chunk(&r), event.version, sizeof event.version);
        } else {
            ck_assert_uint_eq(key, 5 << 3 | 2);
            struct reader summary = chunk(&r);
            ck_assert_uint_eq(varint(&summary), 1 << 3 | 2);
            read_value(chunk(&summary), &event);
            ck_assert_ptr_eq(summary.at, summary.end);
        }
    }
    return event;
}

static uint32_t unmasked(uint64_t stored)
{
    const uint32_t rotated = (uint32_t)stored - 0xA282EAD8u;
    return rotated << 15 | rotated >> 17;
}

static struct event read_record(struct reader *r)
{
    const unsigned char *start = r->at;
    const uint64_t size = fixed(r, 8);
    ck_assert_uint_eq(unmasked(fixed(r, 4)), nl_crc32c(start, 8));
    ck_assert_uint_le(size, (uint64_t)(r->end - r->at));
    const struct reader data = {r->at, r->at + size};
    r->at += size;
    ck_assert_uint_eq(unmasked(fixed(r, 4)), nl_crc32c(data.at, (size_t)size));
    return read_event(data);
}

/* --- tests ----------------------------------------------------------------------------------- */

START_TEST(checksums_are_the_known_ones)
{
    unsigned char bytes[32];
    ck_assert_uint_eq(nl_crc32c("", 0), 0);
    ck_assert_uint_eq(nl_crc32c("123456789", 9), 0xE3069283u);
    memset(bytes, 0, sizeof bytes);
    ck_assert_uint_eq(nl_crc32c(bytes, sizeof bytes), 0x8A9136AAu);
    memset(bytes, 0xFF, sizeof bytes);
    ck_assert_uint_eq(nl_crc32c(bytes, sizeof bytes), 0x62A8AB43u);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    ck_assert_uint_eq(nl_crc32c(bytes, sizeof bytes), 0x46DD794Eu);
}
END_TEST

START_TEST(what_was_added_is_read_back)
{
    static const struct {
        int64_t step;
        const char *tag;
        float value;
    } points[] = {
        {0, "train/loss", 6.25f}, {1, "train/loss", -0.0f},           {127, "a", 1e-30f},
        {128, "lr", 0.01f},       {INT64_MAX, "z\xC3\xA9", INFINITY}, {-1, "before", -3.5f}};
    char long_tag[NL_EVENTS_TAG_MAX + 1] = {0}, *bytes = NULL, path[4096];
    struct nl_events *events = NULL;
    size_t size = 0;
    memset(long_tag, 'x', NL_EVENTS_TAG_MAX);
    const double before = (double)time(NULL);
    ck_assert_int_eq(nl_events_open(folder, &events), NL_OK);
    snprintf(path, sizeof path, "%s", nl_events_path(events));
    for (size_t i = 0; i < NL_COUNT(points); i++)
        ck_assert_int_eq(nl_events_add(events, points[i].step, points[i].tag, points[i].value),
                         NL_OK);
    ck_assert_int_eq(nl_events_add(events, 7, long_tag, 1), NL_OK);
    nl_events_close(events);

    ck_assert_int_eq(nl_file_read(path, 1 << 20, &bytes, &size), NL_OK);
    struct reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + size};
    struct event event = read_record(&r);
    ck_assert_str_eq(event.version, "brain.Event:2");
    ck_assert(event.wall_time >= before && event.wall_time < before + 60);
    for (size_t i = 0; i < NL_COUNT(points); i++) {
        event = read_record(&r);
        ck_assert_int_eq(event.step, points[i].step);
        ck_assert_str_eq(event.tag, points[i].tag);
        ck_assert_int_eq(memcmp(&event.value, &points[i].value, sizeof event.value), 0);
        ck_assert(event.wall_time >= before && event.wall_time < before + 60);
    }
    ck_assert_str_eq(read_record(&r).tag, long_tag);
    ck_assert_ptr_eq(r.at, r.end);
    nl_free(bytes);
}
END_TEST

START_TEST(a_flush_brings_all_into_the_file)
{
    struct nl_events *events = NULL;
    char *bytes = NULL;
    size_t version = 0, size = 0;
    ck_assert_int_eq(nl_events_open(folder, &events), NL_OK);
    ck_assert_int_eq(nl_file_read(nl_events_path(events), 1 << 20, &bytes, &version), NL_OK);
    nl_free(bytes);
    ck_assert_uint_gt(version, 16);
    ck_assert_int_eq(nl_events_add(events, 3, "x", 1), NL_OK);
    ck_assert_int_eq(nl_events_flush(events), NL_OK);
    ck_assert_int_eq(nl_file_read(nl_events_path(events), 1 << 20, &bytes, &size), NL_OK);
    struct reader r = {(const unsigned char *)bytes, (const unsigned char *)bytes + size};
    read_record(&r);
    ck_assert_int_eq(read_record(&r).step, 3);
    nl_free(bytes);
    nl_events_close(events);
}
END_TEST

START_TEST(every_run_has_a_file_of_its_own)
{
    struct nl_events *events[3];
    for (int i = 0; i < 3; i++) ck_assert_int_eq(nl_events_open(folder, &events[i]), NL_OK);
    ck_assert_str_ne(nl_events_path(events[0]), nl_events_path(events[1]));
    ck_assert_str_ne(nl_events_path(events[1]), nl_events_path(events[2]));
    for (int i = 0; i < 3; i++) {
        const char *name = strrchr(nl_events_path(events[i]), '/') + 1, *end = NULL;
        ck_assert_int_eq(strncmp(name, "events.out.tfevents.", 20), 0);
        ck_assert_int_eq((int)strspn(name + 20, "0123456789"), 10);
        end = name + 30;
        ck_assert_str_eq(end, ".nonlocal");
        nl_events_close(events[i]);
    }
}
END_TEST

START_TEST(a_folder_that_is_missing_is_made_and_others_are_refused)
{
    char path[128];
    struct nl_events *events = NULL;
    snprintf(path, sizeof path, "%s/none/deeper", folder);
    ck_assert_int_eq(nl_events_open(path, &events), NL_EIO);
    ck_assert_ptr_null(events);
    ck_assert_ptr_nonnull(strstr(nl_error(), "No such file"));
    snprintf(path, sizeof path, "%s/new", folder);
    ck_assert_int_eq(nl_events_open(path, &events), NL_OK);
    unlink(nl_events_path(events));
    rmdir(path);
    nl_events_close(events);
    nl_events_close(NULL);
}
END_TEST

START_TEST(tags_without_a_name_or_too_long_are_refused)
{
    char tag[NL_EVENTS_TAG_MAX + 2] = {0};
    struct nl_events *events = NULL;
    memset(tag, 'x', NL_EVENTS_TAG_MAX + 1);
    ck_assert_int_eq(nl_events_open(folder, &events), NL_OK);
    ck_assert_int_eq(nl_events_add(events, 0, "", 0), NL_EINVAL);
    ck_assert_int_eq(nl_events_add(events, 0, tag, 0), NL_EINVAL);
    ck_assert_ptr_nonnull(strstr(nl_error(), "257 bytes, want 1 to 256"));
    nl_events_close(events);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("events");
    TCase *tc = tcase_create("events");
    tcase_add_checked_fixture(tc, make_folder, drop_folder);
    tcase_add_test(tc, checksums_are_the_known_ones);
    tcase_add_test(tc, what_was_added_is_read_back);
    tcase_add_test(tc, a_flush_brings_all_into_the_file);
    tcase_add_test(tc, every_run_has_a_file_of_its_own);
    tcase_add_test(tc, a_folder_that_is_missing_is_made_and_others_are_refused);
    tcase_add_test(tc, tags_without_a_name_or_too_long_are_refused);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
