#include "backends/cpu/conv.h"

#include "backends/cpu/vector.h"

#include <string.h>

/* The even share of `whole` in pieces of at most `most`, rounded up to a multiple of `unit`. */
static int64_t share(int64_t whole, int64_t most, int64_t unit)
{
    const int64_t pieces = nl_cpu_parts(whole, most > unit ? most : unit);
    return nl_cpu_parts(nl_cpu_parts(whole, pieces), unit) * unit;
}

/* First rows are cut to the size that caches like; where that leaves too few tiles, filters. */
static void cut(const struct nl_cpu_conv_wish *wish, struct nl_cpu_conv *conv)
{
    int64_t most = wish->most_rows;
    while (nl_cpu_parts(conv->rows, most) < wish->tiles && most / 2 >= 3 * wish->rows) most /= 2;
    conv->tile_rows = share(conv->rows, most, wish->rows);
    conv->row_tiles = nl_cpu_parts(conv->rows, conv->tile_rows);

    const int64_t wanted = nl_cpu_parts(wish->tiles, conv->row_tiles);
    conv->tile_filters = share(conv->filters, nl_cpu_parts(conv->filters, wanted), wish->filters);
    conv->filter_tiles = nl_cpu_parts(conv->filters, conv->tile_filters);

    /* Whole taps, or any run of channels where there is only one tap and no padding. */
    const bool point = conv->depth == conv->channels && conv->inside;
    const int64_t unit = point ? 16 : conv->channels;
    conv->chunk = nl_cpu_least(share(conv->depth, wish->most_chunk, unit), conv->depth);
}

static void geometry(const struct nl_op_desc *desc, struct nl_cpu_conv *conv)
{
    const nl_tensor *x = &desc->in[0], *w = &desc->in[1], *y = &desc->out[0];
    conv->direct = nl_cpu_rows_of(x).uniform;
    conv->inside = true;
    for (int i = 0; i < 3; i++) {
        conv->kernel[i] = (int)w->dim[i + 1];
        conv->stride[i] = desc->attr.conv.stride[i];
        conv->pad[i] = desc->attr.conv.pad[i];
        const int64_t reach = (y->dim[i + 1] - 1) * conv->stride[i] + conv->kernel[i];
        conv->inside = conv->inside && conv->pad[i] == 0 && reach <= x->dim[i + 1];
        conv->direct = conv->direct && conv->kernel[i] == 1 && conv->stride[i] == 1 &&
                       conv->pad[i] == 0 && x->dim[i + 1] == y->dim[i + 1];
    }
    for (int i = 0; i < 4; i++) {
        conv->in_dim[i] = x->dim[i];
        conv->out_dim[i] = y->dim[i];
        conv->x_stride[i] = x->stride[i];
    }
    conv->rows = y->dim[0] * y->dim[1] * y->dim[2] * y->dim[3];
    conv->filters = w->dim[0];
    conv->channels = w->dim[4];
    conv->depth = w->dim[1] * w->dim[2] * w->dim[3] * w->dim[4];
}

void nl_cpu_conv_plan(const struct nl_op_desc *desc, const struct nl_cpu_conv_wish *wish,
                      struct nl_cpu_conv *conv)
{
    geometry(desc, conv);
    conv->direct = conv->direct && !wish->always_gather;
    cut(wish, conv);
    conv->gather_ld = nl_cpu_parts(conv->chunk, 16) * 16 + wish->pad;
    if (!conv->direct)
        conv->gather_bytes = (size_t)conv->tile_rows * (size_t)conv->gather_ld * sizeof(float);
    conv->sum_bytes = (size_t)conv->tile_rows * (size_t)conv->tile_filters * sizeof(float);
}

struct nl_cpu_conv_job nl_cpu_conv_job_of(const struct nl_cpu_conv *conv,
                                          const struct nl_op_desc *desc, const struct nl_args *args)
{
    struct nl_cpu_conv_job job = {.conv = conv, .args = args, .relu = desc->attr.conv.relu};
    job.x = nl_cpu_rows_of(&args->in[0]);
    job.y = nl_cpu_rows_of(&args->out[0]);
    if (args->in[3].rank) job.residual = nl_cpu_rows_of(&args->in[3]);
    return job;
}

/* Where the window of one output starts in x: n, t, h, w; t, h, w may be outside. */
static void corner_of(const struct nl_cpu_conv *conv, int64_t row, int64_t at[4])
{
    for (int i = 3; i > 0; i--) {
        at[i] = row % conv->out_dim[i] * conv->stride[i - 1] - conv->pad[i - 1];
        row /= conv->out_dim[i];
    }
    at[0] = row;
}

/* Moves to the next output; division is slow where rows are short. */
static void advance(const struct nl_cpu_conv *conv, int64_t at[4])
{
    for (int i = 3; i > 0; i--) {
        at[i] += conv->stride[i - 1];
        if (at[i] + conv->pad[i - 1] < conv->out_dim[i] * conv->stride[i - 1]) return;
        at[i] = -conv->pad[i - 1];
    }
    at[0]++;
}

/* Runs may be as short as the three channels of a pixel, too short to call memcpy for. */
static inline __attribute__((always_inline)) void copy(float *to, const float *from, int64_t n)
{
    enum { STEP = 4 };
    if (n >= 64) {
        memcpy(to, from, (size_t)n * sizeof *to);
        return;
    }
    if (n < STEP) {
        for (int64_t i = 0; i < n; i++) to[i] = from[i];
        return;
    }
    for (int64_t i = 0; i < n - STEP; i += STEP) memcpy(to + i, from + i, STEP * sizeof *to);
    memcpy(to + n - STEP, from + n - STEP, STEP * sizeof *to); /* overlaps the step before */
}

/* Neighbouring taps of one line (dt, dh) of the kernel: dw from `first` to before `end`. */
struct line {
    int64_t dt, dh, first, end;
};

/* The part of a line's taps that fall beside the input are zeros. `at`: corner of the window. */
static inline void gather_line(const struct nl_cpu_conv *conv, const float *x, const int64_t at[4],
                               const struct line *line, float *to)
{
    const int64_t t = at[1] + line->dt, h = at[2] + line->dh, c = conv->channels;
    const bool inside = t >= 0 && t < conv->in_dim[1] && h >= 0 && h < conv->in_dim[2];
    const int64_t first = line->first > -at[3] ? line->first : -at[3];
    const int64_t end = nl_cpu_least(line->end, conv->in_dim[3] - at[3]);
    if (!inside || first >= end) {
        memset(to, 0, (size_t)((line->end - line->first) * c) * sizeof *to);
        return;
    }
    if (first > line->first) memset(to, 0, (size_t)((first - line->first) * c) * sizeof *to);
    if (end < line->end)
        memset(to + (end - line->first) * c, 0, (size_t)((line->end - end) * c) * sizeof *to);
    const float *from = x + at[0] * conv->x_stride[0] + t * conv->x_stride[1] +
                        h * conv->x_stride[2] + (at[3] + first) * conv->x_stride[3];
    to += (first - line->first) * c;
    if (conv->x_stride[3] == c) {
        copy(to, from, (end - first) * c);
        return;
    }
    for (int64_t w = first; w < end; w++, to += c, from += conv->x_stride[3]) copy(to, from, c);
}

/* A 1x1x1 kernel without padding, and a part of the channels. */
static void gather_points(const struct nl_cpu_conv *conv, const float *x, int64_t at[4],
                          int64_t rows, int64_t channel, int64_t channels, float *to)
{
    for (int64_t i = 0; i < rows; i++, to += conv->gather_ld, advance(conv, at))
        copy(to,
             x + at[0] * conv->x_stride[0] + at[1] * conv->x_stride[1] + at[2] * conv->x_stride[2] +
                 at[3] * conv->x_stride[3] + channel,
             channels);
}

void nl_cpu_conv_gather(const struct nl_cpu_conv *conv, const float *x, int64_t row, int64_t rows,
                        int64_t depth_from, int64_t depth_to, float *to)
{
    const int64_t c = conv->channels, kw = conv->kernel[2], kh = conv->kernel[1];
    const int64_t tap_end = depth_to / c;
    int64_t corner[4], next;
    corner_of(conv, row, corner);
    if (conv->depth == c && conv->inside) {
        gather_points(conv, x, corner, rows, depth_from, depth_to - depth_from, to);
        return;
    }
    for (int64_t tap = depth_from / c; tap < tap_end; to += (next - tap) * c, tap = next) {
        int64_t at[4] = {corner[0], corner[1], corner[2], corner[3]};
        next = nl_cpu_least((tap / kw + 1) * kw, tap_end);
        const struct line line = {tap / kw / kh, tap / kw % kh, tap % kw, tap % kw + next - tap};
        for (int64_t i = 0; i < rows; i++, advance(conv, at))
            gather_line(conv, x, at, &line, to + i * conv->gather_ld);
    }
}

void nl_cpu_conv_finish(const struct nl_cpu_conv_job *job, int64_t row, int64_t rows,
                        int64_t filter, int64_t filters, const float *sums, int64_t ld)
{
    const nl_tensor *bias = &job->args->in[2], *residual = &job->args->in[3];
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    struct nl_cpu_after after = {.relu = job->relu};
    if (bias->rank) after.bias = (const float *)bias->data + filter;
    for (int64_t i = 0; i < rows; i++) {
        if (residual->rank)
            after.residual =
                (const float *)residual->data + nl_cpu_row_at(&job->residual, row + i) + filter;
        float *y = (float *)job->args->out[0].data + nl_cpu_row_at(&job->y, row + i) + filter;
        vector->combine(y, sums + i * ld, &after, filters);
    }
}
