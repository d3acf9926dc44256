#include "backends/cpu/conv.h"

#include "backends/cpu/lines.h"
#include "src/core/memory.h"

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
    const bool odd = conv->channels % conv->step != 0;
    const int64_t unit = point ? 32 : conv->channels * (odd ? conv->step : 1);
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
    conv->from = desc->in[0].type;
    conv->near = desc->near;
    conv->cell = wish->cell;
    conv->step = wish->step;
    conv->direct = conv->direct && conv->from == conv->cell && conv->channels % conv->step == 0;
    cut(wish, conv);
    conv->gather_ld = nl_cpu_parts(conv->chunk, 16) * 16 + wish->pad;
    if (!conv->direct)
        conv->gather_bytes =
            (size_t)conv->tile_rows * (size_t)conv->gather_ld * nl_type_size(conv->cell);
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
static inline __attribute__((always_inline)) void copy_bytes(char *to, const char *from, int64_t n)
{
    enum { STEP = 16, HALF = 2 };
    if (n >= 256) {
        memcpy(to, from, (size_t)n);
        return;
    }
    if (n < STEP) {
        for (int64_t i = 0; i < n; i += HALF) memcpy(to + i, from + i, HALF);
        return;
    }
    for (int64_t i = 0; i < n - STEP; i += STEP) memcpy(to + i, from + i, STEP);
    memcpy(to + n - STEP, from + n - STEP, STEP); /* overlaps the step before */
}

/* `n` elements. */
static inline __attribute__((always_inline)) void copy(const struct nl_cpu_conv *conv, char *to,
                                                       const char *from, int64_t n)
{
    if (conv->from == conv->cell)
        copy_bytes(to, from, n * (int64_t)nl_type_size(conv->cell));
    else
        nl_cpu_vector()->widen((float *)(void *)to, (const uint16_t *)(const void *)from, n);
}

static void clear(const struct nl_cpu_conv *conv, char *to, int64_t n)
{
    memset(to, 0, (size_t)n * nl_type_size(conv->cell));
}

/* Neighbouring taps of one line (dt, dh) of the kernel: dw from `first` to before `end`. */
struct line {
    int64_t dt, dh, first, end;
};

/* The part of a line's taps that fall beside the input are zeros. `at`: corner of the window. */
static inline void gather_line(const struct nl_cpu_conv *conv, const char *x, const int64_t at[4],
                               const struct line *line, char *to)
{
    const int64_t t = at[1] + line->dt, h = at[2] + line->dh, c = conv->channels;
    const int64_t size = (int64_t)nl_type_size(conv->from),
                  cell = (int64_t)nl_type_size(conv->cell);
    const bool inside = t >= 0 && t < conv->in_dim[1] && h >= 0 && h < conv->in_dim[2];
    const int64_t first = line->first > -at[3] ? line->first : -at[3];
    const int64_t end = nl_cpu_least(line->end, conv->in_dim[3] - at[3]);
    if (!inside || first >= end) {
        clear(conv, to, (line->end - line->first) * c);
        return;
    }
    if (first > line->first) clear(conv, to, (first - line->first) * c);
    if (end < line->end) clear(conv, to + (end - line->first) * c * cell, (line->end - end) * c);
    const char *from = x + (at[0] * conv->x_stride[0] + t * conv->x_stride[1] +
                            h * conv->x_stride[2] + (at[3] + first) * conv->x_stride[3]) *
                               size;
    to += (first - line->first) * c * cell;
    if (conv->x_stride[3] == c) {
        copy(conv, to, from, (end - first) * c);
        return;
    }
    for (int64_t w = first; w < end; w++, to += c * cell, from += conv->x_stride[3] * size)
        copy(conv, to, from, c);
}

/* A 1x1x1 kernel without padding, and a part of the channels. */
static void gather_points(const struct nl_cpu_conv *conv, const char *x, int64_t at[4],
                          int64_t rows, int64_t channel, int64_t channels, char *to)
{
    const int64_t size = (int64_t)nl_type_size(conv->from);
    const int64_t next = conv->gather_ld * (int64_t)nl_type_size(conv->cell);
    for (int64_t i = 0; i < rows; i++, to += next, advance(conv, at))
        copy(conv, to,
             x + (at[0] * conv->x_stride[0] + at[1] * conv->x_stride[1] +
                  at[2] * conv->x_stride[2] + at[3] * conv->x_stride[3] + channel) *
                     size,
             channels);
}

static void gather_taps(const struct nl_cpu_conv *conv, const char *x, const int64_t corner[4],
                        int64_t rows, int64_t tap_from, int64_t tap_end, char *to)
{
    const int64_t c = conv->channels, kw = conv->kernel[2], kh = conv->kernel[1];
    const int64_t cell = (int64_t)nl_type_size(conv->cell);
    int64_t next;
    for (int64_t tap = tap_from; tap < tap_end; to += (next - tap) * c * cell, tap = next) {
        int64_t at[4] = {corner[0], corner[1], corner[2], corner[3]};
        next = nl_cpu_least((tap / kw + 1) * kw, tap_end);
        const struct line line = {tap / kw / kh, tap / kw % kh, tap % kw, tap % kw + next - tap};
        for (int64_t i = 0; i < rows; i++, advance(conv, at))
            gather_line(conv, x, at, &line, to + i * conv->gather_ld * cell);
    }
}

void nl_cpu_conv_gather(const struct nl_cpu_conv *conv, const void *x, int64_t row, int64_t rows,
                        int64_t depth_from, int64_t depth_to, void *to)
{
    const int64_t c = conv->channels, depth = depth_to - depth_from, rest = depth % conv->step;
    const int64_t cell = (int64_t)nl_type_size(conv->cell);
    int64_t corner[4];
    corner_of(conv, row, corner);
    for (int64_t i = 0; rest && i < rows; i++)
        clear(conv, (char *)to + (i * conv->gather_ld + depth) * cell, conv->step - rest);
    if (conv->depth == c && conv->inside)
        gather_points(conv, x, corner, rows, depth_from, depth, to);
    else
        gather_taps(conv, x, corner, rows, depth_from / c, depth_to / c, to);
}

/* The next op starts where this one ends last, so that an output above SMALL is gone from the
 * near caches before it is read: written past them, it spares them and the reading of its lines. */
static bool streams(const struct nl_cpu_conv *conv, const struct nl_cpu_kernel *kernel,
                    const struct nl_cpu_block *block)
{
    enum { SMALL = 1 << 18 };
    const int64_t size = block->half ? 2 : 4;
    return !conv->near && conv->rows * conv->filters * size > SMALL &&
           block->columns % kernel->panel == 0 && block->ldy * size % NL_ALIGN == 0 &&
           (uintptr_t)block->y % NL_ALIGN == 0;
}

bool nl_cpu_conv_can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    struct nl_op_desc plain = *desc;
    plain.out[1].rank = plain.out[2].rank = 0; /* in double */
    if (desc->attr.conv.sums && desc->op == NL_OP_CONV && !nl_cpu_rows_of(&desc->out[0]).uniform)
        return nl_decline(why, "the rows of y are not evenly spaced");
    return nl_cpu_can_half(be, &plain, why);
}

nl_status nl_cpu_conv_moments_need(const struct nl_op_desc *desc, int64_t parts,
                                   struct nl_need *need)
{
    if (!desc->attr.conv.sums) return NL_OK;
    need->workspace = nl_align_up(need->workspace);
    return nl_size_add(need->workspace, nl_cpu_moments_bytes(parts, desc->in[1].dim[0]),
                       &need->workspace);
}

struct nl_cpu_moments nl_cpu_conv_moments(const struct nl_op_desc *desc, const struct nl_args *args,
                                          int64_t parts, size_t before)
{
    struct nl_cpu_moments moments = {.count = parts, .channels = desc->in[1].dim[0]};
    if (desc->attr.conv.sums)
        moments.parts = (double *)(void *)((char *)args->workspace + nl_align_up(before));
    return moments;
}

void nl_cpu_conv_end(const struct nl_cpu_conv_job *job, const struct nl_cpu_kernel *kernel,
                     int64_t row, int64_t column, int64_t part, struct nl_cpu_block *block)
{
    const nl_tensor *y = &job->args->out[0], *bias = &job->args->in[2],
                    *residual = &job->args->in[3];
    const int64_t size = (int64_t)nl_type_size(y->type);
    block->half = y->type == NL_BF16;
    block->ldy = job->y.ld;
    block->y = (char *)y->data + (row * block->ldy + column) * size;
    block->relu = job->relu;
    block->stream = residual->data != y->data && streams(job->conv, kernel, block);
    if (bias->rank) block->bias = (const float *)bias->data + column;
    if (job->moments.parts) {
        block->mean = nl_cpu_moments_part(&job->moments, part) + column;
        block->spread = block->mean + job->moments.channels;
    }
    if (!residual->rank) return;
    block->ld_residual = job->residual.ld;
    block->residual = (const char *)residual->data + (row * block->ld_residual + column) * size;
}

/* BF16 goes through floats, a few columns at a time; `sums` are no rows of y then. */
static void finish_half(const struct nl_cpu_conv_job *job, int64_t row, int64_t filter,
                        int64_t filters, float *sums)
{
    enum { COLUMNS = 64 };
    const nl_tensor *bias = &job->args->in[2], *residual = &job->args->in[3],
                    *y = &job->args->out[0];
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    struct nl_cpu_after after = {.relu = job->relu};
    float room[COLUMNS];
    for (int64_t c = 0; c < filters; c += COLUMNS) {
        const int64_t n = nl_cpu_least(COLUMNS, filters - c);
        if (bias->rank) after.bias = (const float *)bias->data + filter + c;
        if (residual->rank)
            after.residual = nl_cpu_read(residual->data, residual->type,
                                         nl_cpu_row_at(&job->residual, row) + filter + c, n, room);
        vector->combine(sums + c, sums + c, &after, n);
        nl_cpu_written(y->data, y->type, nl_cpu_row_at(&job->y, row) + filter + c, n, sums + c);
    }
}

void nl_cpu_conv_finish(const struct nl_cpu_conv_job *job, int64_t row, int64_t rows,
                        int64_t filter, int64_t filters, float *sums, int64_t ld)
{
    const nl_tensor *bias = &job->args->in[2], *residual = &job->args->in[3];
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    struct nl_cpu_after after = {.relu = job->relu};
    if (bias->rank) after.bias = (const float *)bias->data + filter;
    for (int64_t i = 0; i < rows; i++) {
        if (job->args->out[0].type == NL_BF16) {
            finish_half(job, row + i, filter, filters, sums + i * ld);
            continue;
        }
        if (residual->rank)
            after.residual =
                (const float *)residual->data + nl_cpu_row_at(&job->residual, row + i) + filter;
        float *y = (float *)job->args->out[0].data + nl_cpu_row_at(&job->y, row + i) + filter;
        vector->combine(y, sums + i * ld, &after, filters);
    }
}
