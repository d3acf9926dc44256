#include "reader/video.h"
#include "src/app/crew.h"
#include "src/app/demo_data.h"
#include "src/app/demo_scene.h"
#include "src/core/file.h"
#include "src/core/memory.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    BYTES = 3 * NL_DEMO_SIDE * NL_DEMO_SIDE,
    GAP = NL_DEMO_FRAMES / NL_DEMO_STEPS,
    TRAINED = 2 * NL_DEMO_CLASSES
};

static char folder[] = "/tmp/nl-demo-XXXXXX";

/* --- scenes ---------------------------------------------------------------------------------- */

static void frame(int class, const char *name, double difficulty, int t, uint8_t *rgb)
{
    static struct nl_demo_scene scene;
    nl_demo_scene_make(&scene, class, 5, name, difficulty);
    nl_demo_scene_paint(&scene, t, rgb);
}

static const double difficulties[] = {0, 0.5, 1};

START_TEST(frame_0_is_the_same_in_all_classes)
{
    static uint8_t first[BYTES], other[BYTES];
    frame(0, "x/1", difficulties[_i], 0, first);
    for (int k = 1; k < NL_DEMO_CLASSES; k++) {
        frame(k, "x/1", difficulties[_i], 0, other);
        ck_assert_mem_eq(first, other, BYTES);
    }
    frame(0, "x/2", difficulties[_i], 0, other);
    ck_assert_int_ne(memcmp(first, other, BYTES), 0);
}
END_TEST

/* Mean difference of two frames of a clip without noise. */
static double difference(struct nl_demo_scene *scene, int t, int u)
{
    static uint8_t one[BYTES], two[BYTES];
    double sum = 0;
    scene->noise = 0;
    nl_demo_scene_paint(scene, t, one);
    nl_demo_scene_paint(scene, u, two);
    for (int i = 0; i < BYTES; i++) sum += abs(one[i] - two[i]);
    return sum / BYTES;
}

/* Whether the frame repeats after one and after two steps. */
static const struct {
    const char *name;
    bool changes, returns;
} expected[] = {{"still", false, true},      {"sideways", true, false},
                {"updown", true, false},     {"circling", true, false},
                {"two_places", true, true},  {"many_places", true, false},
                {"two_colours", true, true}, {"many_colours", true, false}};

START_TEST(classes_change_as_their_names_say)
{
    static struct nl_demo_scene scene;
    int changes = 0, returns = 0;
    nl_demo_scene_make(&scene, _i, 5, "x/3", 0);
    ck_assert_str_eq(nl_demo_classes[_i], expected[_i].name);
    for (int t = 0; t < NL_DEMO_FRAMES; t++) {
        changes += difference(&scene, t, (t + GAP) % NL_DEMO_FRAMES) > 0.2;
        returns += difference(&scene, t, (t + 2 * GAP) % NL_DEMO_FRAMES) < 0.2;
        ck_assert_double_lt(difference(&scene, t, t + NL_DEMO_FRAMES), 0.01);
    }
    ck_assert_int_ge(changes, expected[_i].changes ? NL_DEMO_FRAMES * 3 / 4 : 0);
    ck_assert_int_le(changes, expected[_i].changes ? NL_DEMO_FRAMES : 0);
    ck_assert_int_ge(returns, expected[_i].returns ? NL_DEMO_FRAMES : 0);
    ck_assert_int_le(returns, expected[_i].returns ? NL_DEMO_FRAMES : NL_DEMO_FRAMES / 4);
}
END_TEST

/* Over many clips the mean frame is the same everywhere, whatever the class and the time: the
 * object is as likely at any place. */
START_TEST(a_frame_says_nothing_of_its_class_or_time)
{
    static const int times[] = {0, 13, 40};
    static uint8_t rgb[BYTES];
    for (size_t k = 0; k < NL_COUNT(times); k++) {
        double quarter[4] = {0};
        for (int i = 0; i < 150; i++) {
            char name[16];
            snprintf(name, sizeof name, "y/%d", i);
            frame(_i, name, 0, times[k], rgb);
            for (int p = 0; p < BYTES; p++)
                quarter[2 * (p / (BYTES / 2)) + p / 3 % NL_DEMO_SIDE / (NL_DEMO_SIDE / 2)] +=
                    rgb[p];
        }
        for (int q = 0; q < 4; q++) ck_assert_double_eq_tol(quarter[q] * 4 / BYTES / 150, 84, 2);
    }
}
END_TEST

/* --- the data set ---------------------------------------------------------------------------- */

static const char *in_folder(const char *set, const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s/%s", folder, set, name);
    return path;
}

static void make_set(const char *name, uint64_t seed, double difficulty, int threads)
{
    const struct nl_demo_spec spec = {in_folder(name, "."), 2, 0, 1, seed, difficulty, threads};
    ck_assert_msg(nl_demo_data(&spec) == NL_OK, "%s", nl_error());
}

static char *text_of(const char *set, const char *name, size_t *size)
{
    char *text;
    ck_assert_msg(nl_file_read(in_folder(set, name), 1 << 24, &text, size) == NL_OK, "%s",
                  nl_error());
    return text;
}

static bool same_file(const char *one, const char *two, const char *name)
{
    size_t size[2];
    char *text[2] = {text_of(one, name, &size[0]), text_of(two, name, &size[1])};
    const bool same = size[0] == size[1] && memcmp(text[0], text[1], size[0]) == 0;
    nl_free(text[0]);
    nl_free(text[1]);
    return same;
}

static int lines(const char *set, const char *name)
{
    size_t size;
    int count = 0;
    char *text = text_of(set, name, &size);
    for (size_t i = 0; i < size; i++) count += text[i] == '\n';
    nl_free(text);
    return count;
}

START_TEST(one_seed_gives_the_same_bytes)
{
    static const char *const files[] = {"still/train_0000.mp4", "circling/test_0000.mp4",
                                        "many_places/train_0001.mp4",
                                        "repeat/two_colours/test_0000.mp4", "labels.json"};
    make_set("a", 1, 0.5, 1);
    make_set("b", 1, 0.5, 3);
    make_set("c", 2, 0.5, 2);
    for (size_t i = 0; i < NL_COUNT(files); i++) ck_assert(same_file("a", "b", files[i]));
    ck_assert(!same_file("a", "c", files[0]));
    ck_assert(!same_file("a", "c", files[2]));
}
END_TEST

START_TEST(lists_name_every_video_with_its_class)
{
    size_t size;
    make_set("d", 1, 0, 2);
    ck_assert_int_eq(lines("d", "train.txt"), TRAINED);
    ck_assert_int_eq(lines("d", "val.txt"), 0);
    ck_assert_int_eq(lines("d", "test.txt"), NL_DEMO_CLASSES);
    ck_assert_int_eq(lines("d", "repeat.txt"), NL_DEMO_CLASSES);
    char *text = text_of("d", "train.txt", &size);
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        char *space = strrchr(line, ' ');
        ck_assert_ptr_nonnull(space);
        *space = '\0';
        ck_assert_int_eq(access(line, R_OK), 0);
        ck_assert_ptr_nonnull(strstr(line, nl_demo_classes[strtol(space + 1, NULL, 10)]));
    }
    nl_free(text);
}
END_TEST

/* Frames of a video, and how far they are from its first. */
static int frames_of(const char *path, double *farthest)
{
    static uint8_t first[BYTES];
    struct nl_video *video;
    struct nl_image image;
    bool got = true;
    int frames = 0;
    ck_assert_int_eq(nl_video_open(path, NULL, &video), NL_OK);
    for (*farthest = 0;; frames++) {
        double sum = 0;
        ck_assert_int_eq(nl_video_next(video, &got), NL_OK);
        if (!got) break;
        ck_assert_int_eq(nl_video_image(video, &image), NL_OK);
        ck_assert_int_eq(image.width, NL_DEMO_SIDE);
        ck_assert_int_eq(image.height, NL_DEMO_SIDE);
        for (size_t i = 0; i < BYTES; i++) {
            const uint8_t *row = image.data + i / (3 * (size_t)NL_DEMO_SIDE) * image.stride;
            const uint8_t value = row[i % (3 * (size_t)NL_DEMO_SIDE)];
            if (frames == 0) first[i] = value;
            sum += abs(value - first[i]);
        }
        if (sum / BYTES > *farthest) *farthest = sum / BYTES;
    }
    nl_video_close(video);
    return frames;
}

START_TEST(repeated_frames_stand_still)
{
    double moving, repeated;
    make_set("e", 1, 0, 2);
    const int n = frames_of(in_folder("e", "many_places/test_0000.mp4"), &moving);
    ck_assert_int_eq(n, NL_DEMO_FRAMES);
    ck_assert_int_eq(frames_of(in_folder("e", "repeat/many_places/test_0000.mp4"), &repeated), n);
    ck_assert_double_gt(moving, 3);
    ck_assert_double_lt(repeated, 1.5);
}
END_TEST

START_TEST(specs_out_of_range_are_refused)
{
    const struct nl_demo_spec bad[] = {
        {folder, -1, 0, 0, 1, 0, 1}, {folder, 0, 10000, 0, 1, 0, 1}, {folder, 0, 0, 1, 1, 1.5, 1}};
    for (size_t i = 0; i < NL_COUNT(bad); i++) ck_assert_int_eq(nl_demo_data(&bad[i]), NL_EUSAGE);
    const struct nl_demo_spec lost = {"/dev/null/x", 1, 0, 0, 1, 0, 1};
    ck_assert_int_eq(nl_demo_data(&lost), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "/dev/null"));
}
END_TEST

/* --- the crew -------------------------------------------------------------------------------- */

struct count {
    int worked[40], finished, fail_at;
};

static nl_status count_work(void *user, int item)
{
    struct count *c = user;
    if (item == c->fail_at) return nl_fail(NL_EIO, "item %d", item);
    c->worked[item]++;
    return NL_OK;
}

static void count_end(void *user, int item)
{
    struct count *c = user;
    ck_assert_int_eq(c->worked[item], 1);
    c->finished++;
}

START_TEST(a_crew_does_every_item_once)
{
    struct count c = {.fail_at = -1};
    const struct nl_crew_task task = {40, _i, count_work, count_end, &c, NULL};
    ck_assert_int_eq(nl_crew_run(&task), NL_OK);
    ck_assert_int_eq(c.finished, 40);
    const struct nl_crew_task none = {0, _i, count_work, count_end, &c, NULL};
    ck_assert_int_eq(nl_crew_run(&none), NL_OK);
    ck_assert_int_eq(c.finished, 40);
}
END_TEST

START_TEST(a_crew_stops_at_a_failure)
{
    struct count c = {.fail_at = 3};
    const struct nl_crew_task task = {40, _i, count_work, count_end, &c, NULL};
    ck_assert_int_eq(nl_crew_run(&task), NL_EIO);
    ck_assert_str_eq(nl_error(), "item 3");
    ck_assert_int_le(c.finished, 39);
    if (_i == 1) ck_assert_int_eq(c.finished, 3);
}
END_TEST

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder));
}

static void remove_folder(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    ck_assert_int_eq(system(command), 0);
}

int main(void)
{
    Suite *suite = suite_create("demo");
    TCase *tests = tcase_create("demo");
    tcase_add_checked_fixture(tests, make_folder, remove_folder);
    tcase_add_loop_test(tests, frame_0_is_the_same_in_all_classes, 0, NL_COUNT(difficulties));
    tcase_add_loop_test(tests, classes_change_as_their_names_say, 0, NL_DEMO_CLASSES);
    tcase_add_loop_test(tests, a_frame_says_nothing_of_its_class_or_time, 0, NL_DEMO_CLASSES);
    tcase_add_test(tests, one_seed_gives_the_same_bytes);
    tcase_add_test(tests, lists_name_every_video_with_its_class);
    tcase_add_test(tests, repeated_frames_stand_still);
    tcase_add_test(tests, specs_out_of_range_are_refused);
    tcase_add_loop_test(tests, a_crew_does_every_item_once, 1, 5);
    tcase_add_loop_test(tests, a_crew_stops_at_a_failure, 1, 5);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
