#include "reader/pick.h"
#include "reader/resize.h"
#include "reader/train_clip.h"
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/tensor/npy.h"
#include "tests/coded_clip.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct nl_train_spec spec = {.length = 4,
                                          .rate = 3,
                                          .crop = 24,
                                          .jitter = {28, 40},
                                          .flip = true,
                                          .mean = 114.75,
                                          .std = 57.375};
enum { FRAME = 24 * 24 * 3, FLOATS = 4 * FRAME, MOST = 400 };

static char folder[] = "/tmp/nl-train-clip-XXXXXX";

/* A name in the folder of this run; the last eight stay valid. */
static const char *in_folder(const char *name)
{
    static char paths[8][512];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* A file of the shared folder, or NULL with a note. */
static const char *in_shared(const char *name)
{
    static char path[4096];
    const char *shared = getenv("NL_SHARED");
    snprintf(path, sizeof path, "%s/%s", shared ? shared : "", name);
    if (shared && access(path, F_OK) == 0) return path;
    fprintf(stderr, "skip: no %s\n", name);
    return NULL;
}

/* Something that moves, and differs everywhere. */
static uint8_t moving(int index, int x, int y)
{
    return (uint8_t)(30 + (7 * index + 3 * x + 5 * y + x * y / 7) % 200);
}

/* Brighter by 2 with each column; frames rise in steps of their own, so that two of them tell. */
static uint8_t ramp(int index, int x, int y)
{
    (void)y;
    return (uint8_t)(20 + 2 * x + index * index / 3);
}

static nl_status read_clip(const struct nl_train_spec *s, bool from_start, const char *path,
                           int64_t sample, float *clip)
{
    struct nl_clip_reader *reader;
    const struct nl_clip_key key = {.seed = 5, .epoch = 2, .sample = sample};
    NL_TRY(nl_clip_reader_new(s, NULL, &reader));
    if (from_start) nl_clip_reader_from_start(reader);
    const nl_status st = nl_train_clip(reader, path, &key, clip);
    nl_clip_reader_free(reader);
    return st;
}

/* --- a second opinion ------------------------------------------------------------------------ */

/* All frames of a video, copied. */
struct film {
    int64_t n;
    struct nl_image frame[MOST];
};

static void watch(const char *path, struct film *film)
{
    struct nl_video *video;
    bool got = true;
    film->n = 0;
    ck_assert_int_eq(nl_video_open(path, NULL, &video), NL_OK);
    for (;;) {
        struct nl_image image;
        uint8_t *copy;
        ck_assert_int_eq(nl_video_next(video, &got), NL_OK);
        if (!got) break;
        ck_assert_int_lt(film->n, MOST);
        ck_assert_int_eq(nl_video_image(video, &image), NL_OK);
        const size_t row = 3 * (size_t)image.width;
        ck_assert_int_eq(nl_alloc(row * (size_t)image.height, &copy), NL_OK);
        for (size_t y = 0; y < (size_t)image.height; y++)
            memcpy(copy + y * row, image.data + y * image.stride, row);
        film->frame[film->n++] = (struct nl_image){copy, row, image.width, image.height};
    }
    nl_video_close(video);
}

static void forget(struct film *film)
{
    for (int64_t i = 0; i < film->n; i++) {
        union {
            const uint8_t *read;
            void *free;
        } data = {film->frame[i].data};
        nl_free(data.free);
    }
}

/* The rules of train_clip.h, word by word: the whole frame is resized, then cut. */
static void naive(const struct nl_train_spec *s, const struct film *film, int64_t sample,
                  float *clip)
{
    struct nl_rng rng;
    struct nl_resizer resizer = {.column = NULL};
    char name[64];
    snprintf(name, sizeof name, "clip/2/%d", (int)sample);
    nl_rng_seed(&rng, 5, name);
    const int span = s->length * s->rate;
    const int64_t start = film->n > span ? nl_rng_range(&rng, 0, film->n - span) : 0;
    const int side = s->jitter[0] == s->jitter[1]
                         ? s->jitter[0]
                         : (int)nl_rng_range(&rng, s->jitter[0], s->jitter[1] - 1);
    const bool train = !s->validation;
    const bool mirrored = train && s->flip && nl_rng_range(&rng, 0, 1) == 1;
    const int w = film->frame[0].width, h = film->frame[0].height;
    const double ratio = (double)side / (h > w ? w : h);
    const int width = (int)rint(w * ratio), height = (int)rint(h * ratio);
    const ptrdiff_t top = train ? nl_rng_range(&rng, 0, height - s->crop) : (height - s->crop) / 2;
    const ptrdiff_t left = train ? nl_rng_range(&rng, 0, width - s->crop) : (width - s->crop) / 2;
    uint8_t *whole;
    ck_assert_int_eq(nl_alloc((size_t)width * (size_t)height * 3, &whole), NL_OK);
    for (int k = 0; k < s->length; k++) {
        const struct nl_image *frame = &film->frame[(start + (int64_t)k * s->rate) % film->n];
        const struct nl_part all = {width, height, 0, 0, width, height};
        ck_assert_int_eq(nl_resizer_run(&resizer, frame, &all, whole), NL_OK);
        for (ptrdiff_t y = 0; y < s->crop; y++)
            for (ptrdiff_t x = 0; x < s->crop; x++)
                for (ptrdiff_t c = 0; c < 3; c++) {
                    const ptrdiff_t from = mirrored ? s->crop - 1 - x : x;
                    const uint8_t value = whole[((top + y) * width + left + from) * 3 + 2 - c];
                    *clip++ = ((float)value - (float)s->mean) / (float)s->std;
                }
    }
    nl_free(whole);
    nl_resizer_clear(&resizer);
}

/* Some clips of a video, read in both ways, are what the rules say. */
static void compare(const char *path, int clips)
{
    static float got[FLOATS], all[FLOATS], want[FLOATS];
    static struct film film;
    watch(path, &film);
    for (int sample = 0; sample < clips; sample++) {
        struct nl_train_spec s = spec;
        s.validation = sample % 4 == 3;
        s.flip = sample % 4 != 2;
        s.rate = 1 + sample % 5;
        if (sample % 3 == 0) s.jitter[1] = s.jitter[0] = s.crop;
        naive(&s, &film, sample, want);
        ck_assert_int_eq(read_clip(&s, false, path, sample, got), NL_OK);
        ck_assert_int_eq(read_clip(&s, true, path, sample, all), NL_OK);
        ck_assert_mem_eq(got, want, sizeof want);
        ck_assert_mem_eq(all, want, sizeof want);
    }
    forget(&film);
}

static const struct {
    const char *name;
    struct nl_coding coding;
    bool picked; /* with no decoding from the start */
} codings[] = {
    {"ffv1.mkv", {"ffv1", 12, 0}, true},        {"mpeg4.mkv", {"mpeg4", 12, 0}, true},
    {"mpeg4.avi", {"mpeg4", 12, 0}, true},      {"mpeg4.mp4", {"mpeg4", 12, 0}, true},
    {"mpeg4-b.mp4", {"mpeg4", 12, 2}, false},   {"mpeg4-b.avi", {"mpeg4", 12, 2}, false},
    {"mjpeg.avi", {"mjpeg", 12, 0}, true},      {"mjpeg.mov", {"mjpeg", 12, 0}, true},
    {"mpeg2.ts", {"mpeg2video", 12, 2}, false}, {"mpeg2.mpg", {"mpeg2video", 12, 2}, false},
    {"flv1.flv", {"flv", 12, 0}, false},        {"h264.mp4", {"libx264", 12, 3}, true},
    {"h264.mkv", {"libx264", 25, 0}, true},     {"h264.avi", {"libx264", 12, 3}, false},
    {"h264.ts", {"libx264", 12, 3}, false},     {"vp8.webm", {"libvpx", 12, 0}, false},
    {"vp9.webm", {"libvpx-vp9", 12, 0}, true},  {"av1.mp4", {"libaom-av1", 12, 0}, true},
};

static const char *coded_clip(int i, int frames)
{
    const char *path = in_folder(codings[i].name);
    if (nl_make_clip_as(path, &codings[i].coding, 64, 48, frames, moving)) return path;
    fprintf(stderr, "skip: no encoder %s\n", codings[i].coding.encoder);
    return NULL;
}

START_TEST(clips_of_any_coding_are_what_the_rules_say)
{
    const char *path = coded_clip(_i, 60);
    if (path) compare(path, 12);
}
END_TEST

START_TEST(known_codings_are_picked_from)
{
    struct nl_video *video;
    bool can;
    int64_t number;
    const int64_t wanted[] = {3, 29, 31, 50};
    const char *path = coded_clip(_i, 60);
    if (!path) return;
    ck_assert_int_eq(nl_video_open(path, NULL, &video), NL_OK);
    ck_assert_int_eq(nl_video_pick(video, wanted, 4, &can), NL_OK);
    ck_assert_int_eq(can, codings[_i].picked);
    for (int i = 0; can && i < 4; i++) {
        ck_assert_int_eq(nl_video_next_picked(video, &number), NL_OK);
        ck_assert_int_eq(number, wanted[i]);
    }
    nl_video_close(video);
}
END_TEST

static const struct {
    const char *name;
    bool picked;
} shared[] = {
    {"videos/R6llTwEh07w.mp4", true},
    {"videos/decord_flipping_a_pancake.mkv", true},
    {"videos/decord_unordered.mov", true},
    {"videos/decord_video_270.mov", true},
    {"videos/gen_SOX_5frames.mp4", true},
    {"videos/gen_WUz_vfr.mp4", true},
    {"videos/gen_WUz_vp9_opus.webm", true},
    {"videos/gen_WUz_mjpeg_odd337x251.avi", true},
    {"videos/gen_arm_h264_444.mkv", true},
    {"videos/gen_arm_hevc10.mp4", true},
    {"videos/gen_basketball_portrait202x360.mp4", true},
    {"videos/gen_pancake_av1.mp4", true},
    {"videos/intel_asl_eat.mkv", true},
    {"videos/mmaction2_part_0.mp4", true},
    {"videos/torchcodec_av1_video.mkv", true},
    {"videos/torchcodec_h265_10bits.mp4", true},
    {"videos/torchcodec_h265_video.mp4", true},
    {"videos/v_SoccerJuggling_g23_c01.avi", true},
    {"hostile/01_truncated_60pct_moov_first.mp4", false},
    {"hostile/07_bitflips_in_mdat_200.mp4", false},
    {"hostile/11_1x1_30frames.mkv", true},
    {"hostile/13_single_frame.mp4", true},
    {"hostile/15_stts_claims_1000000_frames.mp4", true},
    {"hostile/35_decord_corrupted.mp4", false},
};

START_TEST(clips_of_real_videos_are_what_the_rules_say)
{
    const char *path = in_shared(shared[_i].name);
    if (path) compare(path, 6);
}
END_TEST

/* Every frame alone, and in pairs that jump: the pixels that decoding from the start gives. */
START_TEST(frames_of_real_videos_can_be_picked)
{
    static struct film film;
    const char *path = in_shared(shared[_i].name);
    if (!path || !shared[_i].picked) return;
    watch(path, &film);
    for (int64_t at = 0; at < film.n; at += 1 + film.n / 12) {
        struct nl_video *video;
        struct nl_image image;
        bool can;
        const int64_t wanted[2] = {at, at + (film.n - at) / 2};
        const int count = wanted[1] > at ? 2 : 1;
        ck_assert_int_eq(nl_video_open(path, NULL, &video), NL_OK);
        ck_assert_int_eq(nl_video_pick(video, wanted, count, &can), NL_OK);
        ck_assert(can);
        for (int i = 0; i < count; i++) {
            int64_t number;
            ck_assert_int_eq(nl_video_next_picked(video, &number), NL_OK);
            ck_assert_int_eq(number, wanted[i]);
            ck_assert_int_eq(nl_video_image(video, &image), NL_OK);
            const struct nl_image *same = &film.frame[number];
            for (size_t y = 0; y < (size_t)image.height; y++)
                ck_assert_mem_eq(image.data + y * image.stride, same->data + y * same->stride,
                                 same->stride);
        }
        nl_video_close(video);
    }
    forget(&film);
}
END_TEST

/* --- the draws ------------------------------------------------------------------------------- */

/* 48 x 32 pixels and sides of 32 leave the ramp as it is. */
static const struct nl_train_spec unscaled = {.length = 2,
                                              .rate = 2,
                                              .crop = 32,
                                              .jitter = {32, 32},
                                              .flip = true,
                                              .mean = 114.75,
                                              .std = 57.375};

/* What column x of frame i becomes: no two columns of a ramp the same. */
static float ramp_value(const struct film *film, int64_t i, ptrdiff_t x)
{
    return ((float)film->frame[i].data[3 * x] - 114.75f) / 57.375f;
}

START_TEST(starts_crops_and_mirrors_have_the_whole_range)
{
    enum { SIDE = 32, LAST = 3 * (SIDE - 1), NEXT = SIDE * SIDE * 3 };
    static float clip[2 * NEXT];
    static struct film film;
    const char *path = in_folder("ramp.mkv");
    int mirrored = 0, starts[14] = {0}, lefts[17] = {0};
    nl_make_lossless_clip(path, 48, SIDE, 17, ramp);
    watch(path, &film);
    for (int sample = 0; sample < 600; sample++) {
        ck_assert_int_eq(read_clip(&unscaled, false, path, sample, clip), NL_OK);
        const bool flipped = clip[0] > clip[LAST];
        const ptrdiff_t first = flipped ? LAST : 0;
        int start = 0, left = 0; /* two columns of two frames tell which they are */
        for (int i = 0; i < 14 * 17; i++) {
            if (clip[first] != ramp_value(&film, i / 17, i % 17) ||
                clip[NEXT + first] != ramp_value(&film, i / 17 + 2, i % 17) ||
                clip[LAST - first] != ramp_value(&film, i / 17, i % 17 + SIDE - 1))
                continue;
            start = i / 17;
            left = i % 17;
            starts[start]++;
            lefts[left]++;
            break;
        }
        ck_assert(clip[first] == ramp_value(&film, start, left));
        mirrored += flipped;
    }
    for (int i = 0; i < 17; i++) ck_assert_int_gt(lefts[i], 10); /* 35 expected */
    ck_assert_int_gt(mirrored, 250);
    ck_assert_int_lt(mirrored, 350);
    forget(&film);
}
END_TEST

START_TEST(a_crop_of_the_whole_frame_is_allowed_and_a_larger_one_is_not)
{
    static float clip[2 * 33 * 33 * 3];
    const char *path = in_folder("square.mkv");
    struct nl_train_spec s = unscaled;
    nl_make_lossless_clip(path, 32, 32, 5, ramp);
    for (int sample = 0; sample < 8; sample++)
        ck_assert_int_eq(read_clip(&s, false, path, sample, clip), NL_OK);
    s.crop = 33;
    ck_assert_int_eq(read_clip(&s, false, path, 0, clip), NL_EUSAGE);
    ck_assert_str_eq(nl_error(), "clips: a crop of 33 pixels does not fit a short side of 32");
}
END_TEST

START_TEST(numbers_out_of_range_are_refused)
{
    float clip[1];
    struct nl_train_spec s[6];
    for (int i = 0; i < 6; i++) s[i] = spec;
    s[0].length = 0;
    s[1].rate = -1;
    s[2].jitter[1] = s[2].jitter[0] - 1;
    s[3].std = 0;
    s[4].crop = 0;
    s[5].jitter[1] = 1 << 20;
    for (int i = 0; i < 6; i++) {
        ck_assert_int_eq(read_clip(&s[i], false, "none", 0, clip), NL_EUSAGE);
        ck_assert_str_ne(nl_error(), "");
    }
}
END_TEST

START_TEST(a_video_shorter_than_a_clip_begins_at_its_start_and_wraps)
{
    enum { FIRST = 32 * 32 * 3 };
    static float clip[2 * FIRST];
    static struct film film;
    const char *path = in_folder("short.mkv");
    struct nl_train_spec s = unscaled;
    s.validation = true;
    nl_make_lossless_clip(path, 32, 32, 1 + _i, ramp);
    ck_assert_int_eq(read_clip(&s, false, path, 3, clip), NL_OK);
    watch(path, &film);
    ck_assert_float_eq(clip[0], ramp_value(&film, 0, 0));
    ck_assert_float_eq(clip[FIRST], ramp_value(&film, 2 % (1 + _i), 0));
    forget(&film);
}
END_TEST

/* --- files ----------------------------------------------------------------------------------- */

START_TEST(a_clip_in_a_npy_file_is_taken_as_it_is)
{
    static float in[FLOATS], clip[FLOATS];
    const int64_t dim[] = {3, 4, 24, 24};
    const char *path = in_folder("clip.npy");
    for (int i = 0; i < FLOATS; i++) in[i] = (float)i;
    ck_assert_int_eq(nl_npy_write(path, NL_F32, 4, dim, in), NL_OK);
    ck_assert_int_eq(read_clip(&spec, false, path, 0, clip), NL_OK);
    for (int i = 0; i < FLOATS / 3; i++)
        for (int c = 0; c < 3; c++) ck_assert_float_eq(clip[3 * i + c], in[c * (FLOATS / 3) + i]);
}
END_TEST

START_TEST(a_npy_file_of_another_shape_or_type_is_refused)
{
    static float in[8 * 4 * 24 * 24], clip[FLOATS];
    static const int64_t dims[][5] = {
        {3, 4, 24, 25}, {3, 5, 24, 24}, {4, 24, 24, 3}, {1, 3, 4, 24, 24}, {3, 4, 24, 24}};
    static const int ranks[] = {4, 4, 4, 5, 4};
    const char *path = in_folder("odd.npy");
    ck_assert_int_eq(nl_npy_write(path, _i == 4 ? NL_U8 : NL_F32, ranks[_i], dims[_i], in), NL_OK);
    ck_assert_int_eq(read_clip(&spec, false, path, 0, clip), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "odd.npy: want a clip of type f32 and shape "
                                             "(3,4,24,24), got "));
}
END_TEST

START_TEST(what_is_no_video_is_refused)
{
    static float clip[FLOATS];
    ck_assert_int_eq(read_clip(&spec, false, in_folder("missing.mp4"), 0, clip), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "missing.mp4"));
    ck_assert_int_eq(read_clip(&spec, false, in_folder("missing.npy"), 0, clip), NL_EIO);
    ck_assert_ptr_nonnull(strstr(nl_error(), "missing.npy"));
}
END_TEST

/* Cut at any byte, or with bytes changed: both ways of reading say the same. */
START_TEST(damaged_videos_give_one_answer)
{
    static float a[FLOATS], b[FLOATS];
    struct stat about;
    const char *path = coded_clip(_i % 4, 60);
    if (!path) return;
    ck_assert_int_eq(stat(path, &about), 0);
    if (_i < 8) ck_assert_int_eq(truncate(path, about.st_size * (5 + _i / 4 * 4) / 10), 0);
    for (int sample = 0; sample < 6; sample++) {
        const nl_status st = read_clip(&spec, false, path, sample, a);
        ck_assert_int_eq(read_clip(&spec, true, path, sample, b), st);
        ck_assert(st == NL_OK || st == NL_EIO);
        if (st == NL_OK) ck_assert_mem_eq(a, b, sizeof a);
    }
}
END_TEST

START_TEST(any_failed_allocation_is_reported)
{
    static float clip[FLOATS];
    nl_status st = NL_ENOMEM;
    int nth = 0;
    const char *path = in_folder("memory.mkv");
    nl_make_lossless_clip(path, 48, 32, 20, moving);
    while (st == NL_ENOMEM && nth < 1000) {
        nl_memory_fail_nth(++nth);
        st = read_clip(&spec, false, path, 0, clip);
        nl_memory_fail_nth(0);
    }
    ck_assert_int_eq(st, NL_OK);
    ck_assert_int_gt(nth, 10);
}
END_TEST

static void remove_folder(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    if (system(command) != 0) fprintf(stderr, "%s is left\n", folder);
}

int main(void)
{
    if (!mkdtemp(folder)) return 1;
    Suite *suite = suite_create("training clips");
    TCase *tests = tcase_create("clips");
    tcase_add_loop_test(tests, clips_of_any_coding_are_what_the_rules_say, 0, NL_COUNT(codings));
    tcase_add_loop_test(tests, known_codings_are_picked_from, 0, NL_COUNT(codings));
    tcase_add_loop_test(tests, clips_of_real_videos_are_what_the_rules_say, 0, NL_COUNT(shared));
    tcase_add_loop_test(tests, frames_of_real_videos_can_be_picked, 0, NL_COUNT(shared));
    tcase_add_test(tests, starts_crops_and_mirrors_have_the_whole_range);
    tcase_add_test(tests, a_crop_of_the_whole_frame_is_allowed_and_a_larger_one_is_not);
    tcase_add_test(tests, numbers_out_of_range_are_refused);
    tcase_add_loop_test(tests, a_video_shorter_than_a_clip_begins_at_its_start_and_wraps, 0, 4);
    tcase_add_test(tests, a_clip_in_a_npy_file_is_taken_as_it_is);
    tcase_add_loop_test(tests, a_npy_file_of_another_shape_or_type_is_refused, 0, 5);
    tcase_add_test(tests, what_is_no_video_is_refused);
    tcase_add_loop_test(tests, damaged_videos_give_one_answer, 0, 8);
    tcase_add_test(tests, any_failed_allocation_is_reported);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    remove_folder();
    return failed != 0;
}
