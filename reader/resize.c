#include "reader/resize.h"

#include "src/core/memory.h"

#include <math.h>
#include <string.h>

enum { ONE = 2048 }; /* 1.0 in weights of 11 bits */

void nl_resizer_clear(struct nl_resizer *resizer)
{
    nl_free(resizer->column);
    nl_free(resizer->alpha);
    nl_free(resizer->row[0]);
    nl_free(resizer->row[1]);
    memset(resizer, 0, sizeof *resizer);
}

/* Position of output `at` in the source: the first of two neighbours and the share of the second. */
static int64_t source(int64_t at, double scale, float *share)
{
    const float exact = (float)(((double)at + 0.5) * scale - 0.5);
    const int64_t whole = (int64_t)floorf(exact);
    *share = exact - (float)whole;
    return whole;
}

static int16_t weight(float share)
{
    return (int16_t)lrintf(share * ONE);
}

static void fill_columns(struct nl_resizer *r)
{
    const double scale = 1 / ((double)r->width / (double)r->from_width);
    for (int64_t x = 0; x < r->width; x++) {
        float share;
        int64_t at = source(x, scale, &share);
        if (at < 0) {
            at = 0;
            share = 0;
        }
        if (at >= r->from_width - 1) {
            at = r->from_width - 1;
            share = 0;
        }
        r->column[x] = (int32_t)(3 * at);
        r->alpha[2 * x] = weight(1 - share);
        r->alpha[2 * x + 1] = weight(share);
    }
}

static nl_status prepare(struct nl_resizer *r, int64_t from_height, int64_t from_width, const struct nl_image *to)
{
    const bool same = r->column && r->from_height == from_height && r->from_width == from_width &&
                      r->height == to->height && r->width == to->width;
    r->held[0] = r->held[1] = -1;
    if (same) return NL_OK;
    nl_resizer_clear(r);
    r->held[0] = r->held[1] = -1;
    r->from_height = from_height;
    r->from_width = from_width;
    r->height = to->height;
    r->width = to->width;
    NL_TRY(nl_calloc((size_t)r->width, sizeof *r->column, &r->column));
    NL_TRY(nl_calloc((size_t)r->width * 2, sizeof *r->alpha, &r->alpha));
    NL_TRY(nl_alloc((size_t)r->width * 3 * sizeof *r->row[0], &r->row[0]));
    NL_TRY(nl_alloc((size_t)r->width * 3 * sizeof *r->row[1], &r->row[1]));
    fill_columns(r);
    return NL_OK;
}

/* One source row along x, times 2048. The last column has no right neighbour, and no weight for it. */
static void along_x(const struct nl_resizer *r, const uint8_t *from, int32_t *restrict out)
{
    const int32_t last = (int32_t)(3 * (r->from_width - 1));
    for (int64_t x = 0; x < r->width; x++) {
        const uint8_t *a = from + r->column[x], *b = r->column[x] < last ? a + 3 : a;
        const int32_t p = r->alpha[2 * x], q = r->alpha[2 * x + 1];
        out[3 * x] = a[0] * p + b[0] * q;
        out[3 * x + 1] = a[1] * p + b[1] * q;
        out[3 * x + 2] = a[2] * p + b[2] * q;
    }
}

/* Two rows into one. The shifts are OpenCV's: 16-bit products whose low halves are dropped. */
static void along_y(const int32_t *restrict a, const int32_t *restrict b, int32_t p, int32_t q, uint8_t *restrict out,
                    int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        out[i] = (uint8_t)((((p * (a[i] >> 4)) >> 16) + ((q * (b[i] >> 4)) >> 16) + 2) >> 2);
}

/* The resized source row `y`, from the two that are held or made now; `keep` is one not to replace. */
static const int32_t *row_of(struct nl_resizer *r, const uint8_t *from, int64_t stride, int64_t y, int64_t keep)
{
    for (int i = 0; i < 2; i++)
        if (r->held[i] == y) return r->row[i];
    const int slot = r->held[0] == keep ? 1 : 0;
    along_x(r, from + y * stride, r->row[slot]);
    r->held[slot] = y;
    return r->row[slot];
}

static int64_t clamp(int64_t y, int64_t height)
{
    return y < 0 ? 0 : y >= height ? height - 1 : y;
}

static void bilinear(struct nl_resizer *r, const uint8_t *from, int64_t stride, struct nl_image *to)
{
    const double scale = 1 / ((double)r->height / (double)r->from_height);
    for (int64_t y = 0; y < r->height; y++) {
        float share;
        const int64_t at = source(y, scale, &share);
        const int64_t upper = clamp(at, r->from_height), lower = clamp(at + 1, r->from_height);
        const int32_t *a = row_of(r, from, stride, upper, lower);
        const int32_t *b = row_of(r, from, stride, lower, upper);
        along_y(a, b, weight(1 - share), weight(share), to->pixels + y * r->width * 3, r->width * 3);
    }
}

static void halve(const uint8_t *from, int64_t stride, struct nl_image *to)
{
    for (int64_t y = 0; y < to->height; y++)
        for (int64_t x = 0; x < to->width; x++)
            for (int c = 0; c < 3; c++) {
                const uint8_t *a = from + 2 * y * stride + 6 * x + c;
                to->pixels[(y * to->width + x) * 3 + c] = (uint8_t)((a[0] + a[3] + a[stride] + a[stride + 3] + 2) >> 2);
            }
}

nl_status nl_resize_image(struct nl_resizer *resizer, const uint8_t *from, int64_t stride, int64_t from_height,
                          int64_t from_width, struct nl_image *to)
{
    if (from_height == to->height && from_width == to->width) {
        for (int64_t y = 0; y < to->height; y++)
            memcpy(to->pixels + y * to->width * 3, from + y * stride, (size_t)to->width * 3);
        return NL_OK;
    }
    if (from_height == 2 * to->height && from_width == 2 * to->width) {
        halve(from, stride, to);
        return NL_OK;
    }
    NL_TRY(prepare(resizer, from_height, from_width, to));
    bilinear(resizer, from, stride, to);
    return NL_OK;
}
