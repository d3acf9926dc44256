#include "backends/cpu/winograd_tiles.h"

#include "backends/cpu/cpu.h"
#include "src/core/memory.h"

enum { IN = NL_WINOGRAD_IN, OUT = NL_WINOGRAD_OUT };

const float nl_cpu_winograd_zeros[NL_WINOGRAD_MOST];

struct nl_cpu_winograd_tiles nl_cpu_winograd_tiles_of(const nl_tensor *out, int64_t pad_h,
                                                      int64_t pad_w)
{
    struct nl_cpu_winograd_tiles t = {
        .frames = out->dim[0] * out->dim[1], .times = out->dim[1], .pad_h = pad_h, .pad_w = pad_w};
    t.down = nl_cpu_parts(out->dim[2], OUT);
    t.across = nl_cpu_parts(out->dim[3], OUT);
    t.count = t.frames * t.down * t.across;
    return t;
}

/* Frame and first output of a tile. */
struct spot {
    int64_t n, t, h, w;
};

static struct spot spot_of(const struct nl_cpu_winograd_tiles *t, int64_t tile)
{
    const int64_t place = tile % (t->down * t->across), frame = tile / (t->down * t->across);
    return (struct spot){frame / t->times, frame % t->times, place / t->across * OUT,
                         place % t->across * OUT};
}

/* The row of a spot, and what it is to the next ones, in bytes. */
struct corner {
    char *at;
    int64_t down, right;
};

static struct corner corner_of(const nl_tensor *t, const struct spot *s, int64_t channel)
{
    const int64_t size = (int64_t)nl_type_size(t->type);
    const int64_t at = s->n * t->stride[0] + s->t * t->stride[1] + s->h * t->stride[2] +
                       s->w * t->stride[3] + channel;
    return (struct corner){(char *)t->data + at * size, t->stride[2] * size, t->stride[3] * size};
}

static void foresee(const char *row, int64_t bytes)
{
    for (int64_t at = 0; at < bytes; at += NL_ALIGN) __builtin_prefetch(row + at);
}

/* side x side rows from a spot on, and what the next tile has beside them. */
static void read_rows(const nl_tensor *t, const struct spot *s, int side, int64_t channel,
                      int64_t channels, const void *rows[])
{
    const struct corner c = corner_of(t, s, channel);
    const int64_t bytes = channels * (int64_t)nl_type_size(t->type);
    const int64_t width = t->dim[3] - s->w, next = nl_cpu_least(side + OUT, width);
    for (int i = 0; i < side; i++) {
        const bool inside = s->h + i >= 0 && s->h + i < t->dim[2];
        const char *const line = c.at + i * c.down;
        for (int j = 0; j < side; j++)
            rows[side * i + j] = inside && s->w + j >= 0 && j < width
                                     ? line + j * c.right
                                     : (const char *)nl_cpu_winograd_zeros;
        for (int64_t j = side; inside && j < next; j++) foresee(line + j * c.right, bytes);
    }
}

void nl_cpu_winograd_inputs(const struct nl_cpu_winograd_tiles *tiles, const nl_tensor *in,
                            int64_t tile, int64_t channel, int64_t channels, const void *rows[36])
{
    struct spot s = spot_of(tiles, tile);
    s.h -= tiles->pad_h;
    s.w -= tiles->pad_w;
    read_rows(in, &s, IN, channel, channels, rows);
}

void nl_cpu_winograd_gradients(const struct nl_cpu_winograd_tiles *tiles, const nl_tensor *dy,
                               int64_t tile, int64_t filter, int64_t filters, const void *rows[16])
{
    const struct spot s = spot_of(tiles, tile);
    read_rows(dy, &s, OUT, filter, filters, rows);
}

void nl_cpu_winograd_outputs(const struct nl_cpu_winograd_tiles *tiles, const nl_tensor *out,
                             int64_t tile, void *rows[16])
{
    const struct spot s = spot_of(tiles, tile);
    const struct corner c = corner_of(out, &s, 0);
    for (int i = 0; i < OUT; i++)
        for (int j = 0; j < OUT; j++)
            rows[OUT * i + j] = s.h + i < out->dim[2] && s.w + j < out->dim[3]
                                    ? c.at + i * c.down + j * c.right
                                    : NULL;
}
