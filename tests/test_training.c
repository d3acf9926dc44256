/* Training by the program itself, on lists of .npy clips: the recorded steps, and statistics that
 * can be worked out by hand. */
#include "src/core/memory.h"
#include "src/core/rng.h"
#include "src/core/text.h"
#include "src/tensor/backend.h"
#include "src/tensor/npy.h"
#include "src/weights/safetensors.h"
#include "tests/weights_case.h"

#include <check.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Runs the program with these words, which may hold quotes as a shell has them; what it says, for
 * nl_free. */
static char *run_to(const char *words, bool success)
{
    struct nl_text line = {.data = NULL};
    const char *program = getenv("NL_PROGRAM"), *log = scratch("log");
    ck_assert_msg(program != NULL, "NL_PROGRAM is not set");
    nl_text_add(&line, "'%s' %s >'%s' 2>&1", program, words, log);
    ck_assert_int_eq(nl_text_check(&line), NL_OK);
    const int status = system(line.data);
    char *said = NULL;
    size_t size;
    ck_assert_int_eq(nl_file_read(log, (size_t)1 << 20, &said, &size), NL_OK);
    ck_assert_msg((status == 0) == success, "%s\n%s", line.data, said);
    nl_text_clear(&line);
    return said;
}

static void run(const char *words)
{
    nl_free(run_to(words, true));
}

/* --- the recorded steps ---------------------------------------------------------------------- */

enum { STEPS = 10, BATCH = 4, CLIP = 3 * 8 * 64 * 64 };

static const struct nl_entry *find(const struct nl_state *state, const char *name)
{
    const struct nl_entry *entry = nl_state_find(state, name);
    ck_assert_msg(entry != NULL, "no %s", name);
    return entry;
}

/* The tensors before the first step, as a file of weights. */
static void write_start(const struct nl_state *state, const char *path)
{
    static const char prefix[] = "param.";
    struct nl_entry *list = NULL;
    int count = 0;
    ck_assert_int_eq(nl_calloc((size_t)state->count, sizeof *list, &list), NL_OK);
    for (int i = 0; i < state->count; i++) {
        if (strncmp(state->list[i].name, prefix, sizeof prefix - 1) != 0) continue;
        list[count] = state->list[i];
        list[count++].name += sizeof prefix - 1;
    }
    ck_assert_int_eq(nl_safetensors_write(path, list, count, NULL, 0, NULL, NULL), NL_OK);
    nl_free(list);
}

/* The clips, kept as 32 times their values, and their list. */
static void write_clips(const struct nl_state *state, const char *list)
{
    static const int64_t dim[4] = {3, 8, 64, 64};
    const struct nl_entry *clips = find(state, "clips"), *labels = find(state, "labels");
    FILE *file = fopen(list, "w");
    float *values = NULL;
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(nl_entry_count(clips), (size_t)STEPS * BATCH * CLIP);
    ck_assert_int_eq(nl_calloc(CLIP, sizeof *values, &values), NL_OK);
    for (size_t i = 0; i < (size_t)STEPS * BATCH; i++) {
        char name[32];
        snprintf(name, sizeof name, "%zu.npy", i);
        for (size_t k = 0; k < CLIP; k++)
            values[k] = (float)(nl_entry_value(clips, i * CLIP + k) / 32);
        const char *path = scratch(name);
        ck_assert_int_eq(nl_npy_write(path, NL_F32, 4, dim, values), NL_OK);
        fprintf(file, "%s %d\n", path, (int)nl_entry_value(labels, i));
    }
    ck_assert_int_eq(fclose(file), 0);
    nl_free(values);
}

static void train(const struct nl_state *state, const char *backend)
{
    struct nl_text words = {.data = NULL};
    json_t *sets = json_loads(nl_state_meta(state, "config"), 0, NULL);
    nl_text_add(&words, "train --pretrain='%s' --save_dir='%s' --backend=%s --epoch=1 --seed=1",
                scratch("start"), scratch("run"), backend);
    nl_text_add(&words, " --valid_interval=0 --learning_rate=%s --set TRAIN.filelist='%s'",
                nl_state_meta(state, "learning_rate"), scratch("list.txt"));
    nl_text_add(&words, " --set TRAIN.step_sizes='[%s, 1000000]'",
                nl_state_meta(state, "decayed_at_step"));
    nl_text_add(&words, " --set TRAIN.num_gpus=1 --set TRAIN.shuffle=False --set TRAIN.flip=False");
    for (size_t i = 0; i < json_array_size(sets); i++)
        nl_text_add(&words, " --set '%s'", json_string_value(json_array_get(sets, i)));
    ck_assert_int_eq(nl_text_check(&words), NL_OK);
    run(words.data);
    nl_text_clear(&words);
    json_decref(sets);
}

static void check_losses(const struct nl_state *state)
{
    const struct nl_entry *want = find(state, "losses");
    char line[4096];
    size_t step = 0;
    FILE *file = fopen(scratch("run/train.jsonl"), "r");
    ck_assert_ptr_nonnull(file);
    while (fgets(line, sizeof line, file)) {
        json_t *root = json_loads(line, 0, NULL);
        const json_t *loss = json_object_get(root, "loss");
        if (loss) {
            ck_assert_uint_lt(step, STEPS);
            const double recorded = nl_entry_value(want, step++);
            ck_assert_double_le(fabs(json_number_value(loss) / recorded - 1), 1e-5);
        }
        json_decref(root);
    }
    fclose(file);
    ck_assert_uint_eq(step, STEPS);
}

/* Norm of the difference, relative to that of `want`. */
static double off_by(const struct nl_entry *got, const struct nl_entry *want)
{
    double difference = 0, norm = 0;
    ck_assert_uint_eq(nl_entry_count(got), nl_entry_count(want));
    for (size_t i = 0; i < nl_entry_count(want); i++) {
        const double value = nl_entry_value(want, i), off = nl_entry_value(got, i) - value;
        difference += off * off;
        norm += value * value;
    }
    return sqrt(difference / norm);
}

static void check_end(const struct nl_state *state)
{
    struct nl_state got = load_state(scratch("run/NONLOCAL.safetensors"));
    int checked = 0;
    for (int i = 0; i < state->count; i++) {
        const struct nl_entry *want = &state->list[i];
        if (strncmp(want->name, "after.", 6) != 0) continue;
        const double off = off_by(find(&got, want->name + 6), want);
        ck_assert_msg(off <= 1e-4, "%s is off by %g", want->name, off);
        checked++;
    }
    ck_assert_int_eq(checked, 327);
    nl_state_clear(&got);
}

START_TEST(ten_steps_are_the_recorded_ones)
{
    struct nl_state state = load_state(fixture("training_arc1.safetensors"));
    write_start(&state, scratch("start"));
    write_clips(&state, scratch("list.txt"));
    train(&state, nl_backends[_i]->name);
    check_losses(&state);
    check_end(&state);
    nl_state_clear(&state);
}
END_TEST

/* --- precise BN ------------------------------------------------------------------------------ */

enum { CLIPS = 8, FRAMES = 4, SIDE = 32, VALUES = 3 * FRAMES * SIDE * SIDE, WIDTH = 4 };

static const char narrow[] =
    " --set MODEL.width=4 --set MODEL.num_classes=3 --set TRAIN.crop_size=32"
    " --set TRAIN.video_length=4 --set INFER.video_length=4 --set TRAIN.batch_size=4"
    " --set TRAIN.num_gpus=1 --set TRAIN.shuffle=False --seed=3";

/* Two batches; the second is brighter, so that their means differ. */
static void write_batches(void)
{
    static const int64_t dim[5] = {CLIPS, 3, FRAMES, SIDE, SIDE};
    static float values[CLIPS * VALUES];
    struct nl_rng rng;
    FILE *file = fopen(scratch("list.txt"), "w");
    ck_assert_ptr_nonnull(file);
    nl_rng_seed(&rng, 1, "clips");
    for (int i = 0; i < CLIPS * VALUES; i++)
        values[i] = (float)(nl_rng_normal(&rng) + (i < CLIPS / 2 * VALUES ? 0 : 2));
    for (int i = 0; i < CLIPS; i++) {
        char name[32];
        snprintf(name, sizeof name, "%d.npy", i);
        const char *path = scratch(name);
        ck_assert_int_eq(nl_npy_write(path, NL_F32, 4, dim + 1, values + (size_t)i * VALUES),
                         NL_OK);
        fprintf(file, "%s %d\n", path, i % 3);
    }
    ck_assert_int_eq(fclose(file), 0);
    ck_assert_int_eq(nl_npy_write(scratch("all.npy"), NL_F32, 5, dim, values), NL_OK);
}

/* Mean and variance of channel `c` over clips `first` to `last` of conv1's outputs. */
static void moments(const struct nl_npy *npy, int64_t c, int64_t first, int64_t last, double *mean,
                    double *variance)
{
    const int64_t pixels = npy->count / (npy->dim[0] * npy->dim[1]);
    const double count = (double)((last - first) * pixels);
    *mean = *variance = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = first; i < last; i++)
            for (int64_t p = 0; p < pixels; p++) {
                const double value = ((const float *)npy->data)[(i * npy->dim[1] + c) * pixels + p];
                if (pass == 0)
                    *mean += value / count;
                else
                    *variance += (value - *mean) * (value - *mean) / count;
            }
}

START_TEST(precise_statistics_are_those_of_all_batches_together)
{
    struct nl_text words = {.data = NULL};
    struct nl_npy conv1;
    write_batches();
    nl_text_add(&words, "init --to='%s'%s", scratch("w"), narrow);
    run(words.data);
    nl_text_clear(&words);
    nl_text_add(&words, "forward --weights='%s' --input='%s' --output='%s' --layer=conv1%s",
                scratch("w"), scratch("all.npy"), scratch("conv1.npy"), narrow);
    run(words.data);
    nl_text_clear(&words);
    nl_text_add(&words, "bn-recompute --weights='%s' --to='%s' --filelist='%s'%s", scratch("w"),
                scratch("precise"), scratch("list.txt"), narrow);
    run(words.data);
    nl_text_clear(&words);
    ck_assert_int_eq(nl_npy_read(scratch("conv1.npy"), &conv1), NL_OK);
    struct nl_state state = load_state(scratch("precise"));
    double difference = 0, mean, variance, first, second, unused;
    for (int64_t c = 0; c < WIDTH; c++) {
        moments(&conv1, c, 0, CLIPS, &mean, &variance);
        moments(&conv1, c, 0, CLIPS / 2, &first, &unused);
        moments(&conv1, c, CLIPS / 2, CLIPS, &second, &unused);
        difference = fmax(difference, (first - second) * (first - second) / variance);
        ck_assert_double_eq_tol(nl_entry_value(find(&state, "bn_conv1_mean"), (size_t)c), mean,
                                1e-5 * sqrt(variance));
        ck_assert_double_eq_tol(nl_entry_value(find(&state, "bn_conv1_variance"), (size_t)c),
                                variance, 1e-5 * variance);
    }
    ck_assert_double_gt(difference, 0.01); /* the means of the batches do differ */
    nl_state_clear(&state);
    nl_npy_clear(&conv1);
}
END_TEST

/* --- where a checkpoint stands ---------------------------------------------------------------- */

static const struct {
    const char *is, *becomes, *lacks;
} edits[] = {{"\"batch\":0", "\"batch\":9223372036854775807", "\"batch\""},
             {"\"batch\":0", "\"batch\":\"0\"", "\"batch\""},
             {"\"batch\":0,", "", "\"batch\""},
             {"\"step\":2", "\"step\":9223372036854775807", "\"step\""},
             {"\"step\":2", "\"step\":-2", "\"step\""},
             {"\"epoch\":1", "\"epoch\":4294967296", "\"epoch\""},
             {"\"epoch\":1", "\"epoch\":1.0", "\"epoch\""},
             {"\"best_epoch\":0", "\"best_epoch\":-1", "\"best_epoch\""},
             {"\"seed\":3", "\"seed\":-3", "\"seed\""},
             {"\"best\":-1.0", "\"best\":7", "\"best\""},
             {"\"best\":-1.0", "\"best\":[]", "\"best\""},
             {"\"loss\":0.0", "\"loss\":null", "\"loss\""},
             {"\"clips\":0", "\"clips\":-1", "\"clips\""},
             {"\"tally\":{", "\"tolly\":{", "\"top1\""}};

/* The checkpoint with `is` replaced in its training state. */
static void write_edited(const struct nl_state *state, const char *path, const char *is,
                         const char *becomes)
{
    struct nl_text text = {.data = NULL};
    struct nl_meta meta[4];
    ck_assert_int_le(state->n_meta, 4);
    for (int i = 0; i < state->n_meta; i++) {
        meta[i] = state->meta[i];
        if (strcmp(meta[i].key, "training") != 0) continue;
        const char *at = strstr(meta[i].value, is);
        ck_assert_msg(at != NULL, "no %s in %s", is, meta[i].value);
        nl_text_add(&text, "%.*s%s%s", (int)(at - meta[i].value), meta[i].value, becomes,
                    at + strlen(is));
        meta[i].value = text.data;
    }
    ck_assert_int_eq(nl_text_check(&text), NL_OK);
    ck_assert_int_eq(
        nl_safetensors_write(path, state->list, state->count, meta, state->n_meta, NULL, NULL),
        NL_OK);
    nl_text_clear(&text);
}

START_TEST(a_checkpoint_stands_at_a_place_that_can_be)
{
    struct nl_text words = {.data = NULL};
    write_batches();
    nl_text_add(&words, "train --save_dir='%s' --epoch=1 --valid_interval=0%s", scratch("run"),
                narrow);
    nl_text_add(&words, " --set TRAIN.filelist='%s'", scratch("list.txt"));
    run(words.data);
    nl_text_add(&words, " --resume='%s'", scratch("edited.safetensors"));
    struct nl_state state = load_state(scratch("run/NONLOCAL.safetensors"));
    write_edited(&state, scratch("edited.safetensors"), "\"batch\":0", "\"batch\": 0");
    run(words.data);
    for (size_t i = 0; i < NL_COUNT(edits); i++) {
        write_edited(&state, scratch("edited.safetensors"), edits[i].is, edits[i].becomes);
        char *said = run_to(words.data, false);
        char want[64];
        snprintf(want, sizeof want, "its training state lacks %s, ", edits[i].lacks);
        ck_assert_msg(strstr(said, want) != NULL, "%s: %s", edits[i].becomes, said);
        nl_free(said);
    }
    nl_state_clear(&state);
    nl_text_clear(&words);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("training");
    TCase *tc = tcase_create("training");
    int backends = 0;
    while (nl_backends[backends]) backends++;
    tcase_add_checked_fixture(tc, NULL, scratch_remove);
    tcase_set_timeout(tc, 600);
    tcase_add_loop_test(tc, ten_steps_are_the_recorded_ones, 0, backends);
    tcase_add_test(tc, a_checkpoint_stands_at_a_place_that_can_be);
    tcase_add_test(tc, precise_statistics_are_those_of_all_batches_together);
    suite_add_tcase(suite, tc);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    const int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
