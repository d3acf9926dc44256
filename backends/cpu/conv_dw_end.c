#include "backends/cpu/conv_dw.h"

#include "backends/cpu/lines.h"

#include <string.h>

/* A few filters at a time; where parts have them side by side they turn. */
enum { FILTERS = 16, DEPTHS = 256 };

struct adding {
    const struct nl_cpu_dw_parts *parts;
    float *dw;
    bool set;
};

static void add_rows(const struct adding *a, int64_t first, int64_t filters)
{
    const struct nl_cpu_dw_parts *p = a->parts;
    const int64_t from = first * p->depth, n = filters * p->depth;
    float *restrict dw = a->dw + from;
    for (int64_t part = 0; part < p->parts; part++) {
        const float *restrict sums = p->sums + part * p->filters * p->depth + from;
        if (a->set && part == 0)
            memcpy(dw, sums, (size_t)n * sizeof *dw);
        else
            for (int64_t i = 0; i < n; i++) dw[i] += sums[i];
    }
}

static void add_turned(const struct adding *a, int64_t first, int64_t filters, int64_t depth)
{
    const struct nl_cpu_dw_parts *p = a->parts;
    const int64_t n = nl_cpu_least(DEPTHS, p->depth - depth);
    float total[DEPTHS][FILTERS] = {{0}};
    for (int64_t part = 0; part < p->parts; part++) {
        const float *sums = p->sums + (part * p->depth + depth) * p->filters + first;
        for (int64_t d = 0; d < n; d++)
            for (int64_t k = 0; k < filters; k++) total[d][k] += sums[d * p->filters + k];
    }
    for (int64_t k = 0; k < filters; k++) {
        float *dw = a->dw + (first + k) * p->depth + depth;
        for (int64_t d = 0; d < n; d++) dw[d] = total[d][k] + (a->set ? 0 : dw[d]);
    }
}

static void add_filters(const void *adding, int64_t number, void *scratch)
{
    const struct adding *a = adding;
    const int64_t first = number * FILTERS;
    const int64_t filters = nl_cpu_least(FILTERS, a->parts->filters - first);
    (void)scratch;
    if (!a->parts->turned)
        add_rows(a, first, filters);
    else
        for (int64_t depth = 0; depth < a->parts->depth; depth += DEPTHS)
            add_turned(a, first, filters, depth);
}

void nl_cpu_dw_add(const struct nl_backend *be, const struct nl_cpu_dw_parts *parts, float *dw,
                   bool set)
{
    const struct adding a = {parts, dw, set};
    nl_cpu_for_tiles(be, nl_cpu_parts(parts->filters, FILTERS), add_filters, &a, NULL, 0);
}

/* Sums of dy for a few filters. */
enum { CHANNELS = 64, RUN = 64 };

struct bias {
    struct nl_cpu_lines dy;
    float *db;
    bool set;
};

static void add_bias(const void *bias, int64_t number, void *scratch)
{
    const struct bias *b = bias;
    const int64_t first = number * CHANNELS, n = nl_cpu_least(CHANNELS, b->dy.n - first);
    double total[CHANNELS] = {0};
    float room[CHANNELS];
    (void)scratch;
    for (int64_t row = 0; row < b->dy.rows.count; row += RUN) {
        float sum[CHANNELS] = {0};
        const int64_t end = nl_cpu_least(row + RUN, b->dy.rows.count);
        for (int64_t r = row; r < end; r++) {
            const int64_t at = nl_cpu_row_at(&b->dy.rows, r) + first;
            const float *from = nl_cpu_read(b->dy.data, b->dy.type, at, n, room);
            for (int64_t c = 0; c < n; c++) sum[c] += from[c];
        }
        for (int64_t c = 0; c < n; c++) total[c] += (double)sum[c];
    }
    for (int64_t c = 0; c < n; c++)
        b->db[first + c] = (float)total[c] + (b->set ? 0 : b->db[first + c]);
}

void nl_cpu_dw_bias(const struct nl_backend *be, const nl_tensor *dy, float *db, bool set)
{
    const struct bias b = {nl_cpu_lines_of(dy), db, set};
    if (db) nl_cpu_for_tiles(be, nl_cpu_parts(b.dy.n, CHANNELS), add_bias, &b, NULL, 0);
}
