/* demo_scene.h - the demo's moving pictures: what happens in a clip, and its frames.
 *
 * A coloured object before a texture; a class says how place and colour vary over time. Places live
 * on a torus and hues on a circle, both start uniformly, so that every frame looks the same in all
 * classes: clips of one name have the same frame 0 whatever their class. Played backwards a clip is
 * as likely as before. Everything repeats after NL_DEMO_FRAMES frames, so a clip has no seam.
 *
 * Half of the classes differ in what two frames 8 apart show. "two" and "many" do not: only frames
 * further apart tell whether a third place (or colour) is new or was there before.
 */
#ifndef NL_DEMO_SCENE_H
#define NL_DEMO_SCENE_H

#include "src/core/rng.h"

#include <stdbool.h>

enum {
    NL_DEMO_SIDE = 64,   /* pixels */
    NL_DEMO_FRAMES = 64, /* of a clip, and its period */
    NL_DEMO_CLASSES = 8,
    NL_DEMO_STEPS = 8, /* changes of place or colour: one every NL_DEMO_FRAMES / NL_DEMO_STEPS */
};

extern const char *const nl_demo_classes[NL_DEMO_CLASSES];

struct nl_demo_object {
    double x, y, radius, hue;
    bool square;
};

struct nl_demo_scene {
    int class;
    uint64_t seed;
    char name[64];
    struct nl_demo_object object;                       /* as it is in frame 0 */
    double background[NL_DEMO_SIDE * NL_DEMO_SIDE * 3]; /* RGB; what never changes */
    double swing, angle, turn;                          /* pixels, phase, direction: 1 or -1 */
    struct nl_demo_step {
        double x, y, hue;
    } step[NL_DEMO_STEPS];
    int shift;              /* frames by which the steps come early */
    double contrast, noise; /* 0 to 1; grey levels */
};

/* The clip `name` of a class; `difficulty` 0 to 1: noise, distractors, texture, smaller and paler
 * objects, smaller changes. */
void nl_demo_scene_make(struct nl_demo_scene *scene, int class, uint64_t seed, const char *name,
                        double difficulty);

/* Frame t, RGB, NL_DEMO_SIDE rows of NL_DEMO_SIDE pixels. */
void nl_demo_scene_paint(const struct nl_demo_scene *scene, int t, uint8_t *rgb);

#endif
