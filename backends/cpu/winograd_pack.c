#include "backends/cpu/winograd_pack.h"

#include "backends/cpu/cpu.h"
#include "backends/cpu/winograd.h"

#include <string.h>

enum { PLACES = NL_WINOGRAD_PLACES, LANES = NL_WINOGRAD_LANES };

int64_t nl_cpu_winograd_place(const struct nl_cpu_winograd_filters *f)
{
    return nl_cpu_parts(f->filters, f->kernel->panel) * f->kernel->panel * f->channels;
}

struct packing {
    const struct nl_cpu_winograd_filters *f;
    const float *from;
    float *to;
};

/* [36][16] of sixteen 3x3 filters side by side at `from`, whose taps are `dense` apart. dx turns taps
 * around. */
static void transform_16(const struct nl_cpu_winograd_filters *f, const float *from, int64_t dense,
                         float *to)
{
    const float *taps[9];
    for (int i = 0; i < 9; i++) taps[i] = from + (f->dx ? 8 - i : i) * dense;
    nl_cpu_winograd()->filter(taps, to);
}

/* Sixteen channels by `n` filters, at most sixteen, from the original's [filters][9][channels]. */
static void pack_square(const struct packing *p, int64_t filter, int64_t n, int64_t channel)
{
    const struct nl_cpu_winograd_filters *f = p->f;
    const int64_t panel = f->kernel->panel, floats = nl_cpu_winograd_place(f);
    float *const to =
        p->to + filter / panel * panel * f->channels + channel * panel + filter % panel;
    float made[LANES * PLACES * LANES];
    for (int64_t k = 0; k < LANES; k++)
        if (k < n)
            transform_16(f, p->from + (filter + k) * 9 * f->channels + channel, f->channels,
                         made + k * PLACES * LANES);
        else
            memset(made + k * PLACES * LANES, 0, sizeof *made * PLACES * LANES);
    for (int64_t place = 0; place < PLACES; place++)
        for (int64_t c = 0; c < LANES; c++)
            for (int64_t k = 0; k < LANES; k++)
                to[place * floats + c * panel + k] = made[(k * PLACES + place) * LANES + c];
}

/* One channel by sixteen filters, from [channels][9][filters]. */
static void pack_line(const struct packing *p, int64_t filter, int64_t channel)
{
    const struct nl_cpu_winograd_filters *f = p->f;
    const int64_t panel = f->kernel->panel, floats = nl_cpu_winograd_place(f);
    float *const to =
        p->to + filter / panel * panel * f->channels + channel * panel + filter % panel;
    float made[PLACES * LANES];
    transform_16(f, p->from + channel * 9 * f->filters + filter, f->filters, made);
    for (int64_t place = 0; place < PLACES; place++)
        memcpy(to + place * floats, made + place * LANES, LANES * sizeof *to);
}

/* Sixteen filters of all places: panels [36][channels][panel], filled up with zeros. */
static void pack_tile(const void *job, int64_t number, void *scratch)
{
    const struct packing *p = job;
    const struct nl_cpu_winograd_filters *f = p->f;
    const int64_t filter = number * LANES;
    (void)scratch;
    if (!f->dx || filter >= f->filters)
        for (int64_t c = 0; c < f->channels; c += LANES)
            pack_square(p, filter, nl_cpu_least(LANES, f->filters - filter), c);
    else
        for (int64_t c = 0; c < f->channels; c++) pack_line(p, filter, c);
}

void nl_cpu_winograd_pack(const struct nl_backend *be, const struct nl_cpu_winograd_filters *f,
                          const float *from, float *to)
{
    const struct packing job = {f, from, to};
    nl_cpu_for_tiles(be, nl_cpu_winograd_place(f) / f->channels / LANES, pack_tile, &job, NULL, 0);
}
