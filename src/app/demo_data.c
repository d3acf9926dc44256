#include "src/app/demo_data.h"

#include "reader/writer.h"
#include "src/app/crew.h"
#include "src/app/demo_scene.h"
#include "src/core/file.h"
#include "src/core/memory.h"
#include "src/core/text.h"

#include <stdio.h>
#include <string.h>

enum { COUNT_MAX = 9999, PATH_BYTES = 4096, ROW = 3 * NL_DEMO_SIDE };

/* A list of videos; all splits in a row are the items of the crew. */
struct split {
    const char *list, *stream, *folder; /* stream: of random numbers and names of files */
    bool repeat;                        /* one frame in place of all */
    int count;                          /* a class */
};

enum { SPLITS = 4 };

struct job {
    const struct nl_demo_spec *spec;
    struct split split[SPLITS];
};

struct clip {
    const struct split *split;
    int class, number;
};

static struct clip clip_at(const struct split *split, int item)
{
    return (struct clip){split, item % NL_DEMO_CLASSES, item / NL_DEMO_CLASSES};
}

static nl_status path_of(const struct nl_demo_spec *spec, const struct clip *clip, const char *tail,
                         char path[PATH_BYTES])
{
    const int length = snprintf(path, PATH_BYTES, "%s/%s%s%s", spec->folder, clip->split->folder,
                                nl_demo_classes[clip->class], tail);
    NL_REQUIRE(length < PATH_BYTES, NL_EUSAGE, "%.80s...: name too long", spec->folder);
    return NL_OK;
}

static nl_status clip_path(const struct nl_demo_spec *spec, const struct clip *clip,
                           char path[PATH_BYTES])
{
    char tail[32];
    snprintf(tail, sizeof tail, "/%s_%04d.mp4", clip->split->stream, clip->number);
    return path_of(spec, clip, tail, path);
}

/* The frame that a repeat list shows. */
static int frame_to_repeat(const struct nl_demo_scene *scene)
{
    struct nl_rng rng;
    char name[96];
    snprintf(name, sizeof name, "%s/repeat/%d", scene->name, scene->class);
    nl_rng_seed(&rng, scene->seed, name);
    return (int)nl_rng_range(&rng, 0, NL_DEMO_FRAMES - 1);
}

static nl_status write_frames(struct nl_writer *writer, const struct nl_demo_scene *scene,
                              bool repeat)
{
    static _Thread_local uint8_t rgb[NL_DEMO_SIDE * ROW + NL_WRITER_PAD];
    const struct nl_image image = {rgb, ROW, NL_DEMO_SIDE, NL_DEMO_SIDE};
    const int only = repeat ? frame_to_repeat(scene) : -1;
    for (int t = 0; t < NL_DEMO_FRAMES; t++) {
        nl_demo_scene_paint(scene, repeat ? only : t, rgb);
        NL_TRY(nl_writer_add(writer, &image));
    }
    return NL_OK;
}

static nl_status write_clip(const struct nl_demo_spec *spec, const struct clip *clip)
{
    const struct nl_writer_spec video = {.width = NL_DEMO_SIDE,
                                         .height = NL_DEMO_SIDE,
                                         .fps = 30,
                                         .key_interval = 16,
                                         .quality = 18};
    struct nl_demo_scene scene;
    struct nl_writer *writer;
    char path[PATH_BYTES], name[32];
    NL_TRY(clip_path(spec, clip, path));
    snprintf(name, sizeof name, "%s/%04d", clip->split->stream, clip->number);
    nl_demo_scene_make(&scene, clip->class, spec->seed, name, spec->difficulty);
    NL_TRY(nl_writer_open(path, &video, &writer));
    const nl_status st = write_frames(writer, &scene, clip->split->repeat);
    if (st == NL_OK) return nl_writer_finish(writer);
    nl_writer_abort(writer);
    return st;
}

/* --- everything ------------------------------------------------------------------------------ */

static nl_status work(void *user, int item)
{
    const struct job *job = user;
    const struct split *split = job->split;
    while (item >= split->count * NL_DEMO_CLASSES) item -= split++->count * NL_DEMO_CLASSES;
    const struct clip clip = clip_at(split, item);
    return write_clip(job->spec, &clip);
}

static nl_status write_videos(const struct nl_demo_spec *spec, struct job *job)
{
    struct nl_progress progress;
    int items = 0;
    for (int i = 0; i < SPLITS; i++) items += job->split[i].count * NL_DEMO_CLASSES;
    nl_progress_begin(&progress, "videos", items, 0);
    return nl_crew_run(&(struct nl_crew_task){.items = items,
                                              .threads = spec->threads,
                                              .work = work,
                                              .user = job,
                                              .progress = &progress});
}

static nl_status make_folders(const struct job *job)
{
    char path[PATH_BYTES];
    for (int i = 0; i < SPLITS; i++)
        for (int k = 0; k < NL_DEMO_CLASSES; k++) {
            const struct clip clip = {&job->split[i], k, 0};
            NL_TRY(path_of(job->spec, &clip, "", path));
            NL_TRY(nl_folder_make(path));
        }
    return NL_OK;
}

static nl_status write_list(const struct nl_demo_spec *spec, const struct split *split)
{
    struct nl_file_write list;
    char path[PATH_BYTES];
    nl_status st = NL_OK;
    snprintf(path, sizeof path, "%.4000s/%s", spec->folder, split->list);
    NL_TRY(nl_file_write_begin(&list, path));
    for (int i = 0; st == NL_OK && i < split->count * NL_DEMO_CLASSES; i++) {
        const struct clip clip = clip_at(split, i);
        st = clip_path(spec, &clip, path);
        if (st == NL_OK) fprintf(list.file, "%s %d\n", path, clip.class);
    }
    if (st == NL_OK) return nl_file_write_commit(&list);
    nl_file_write_abort(&list);
    return st;
}

static nl_status write_labels(const struct nl_demo_spec *spec)
{
    struct nl_file_write file;
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%.4000s/labels.json", spec->folder);
    NL_TRY(nl_file_write_begin(&file, path));
    for (int i = 0; i < NL_DEMO_CLASSES; i++)
        fprintf(file.file, "%s\"%s\"", i ? ", " : "[", nl_demo_classes[i]);
    fputs("]\n", file.file);
    return nl_file_write_commit(&file);
}

static nl_status check(const struct nl_demo_spec *spec)
{
    NL_REQUIRE(spec->train >= 0 && spec->train <= COUNT_MAX && spec->val >= 0 &&
                   spec->val <= COUNT_MAX && spec->test >= 0 && spec->test <= COUNT_MAX,
               NL_EUSAGE, "%d, %d and %d videos a class, want 0 to %d", spec->train, spec->val,
               spec->test, COUNT_MAX);
    NL_REQUIRE(spec->difficulty >= 0 && spec->difficulty <= 1, NL_EUSAGE,
               "difficulty %g, want 0 to 1", spec->difficulty);
    return NL_OK;
}

nl_status nl_demo_data(const struct nl_demo_spec *spec)
{
    struct job job = {.spec = spec,
                      .split = {{"train.txt", "train", "", false, spec->train},
                                {"val.txt", "val", "", false, spec->val},
                                {"test.txt", "test", "", false, spec->test},
                                {"repeat.txt", "test", "repeat/", true, spec->test}}};
    NL_TRY(check(spec));
    NL_TRY(make_folders(&job));
    NL_TRY(write_videos(spec, &job));
    for (int i = 0; i < SPLITS; i++) NL_TRY(write_list(spec, &job.split[i]));
    return write_labels(spec);
}
