#include "src/app/demo_scene.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { STILL, SIDEWAYS, UPDOWN, CIRCLING, TWO_PLACES, MANY_PLACES, TWO_COLOURS, MANY_COLOURS };

enum { PIXELS = NL_DEMO_SIDE * NL_DEMO_SIDE, GREY = 80, WAVES = 4, OTHERS_MAX = 6 };

const char *const nl_demo_classes[NL_DEMO_CLASSES] = {
    [STILL] = "still",
    [SIDEWAYS] = "sideways",
    [UPDOWN] = "updown",
    [CIRCLING] = "circling",
    [TWO_PLACES] = "two_places",
    [MANY_PLACES] = "many_places",
    [TWO_COLOURS] = "two_colours",
    [MANY_COLOURS] = "many_colours",
};

static const double circle = 6.283185307179586;

static double between(struct nl_rng *rng, double low, double high)
{
    return low + (high - low) * nl_rng_double(rng);
}

/* x - y on a circle of circumference `around`, in [-around / 2, around / 2]. */
static double apart(double x, double y, double around)
{
    return remainder(x - y, around);
}

/* --- painting -------------------------------------------------------------------------------- */

/* A bright colour; hue on a circle of circumference 1. */
static double channel_of(double hue, int channel)
{
    const double x = fabs(apart(hue, channel / 3.0, 1)) * 6; /* 0 to 3 */
    return 40 + 200 * fmin(1, fmax(0, 2 - x));
}

/* Distances of all rows or columns from a place. */
static void measure(double place, double distance[NL_DEMO_SIDE])
{
    for (int i = 0; i < NL_DEMO_SIDE; i++) distance[i] = fabs(apart(i, place, NL_DEMO_SIDE));
}

/* Paints an object with a soft edge of one pixel. */
static void paint_object(const struct nl_demo_object *o, double contrast, double *pixel)
{
    double colour[3], across[NL_DEMO_SIDE], down[NL_DEMO_SIDE];
    for (int c = 0; c < 3; c++) colour[c] = channel_of(o->hue, c);
    measure(o->x, across);
    measure(o->y, down);
    for (int y = 0; y < NL_DEMO_SIDE; y++)
        for (int x = 0; x < NL_DEMO_SIDE; x++, pixel += 3) {
            const double far = fmax(across[x], down[y]);
            if (far > o->radius + 1) continue;
            const double distance = o->square ? 1.1 * far : hypot(across[x], down[y]);
            const double cover = fmin(1, fmax(0, o->radius + 0.5 - distance));
            for (int c = 0; c < 3; c++) pixel[c] += contrast * cover * (colour[c] - pixel[c]);
        }
}

/* --- making ---------------------------------------------------------------------------------- */

static struct nl_demo_object draw_object(struct nl_rng *rng, double radius)
{
    struct nl_demo_object o;
    o.x = between(rng, 0, NL_DEMO_SIDE);
    o.y = between(rng, 0, NL_DEMO_SIDE);
    o.hue = nl_rng_double(rng);
    o.radius = radius * between(rng, 0.85, 1.15);
    o.square = nl_rng_range(rng, 0, 1);
    return o;
}

/* Adds a wave of a random colour that has no seam at the frame's edges. */
static void add_wave(struct nl_demo_scene *s, struct nl_rng *rng, double amplitude)
{
    const double across = (double)nl_rng_range(rng, -3, 3), down = (double)nl_rng_range(rng, -3, 3);
    const double phase = between(rng, 0, circle);
    double colour[3], *pixel = s->background;
    for (int c = 0; c < 3; c++) colour[c] = amplitude * nl_rng_double(rng);
    for (int y = 0; y < NL_DEMO_SIDE; y++)
        for (int x = 0; x < NL_DEMO_SIDE; x++, pixel += 3) {
            const double wave = sin(phase + circle / NL_DEMO_SIDE * (across * x + down * y));
            for (int c = 0; c < 3; c++) pixel[c] += colour[c] * wave;
        }
}

/* What frame 0 shows, of a stream that all classes share. */
static void draw_frame(struct nl_demo_scene *s, double difficulty)
{
    struct nl_rng rng;
    nl_rng_seed(&rng, s->seed, s->name);
    s->object = draw_object(&rng, 9 - 2.5 * difficulty);
    for (int i = 0; i < PIXELS * 3; i++) s->background[i] = GREY;
    for (int i = 0; i < WAVES; i++) add_wave(s, &rng, 4 + 14 * difficulty);
    for (int i = 0; i < lround(difficulty * OTHERS_MAX); i++) {
        const struct nl_demo_object other = draw_object(&rng, 5);
        paint_object(&other, s->contrast, s->background);
    }
}

/* Whether steps i and k differ enough to be told apart. */
static bool differ(const struct nl_demo_scene *s, int i, int k, double difficulty)
{
    const struct nl_demo_step *a = &s->step[i], *b = &s->step[k];
    const double x = apart(a->x, b->x, NL_DEMO_SIDE), y = apart(a->y, b->y, NL_DEMO_SIDE);
    return hypot(x, y) >= 24 - 12 * difficulty &&
           fabs(apart(a->hue, b->hue, 1)) >= 0.25 - 0.13 * difficulty;
}

static bool fits(const struct nl_demo_scene *s, int i, double difficulty)
{
    if (i > 0 && !differ(s, i, i - 1, difficulty)) return false;
    return i < NL_DEMO_STEPS - 1 || differ(s, i, 0, difficulty);
}

/* Each step is drawn until it differs from the one before, the last also from the first. */
static void draw_steps(struct nl_demo_scene *s, struct nl_rng *rng, double difficulty)
{
    for (int i = 0; i < NL_DEMO_STEPS; i++) {
        do {
            s->step[i].x = between(rng, 0, NL_DEMO_SIDE);
            s->step[i].y = between(rng, 0, NL_DEMO_SIDE);
            s->step[i].hue = nl_rng_double(rng);
        } while (!fits(s, i, difficulty));
    }
}

/* What changes, of a stream of the class. */
static void draw_change(struct nl_demo_scene *s, double difficulty)
{
    struct nl_rng rng;
    char name[96];
    snprintf(name, sizeof name, "%s/%s", s->name, nl_demo_classes[s->class]);
    nl_rng_seed(&rng, s->seed, name);
    s->swing = 20 - 10 * difficulty;
    s->angle = between(&rng, 0, circle);
    s->turn = nl_rng_range(&rng, 0, 1) ? 1 : -1;
    s->shift = (int)nl_rng_range(&rng, 0, NL_DEMO_FRAMES - 1);
    draw_steps(s, &rng, difficulty);
}

void nl_demo_scene_make(struct nl_demo_scene *s, int class, uint64_t seed, const char *name,
                        double difficulty)
{
    *s = (struct nl_demo_scene){.class = class, .seed = seed};
    snprintf(s->name, sizeof s->name, "%s", name);
    s->contrast = 1 - 0.6 * difficulty;
    s->noise = 4 + 56 * difficulty;
    draw_frame(s, difficulty);
    draw_change(s, difficulty);
}

/* --- what happens ---------------------------------------------------------------------------- */

static int step_at(const struct nl_demo_scene *s, int t)
{
    const int count = s->class == TWO_PLACES || s->class == TWO_COLOURS ? 2 : NL_DEMO_STEPS;
    return (t + s->shift) / (NL_DEMO_FRAMES / NL_DEMO_STEPS) % count;
}

/* Place and hue of frame t, up to a constant. */
static struct nl_demo_object change_at(const struct nl_demo_scene *s, int t)
{
    const double phase = s->angle + s->turn * circle * t / NL_DEMO_FRAMES;
    const int step = step_at(s, t);
    struct nl_demo_object o = {.x = 0};
    if (s->class == SIDEWAYS || s->class == CIRCLING) o.x = s->swing * cos(phase);
    if (s->class == UPDOWN || s->class == CIRCLING) o.y = s->swing * sin(phase);
    if (s->class == TWO_PLACES || s->class == MANY_PLACES) {
        o.x = s->step[step].x;
        o.y = s->step[step].y;
    }
    if (s->class == TWO_COLOURS || s->class == MANY_COLOURS) o.hue = s->step[step].hue;
    return o;
}

static struct nl_demo_object object_at(const struct nl_demo_scene *s, int t)
{
    const struct nl_demo_object now = change_at(s, t), first = change_at(s, 0);
    struct nl_demo_object o = s->object;
    o.x += now.x - first.x;
    o.y += now.y - first.y;
    o.hue += now.hue - first.hue;
    return o;
}

/* --- frames ---------------------------------------------------------------------------------- */

/* Rounds, with noise of a triangular distribution that is the same in all channels. */
static void finish(const struct nl_demo_scene *s, int t, const double *pixels, uint8_t *rgb)
{
    struct nl_rng rng;
    char name[96];
    snprintf(name, sizeof name, "%s/noise/%d", s->name, t);
    nl_rng_seed(&rng, s->seed, name);
    for (int i = 0; i < PIXELS; i++) {
        const uint32_t bits = nl_rng_u32(&rng);
        const double noise = ((double)(bits >> 16) + (double)(bits & 0xffff)) / 65535 - 1;
        for (int c = 0; c < 3; c++) {
            const double value = pixels[3 * i + c] + s->noise * noise;
            rgb[3 * i + c] = (uint8_t)lround(fmin(255, fmax(0, value)));
        }
    }
}

void nl_demo_scene_paint(const struct nl_demo_scene *s, int t, uint8_t *rgb)
{
    double pixels[PIXELS * 3];
    const struct nl_demo_object object = object_at(s, t);
    memcpy(pixels, s->background, sizeof pixels);
    paint_object(&object, s->contrast, pixels);
    finish(s, t, pixels, rgb);
}
