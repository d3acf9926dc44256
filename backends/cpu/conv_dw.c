#include "backends/cpu/conv_dw.h"
#include "backends/cpu/conv.h"
#include "backends/cpu/lines.h"
#include "backends/cpu/panels.h"
#include "src/core/memory.h"

#include <string.h>

/* The gradient of a convolution with respect to its filters: dw[k, d] += sum over positions m of
 * dy[m, k] x[m, d], d running over taps and channels. Positions are cut into parts, whose sums are
 * added in order; a part is done a strip at a time: one side is laid out in panels, each of which
 * meets all of the other. Panels are made of the side with fewer columns, of thirds of the other,
 * since rows are dearer to split than panels, and where x has to be gathered of dy. The other side
 * is laid out too, but where it is split anyway: densely, since rows a power of two apart share a
 * few sets of a cache, and of BF16 as pairs of positions, or widened. */
enum { STRIP = 256, DEPTH = 256, WIDE = 512, ROWS = 256, LEAST = 512, TILES = 16, LINE = 64 };

struct sums {
    const struct nl_cpu_kernel *kernel;
    struct nl_cpu_conv conv; /* the forward convolution's geometry */
    bool swapped;            /* rows are channels, columns filters */
    int64_t rows, columns;   /* of the sums: filters and depth, or depth and filters */
    int64_t tile_rows, tile_columns, row_tiles, column_tiles, parts, part, strip;
    nl_type type; /* of x and dy */
    size_t panel_bytes, side_bytes, gather_bytes;
};

static void cut(struct sums *s)
{
    const struct nl_cpu_conv *conv = &s->conv;
    s->swapped =
        !conv->direct || (nl_cpu_panels_of_thirds(s->kernel) ? conv->filters > conv->depth
                                                             : conv->filters < conv->depth);
    s->rows = s->swapped ? conv->depth : conv->filters;
    s->columns = s->swapped ? conv->filters : conv->depth;
    s->tile_rows = conv->direct ? nl_cpu_parts(s->rows, nl_cpu_parts(s->rows, ROWS)) : conv->chunk;
    s->row_tiles = nl_cpu_parts(s->rows, s->tile_rows);
    const int64_t most = nl_cpu_panels_of_thirds(s->kernel) ? WIDE : DEPTH;
    s->tile_columns = nl_cpu_parts(s->columns, nl_cpu_parts(s->columns, most));
    s->tile_columns = nl_cpu_parts(s->tile_columns, s->kernel->panel) * s->kernel->panel;
    s->column_tiles = nl_cpu_parts(s->columns, s->tile_columns);
    s->parts = nl_cpu_least(nl_cpu_parts(conv->rows, LEAST),
                            nl_cpu_parts(TILES, s->row_tiles * s->column_tiles));
    if (s->parts > 1) s->parts -= s->parts % 2; /* as many for each of two threads */
    s->part = nl_cpu_parts(conv->rows, s->parts);
    s->strip = nl_cpu_parts(s->part, nl_cpu_parts(s->part, STRIP));
    s->panel_bytes = (size_t)nl_cpu_panel_elements(s->kernel, STRIP, s->tile_columns) *
                     nl_type_size(s->kernel->type);
    if (s->type == NL_BF16 || (conv->direct && !nl_cpu_panels_of_thirds(s->kernel)))
        s->side_bytes = (size_t)(STRIP * s->tile_rows) * nl_type_size(s->kernel->type);
    if (!conv->direct)
        s->gather_bytes = (size_t)(STRIP * conv->gather_ld) * nl_type_size(conv->cell);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_kernel_best()) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (!nl_cpu_rows_of(&desc->in[1]).uniform)
        return nl_decline(why, "the rows of dy are not evenly spaced");
    return nl_cpu_can_half(be, desc, why);
}

static size_t slice_of(const struct sums *s)
{
    return nl_align_up(s->panel_bytes) + nl_align_up(s->side_bytes) + s->gather_bytes;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct nl_op_desc forward = {.op = NL_OP_CONV, .attr = desc->attr};
    struct nl_cpu_conv_wish wish;
    struct sums *s = NULL;
    size_t partial;
    NL_TRY(nl_calloc(1, sizeof *s, &s));
    *prepared = s;
    s->type = desc->in[0].type;
    s->kernel = nl_cpu_kernel_for(s->type);
    wish = nl_cpu_conv_packed_wish(s->kernel);
    wish.most_chunk = DEPTH;
    wish.cell = s->type;
    wish.step = 1; /* of positions, not of what is gathered */
    forward.in[0] = desc->in[0];
    forward.in[1] = desc->out[0];
    forward.out[0] = desc->in[1];
    nl_cpu_conv_plan(&forward, &wish, &s->conv);
    cut(s);
    NL_TRY(nl_size_mul((size_t)(s->parts * s->rows), (size_t)s->columns, &partial));
    NL_TRY(nl_size_mul(partial, sizeof(float), &partial));
    NL_TRY(nl_cpu_slices(be, slice_of(s), &need->workspace));
    return nl_size_add(need->workspace, nl_align_up(partial), &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

struct job {
    const struct sums *s;
    const void *x, *dy; /* of s->type */
    int64_t ldx, ldy;
    float *partial; /* [parts, rows, columns] */
};

/* One strip of positions [row, row + rows): sums of a tile, added to those in y unless first. */
struct strip {
    int64_t row, rows, next; /* next: rows of the next strip */
    int64_t at_row, n_rows, at_column, n_columns;
    const void *a; /* [rows, n_rows]: what the rows of the sums come from */
    int64_t lda;
    void *panels, *side, *gathered;
    float *y;
    bool first;
};

/* Element `at` of memory of the run's type. */
static const void *element(const struct sums *s, const void *memory, int64_t at)
{
    return (const char *)memory + at * (int64_t)nl_type_size(s->type);
}

static void lay_columns(const struct sums *s, const struct strip *t, const void *from, int64_t ld)
{
    if (s->type == NL_F32)
        nl_cpu_lay_panels(s->kernel, from, ld, t->rows, t->n_columns, t->panels);
    else
        nl_cpu_lay_half(s->kernel, from, ld, t->rows, t->n_columns, t->panels);
}

/* The side that rows come from, as the kernel wants it. */
static void lay_rows(const struct sums *s, struct strip *t)
{
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    const int64_t n = t->n_rows, ld = t->lda;
    const void *const a = t->a;
    if (s->type == NL_F32 && (!s->conv.direct || nl_cpu_panels_of_thirds(s->kernel))) return;
    t->a = t->side;
    t->lda = n;
    if (s->kernel->type == NL_F32) {
        for (int64_t r = 0; r < t->rows; r++)
            if (s->type == NL_F32)
                memcpy((float *)t->side + r * n, (const float *)a + r * ld,
                       (size_t)n * sizeof(float));
            else
                vector->widen((float *)t->side + r * n, (const uint16_t *)a + r * ld, n);
        return;
    }
    const uint16_t *const from = a;
    uint16_t *to = t->side;
    for (int64_t r = 0; r + 1 < t->rows; r += 2, to += 2 * n)
        vector->pair(to, from + r * ld, from + (r + 1) * ld, n);
    for (int64_t i = 0; t->rows % 2 && i < n; i++) {
        to[2 * i] = from[(t->rows - 1) * ld + i];
        to[2 * i + 1] = 0;
    }
}

static void prepare_strip(const struct job *j, struct strip *t)
{
    const struct sums *s = j->s;
    const void *const dy = element(s, j->dy, t->row * j->ldy), *const x = element(s, j->x,
                                                                                  t->row * j->ldx);
    lay_columns(s, t, element(s, s->swapped ? dy : x, t->at_column), s->swapped ? j->ldy : j->ldx);
    t->a = element(s, s->swapped ? x : dy, t->at_row);
    t->lda = s->swapped ? j->ldx : j->ldy;
    if (!s->conv.direct) {
        nl_cpu_conv_gather(&s->conv, j->x, t->row, t->rows, t->at_row, t->at_row + t->n_rows,
                           t->gathered);
        t->a = t->gathered;
        t->lda = s->conv.gather_ld;
    }
    lay_rows(s, t);
}

/* Asks for rows of the next strip while this one is multiplied: nothing else foresees them. */
static void foresee(const struct sums *s, const void *memory, int64_t at, int64_t ld, int64_t rows,
                    int64_t columns)
{
    const int64_t bytes = columns * (int64_t)nl_type_size(s->type);
    for (int64_t r = 0; r < rows; r++) {
        const char *from = element(s, memory, at + r * ld);
        for (int64_t c = 0; c < bytes; c += LINE) __builtin_prefetch(from + c, 0, 2);
    }
}

static void foresee_next(const struct job *j, const struct strip *t, int64_t c)
{
    const struct sums *s = j->s;
    const int64_t panel = s->kernel->panel, share = nl_cpu_parts(t->next, t->n_columns / panel + 1);
    const int64_t from = c / panel * share, rows = nl_cpu_least(share, t->next - from);
    const int64_t row = t->row + t->rows + from;
    if (rows <= 0) return;
    foresee(s, j->dy, row * j->ldy + (s->swapped ? t->at_column : t->at_row), j->ldy, rows,
            s->swapped ? t->n_columns : t->n_rows);
    if (s->conv.direct)
        foresee(s, j->x, row * j->ldx + (s->swapped ? t->at_row : t->at_column), j->ldx, rows,
                s->swapped ? t->n_rows : t->n_columns);
}

static void run_strip(const struct job *j, struct strip *t)
{
    const struct sums *s = j->s;
    const int64_t panel = s->kernel->panel, deep = nl_cpu_kernel_depth(s->kernel, t->rows);
    const int64_t size = (int64_t)nl_type_size(s->kernel->type);
    prepare_strip(j, t);
    for (int64_t c = 0, n; c < t->n_columns; c += n) {
        float *const y = t->y + c;
        n = nl_cpu_panels_of_thirds(s->kernel) ? t->n_columns : panel;
        for (int64_t i = c; i < c + n; i += panel) foresee_next(j, t, i);
        s->kernel->run(&(struct nl_cpu_block){.rows = t->n_rows,
                                              .columns = nl_cpu_least(n, t->n_columns - c),
                                              .depth = t->rows,
                                              .a = t->a,
                                              .lda = t->lda,
                                              .turned = true,
                                              .panel = (char *)t->panels + c * deep * size,
                                              .ld_panel = panel * deep,
                                              .sums = t->first ? NULL : y,
                                              .ld_sums = s->columns,
                                              .y = y,
                                              .ldy = s->columns});
    }
}

static void sum_tile(const void *job, int64_t number, void *scratch)
{
    const struct job *j = job;
    const struct sums *s = j->s;
    const int64_t part = number % s->parts, tile = number / s->parts;
    const int64_t from = part * s->part, end = nl_cpu_least(from + s->part, s->conv.rows);
    struct strip t = {.at_row = tile % s->row_tiles * s->tile_rows,
                      .at_column = tile / s->row_tiles * s->tile_columns,
                      .panels = scratch};
    t.side = (char *)scratch + nl_align_up(s->panel_bytes);
    t.gathered = (char *)t.side + nl_align_up(s->side_bytes);
    t.n_rows = nl_cpu_least(s->tile_rows, s->rows - t.at_row);
    t.n_columns = nl_cpu_least(s->tile_columns, s->columns - t.at_column);
    t.y = j->partial + (part * s->rows + t.at_row) * s->columns + t.at_column;
    for (t.row = from; t.row < end; t.row += s->strip) {
        t.rows = nl_cpu_least(s->strip, end - t.row);
        t.next = nl_cpu_least(s->strip, end - t.row - t.rows);
        t.first = t.row == from;
        run_strip(j, &t);
    }
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct sums *s = prepared;
    const size_t slices = (size_t)be->threads * nl_align_up(slice_of(s));
    const struct job job = {.s = s,
                            .x = args->in[0].data,
                            .dy = args->in[1].data,
                            .ldx = nl_cpu_rows_of(&args->in[0]).ld,
                            .ldy = nl_cpu_rows_of(&args->in[1]).ld,
                            .partial = (float *)(void *)((char *)args->workspace + slices)};
    nl_cpu_for_tiles(be, s->parts * s->row_tiles * s->column_tiles, sum_tile, &job, args->workspace,
                     slice_of(s));
    const struct nl_cpu_dw_parts parts = {.sums = job.partial,
                                          .parts = s->parts,
                                          .filters = s->conv.filters,
                                          .depth = s->conv.depth,
                                          .turned = s->swapped};
    nl_cpu_dw_add(be, &parts, args->out[0].data, desc->attr.conv.set);
    nl_cpu_dw_bias(be, &args->in[1], args->out[1].data, desc->attr.conv.set);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_dw = {
    .name = "packed", .can = can, .prepare = prepare, .run = run, .drop = drop};
