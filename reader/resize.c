#include "reader/resize.h"

#include "src/core/memory.h"

#include <math.h>
#include <string.h>

enum { ONE = 2048 }; /* a weight of 1 */

/* Source coordinate of output `at`: the first of two pixels, and the share of the second. OpenCV
 * computes it in float, from a scale that it got by dividing twice. */
static int64_t source_of(int64_t at, int64_t to, int from, float *share)
{
    const double scale = 1. / ((double)to / from);
    const float exact = (float)(((double)at + 0.5) * scale - 0.5);
    const float whole = floorf(exact);
    *share = exact - whole;
    return (int64_t)whole;
}

static int16_t weight_of(float share)
{
    return (int16_t)lrintf(share * ONE);
}

static void fill_columns(struct nl_resizer *r)
{
    for (ptrdiff_t x = 0; x < r->width; x++) {
        float share;
        int64_t at = source_of(r->left + x, r->to_width, r->from_width, &share);
        if (at < 0 || at >= r->from_width - 1) share = 0;
        if (at < 0) at = 0;
        if (at > r->from_width - 1) at = r->from_width - 1;
        r->column[x] = (int32_t)at;
        r->weight[2 * x] = weight_of(1 - share);
        r->weight[2 * x + 1] = weight_of(share);
    }
}

static nl_status prepare(struct nl_resizer *r, const struct nl_image *from,
                         const struct nl_part *part)
{
    const bool same = r->from_width == from->width && r->to_width == part->to_width &&
                      r->left == part->left && r->width == part->width;
    r->held[0] = r->held[1] = -1;
    if (same) return NL_OK;
    r->width = 0; /* tables are of no use until they are filled */
    if (part->width > r->room) {
        const size_t pixels = (size_t)part->width;
        r->room = 0;
        NL_TRY(nl_resize(&r->column, pixels, sizeof *r->column));
        NL_TRY(nl_resize(&r->weight, pixels, 2 * sizeof *r->weight));
        for (int i = 0; i < 2; i++) NL_TRY(nl_resize(&r->row[i], pixels, 3 * sizeof *r->row[i]));
        r->room = part->width;
    }
    r->from_width = from->width;
    r->to_width = part->to_width;
    r->left = part->left;
    r->width = part->width;
    fill_columns(r);
    return NL_OK;
}

/* One source row along x: 128 times the pixel, which is all that the sum over y looks at. */
static void along_x(const struct nl_resizer *r, const uint8_t *restrict from, int16_t *restrict out)
{
    const int last = r->from_width - 1;
    for (ptrdiff_t x = 0; x < r->width; x++, out += 3) {
        const int column = r->column[x], w0 = r->weight[2 * x], w1 = r->weight[2 * x + 1];
        const uint8_t *a = from + 3 * (ptrdiff_t)column;
        const uint8_t *b = column < last ? a + 3 : a;
        out[0] = (int16_t)((a[0] * w0 + b[0] * w1) >> 4);
        out[1] = (int16_t)((a[1] * w0 + b[1] * w1) >> 4);
        out[2] = (int16_t)((a[2] * w0 + b[2] * w1) >> 4);
    }
}

static void along_y(const int16_t *restrict a, const int16_t *restrict b, int wa, int wb, int count,
                    uint8_t *restrict out)
{
    for (int i = 0; i < count; i++)
        out[i] = (uint8_t)((((wa * a[i]) >> 16) + ((wb * b[i]) >> 16) + 2) >> 2);
}

/* Source row y along x; the row held for `other` stays. */
static const int16_t *row_of(struct nl_resizer *r, const struct nl_image *from, int y, int other)
{
    for (int i = 0; i < 2; i++)
        if (r->held[i] == y) return r->row[i];
    const int i = r->held[0] == other;
    along_x(r, from->data + from->stride * (size_t)y, r->row[i]);
    r->held[i] = y;
    return r->row[i];
}

static int within(int64_t y, int height)
{
    return (int)(y < 0 ? 0 : y > height - 1 ? height - 1 : y);
}

static void bilinear(struct nl_resizer *r, const struct nl_image *from, const struct nl_part *part,
                     uint8_t *out)
{
    const int count = 3 * part->width;
    for (int y = 0; y < part->height; y++, out += count) {
        float share;
        const int64_t at = source_of(part->top + y, part->to_height, from->height, &share);
        const int y0 = within(at, from->height), y1 = within(at + 1, from->height);
        const int16_t *a = row_of(r, from, y0, y1), *b = row_of(r, from, y1, y0);
        along_y(a, b, weight_of(1 - share), weight_of(share), count, out);
    }
}

static void halve(const struct nl_image *from, const struct nl_part *part, uint8_t *out)
{
    const size_t stride = from->stride, skip = 6 * (size_t)part->left;
    for (int y = 0; y < part->height; y++) {
        const uint8_t *a = from->data + stride * 2 * (size_t)(part->top + y) + skip;
        for (int x = 0; x < part->width; x++, a += 6, out += 3)
            for (int c = 0; c < 3; c++)
                out[c] = (uint8_t)((a[c] + a[c + 3] + a[c + stride] + a[c + stride + 3] + 2) >> 2);
    }
}

static void copy(const struct nl_image *from, const struct nl_part *part, uint8_t *out)
{
    const size_t bytes = 3 * (size_t)part->width;
    const uint8_t *row = from->data + from->stride * (size_t)part->top + 3 * (size_t)part->left;
    for (int y = 0; y < part->height; y++, out += bytes, row += from->stride)
        memcpy(out, row, bytes);
}

nl_status nl_resizer_run(struct nl_resizer *r, const struct nl_image *from,
                         const struct nl_part *part, uint8_t *out)
{
    if (part->to_width == from->width && part->to_height == from->height) {
        copy(from, part, out);
    } else if (2 * part->to_width == from->width && 2 * part->to_height == from->height) {
        halve(from, part, out);
    } else {
        NL_TRY(prepare(r, from, part));
        bilinear(r, from, part, out);
    }
    return NL_OK;
}

void nl_resizer_clear(struct nl_resizer *r)
{
    nl_free(r->column);
    nl_free(r->weight);
    nl_free(r->row[0]);
    nl_free(r->row[1]);
    *r = (struct nl_resizer){.column = NULL};
}
