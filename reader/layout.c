#include "reader/layout.h"

#include "src/core/memory.h"

/* All windows share the other axis: one of left and top is the same for all. */
struct span {
    int64_t begin, end;
};

static struct span span_of(const struct nl_window *w, int crop, bool vertical)
{
    const int64_t begin = vertical ? w->top : w->left;
    return (struct span){begin, begin + crop};
}

/* Grows `span` by every window that overlaps or touches it, until none does. */
static struct span grow(struct span span, const struct nl_window *windows, const bool *used,
                        int crop, bool vertical)
{
    for (bool grown = true; grown;) {
        grown = false;
        for (int s = 0; s < NL_CROPS_MAX; s++) {
            if (!used[s]) continue;
            const struct span other = span_of(&windows[s], crop, vertical);
            if (other.begin > span.end || other.end < span.begin) continue;
            if (other.begin >= span.begin && other.end <= span.end) continue;
            span.begin = other.begin < span.begin ? other.begin : span.begin;
            span.end = other.end > span.end ? other.end : span.end;
            grown = true;
        }
    }
    return span;
}

static struct nl_part strip_of(const struct nl_window *w, struct span span, int crop, bool vertical)
{
    struct nl_part part = {w->width, w->height, w->left, w->top, crop, crop};
    if (vertical) {
        part.top = span.begin;
        part.height = (int)(span.end - span.begin);
    } else {
        part.left = span.begin;
        part.width = (int)(span.end - span.begin);
    }
    return part;
}

static bool inside(const struct nl_window *w, int crop, const struct nl_part *part)
{
    return w->left >= part->left && w->left + crop <= part->left + part->width &&
           w->top >= part->top && w->top + crop <= part->top + part->height;
}

static void place(const struct nl_window *w, int crop, const struct nl_layout *layout,
                  struct nl_cut *cut)
{
    int i = 0;
    while (!inside(w, crop, &layout->strip[i])) i++;
    const struct nl_part *part = &layout->strip[i];
    cut->stride = 3 * (size_t)part->width;
    cut->offset = layout->strip_at[i] + cut->stride * (size_t)(w->top - part->top) +
                  3 * (size_t)(w->left - part->left);
    cut->mirrored = w->mirrored;
}

static bool covered(const struct nl_window *w, int crop, const struct nl_layout *layout)
{
    for (int i = 0; i < layout->n_strips; i++)
        if (inside(w, crop, &layout->strip[i])) return true;
    return false;
}

void nl_layout_make(const struct nl_view_spec *spec, const bool used[NL_CROPS_MAX], int width,
                    int height, struct nl_layout *out)
{
    const int crop = spec->crop;
    struct nl_window windows[NL_CROPS_MAX];
    size_t bytes = 0;
    bool vertical = false;
    int64_t first_top = -1;
    for (int s = 0; s < NL_CROPS_MAX; s++) {
        if (!used[s]) continue;
        windows[s] = nl_view_window(spec, width, height, s);
        vertical = vertical || (first_top >= 0 && windows[s].top != first_top);
        first_top = windows[s].top;
    }
    out->n_strips = 0;
    for (int s = 0; s < NL_CROPS_MAX; s++) {
        if (!used[s] || covered(&windows[s], crop, out)) continue;
        const struct span own = span_of(&windows[s], crop, vertical);
        const struct span span = grow(own, windows, used, crop, vertical);
        const struct nl_part strip = strip_of(&windows[s], span, crop, vertical);
        out->strip_at[out->n_strips] = bytes;
        out->strip[out->n_strips++] = strip;
        bytes += 3 * (size_t)strip.width * (size_t)strip.height;
    }
    for (int s = 0; s < NL_CROPS_MAX; s++)
        if (used[s]) place(&windows[s], crop, out, &out->cut[s]);
}

nl_status nl_layout_bytes(const struct nl_view_spec *spec, const bool used[NL_CROPS_MAX],
                          size_t *bytes)
{
    size_t crops = 0;
    for (int s = 0; s < NL_CROPS_MAX; s++) crops += used[s];
    NL_TRY(nl_size_mul((size_t)spec->crop, (size_t)spec->crop, bytes));
    return nl_size_mul(*bytes, 3 * crops, bytes);
}
