#include "reader/views.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct nl_view_spec spec = {.length = 4,
                                         .rate = 3,
                                         .positions = 5,
                                         .crops = 3,
                                         .short_side = 32,
                                         .crop = 32,
                                         .mean = 114.75,
                                         .std = 57.375};

struct seen {
    int weight, restarts;
};

/* Writes every clip, so that a wrong address in it is met too. */
static nl_status see(void *user, const struct nl_view *view)
{
    static float clip[4 * 32 * 32 * 3];
    struct seen *seen = user;
    if (!view) {
        seen->restarts++;
        seen->weight = 0;
        return NL_OK;
    }
    seen->weight += view->weight;
    return nl_view_write(view, clip);
}

static const struct {
    const char *name;
    int frames; /* 0: refused; -1: either */
} hostile[] = {
    {"-25_leading_dash.mp4", 32},
    {"01_truncated_60pct_moov_first.mp4", 19},
    {"02_truncated_moov_last.mp4", 0},
    {"03_zero_bytes.mp4", 0},
    {"04_text_renamed.mp4", 0},
    {"05_no_moov.mp4", 0},
    {"06_audio_only.mp4", 0},
    {"07_bitflips_in_mdat_200.mp4", -1},
    {"09_header_claims_65535x65535.mp4", 32},
    {"10_bomb_16384x8192_1frame.mp4", 0},
    {"11_1x1_30frames.mkv", 30},
    {"12_2x2_h264.mp4", 30},
    {"13_single_frame.mp4", 1},
    {"15_stts_claims_1000000_frames.mp4", 32},
    {"18_claims_1000fps.avi", 20},
    {"26_ffconcat_relative.mp4", 0},
    {"27_ffconcat_etc_passwd.mp4", 0},
    {"28_hls_local.m3u8", 0},
    {"28_hls_local_renamed.mp4", 0},
    {"29_hls_url_renamed.mp4", 0},
    {"31_sdp_rtp.mp4", 0},
    {"32_image_renamed.mp4", 0},
    {"33_dref_flags_not_selfcontained.mp4", 32},
    {"35_decord_corrupted.mp4", -1},
    {"36_moov_size_2GiB.mp4", 32},
    {"39_av1_may_lack_decoder.mkv", -1},
    {"42_hls_url.m3u8", 0},
    {"43_stts_entry_count_1000000.mp4", -1},
};

START_TEST(hostile_files_get_the_owed_answer)
{
    char path[4096];
    struct seen seen = {.weight = 0};
    struct nl_video_info info;
    const char *shared = getenv("NL_SHARED");
    snprintf(path, sizeof path, "%s/hostile/%s", shared ? shared : "", hostile[_i].name);
    if (!shared || access(path, F_OK) != 0) {
        fprintf(stderr, "skip: no %s\n", hostile[_i].name);
        return;
    }
    const time_t start = time(NULL);
    const nl_status st = nl_views_read(path, &spec, NULL, 0, see, &seen, &info);
    ck_assert_int_le(time(NULL) - start, 20); /* 5 s are owed; valgrind may run this */
    ck_assert(st == NL_OK || st == NL_EIO);
    if (hostile[_i].frames >= 0) ck_assert_int_eq(st == NL_OK, hostile[_i].frames > 0);
    if (hostile[_i].frames > 0) ck_assert_int_eq(info.frames, hostile[_i].frames);
    if (st == NL_OK) ck_assert_int_eq(seen.weight, 15);
    if (st != NL_OK) ck_assert_ptr_nonnull(strstr(nl_error(), hostile[_i].name));
}
END_TEST

static const struct {
    const char *name;
    int width, height, frames;
} real[] = {
    {"decord_video_270.mov", 320, 568, 3}, /* turned */
    {"decord_unordered.mov", 50, 50, 4},      {"gen_WUz_vfr.mp4", 340, 256, 117},
    {"gen_WUz_vp9_opus.webm", 340, 256, 120}, {"gen_WUz_mjpeg_odd337x251.avi", 337, 251, 60},
    {"gen_arm_hevc10.mp4", 340, 256, 84},     {"v_SoccerJuggling_g23_c01.avi", 320, 240, 240},
};

START_TEST(real_videos_have_their_size_and_number_of_frames)
{
    char path[4096];
    struct seen seen = {.weight = 0};
    struct nl_video_info info;
    const char *shared = getenv("NL_SHARED");
    snprintf(path, sizeof path, "%s/videos/%s", shared ? shared : "", real[_i].name);
    if (!shared || access(path, F_OK) != 0) {
        fprintf(stderr, "skip: no %s\n", real[_i].name);
        return;
    }
    ck_assert_int_eq(nl_views_read(path, &spec, NULL, 0, see, &seen, &info), NL_OK);
    ck_assert_int_eq(info.width, real[_i].width);
    ck_assert_int_eq(info.height, real[_i].height);
    ck_assert_int_eq(info.frames, real[_i].frames);
    ck_assert_int_eq(seen.restarts, 0);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("reader, shared files");
    TCase *tests = tcase_create("files");
    tcase_add_loop_test(tests, hostile_files_get_the_owed_answer, 0, NL_COUNT(hostile));
    tcase_add_loop_test(tests, real_videos_have_their_size_and_number_of_frames, 0, NL_COUNT(real));
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed != 0;
}
