#include "backends/cpu/conv.h"
#include "src/core/memory.h"

#include <string.h>

/* Convolutions whose windows are read where they lie, as runs of a row's depth: nothing is gathered.
 * Outputs come in lines, along which windows go on by one step. With one tap in h and w a line is a
 * frame and a run the channels of a tap. Else it is a line of outputs, a run the taps of one line of
 * the kernel, and x is copied first with zeros around each frame. Taps beside the clip in t are left
 * out. Meant for few channels, where windows cost more to gather than to multiply, and for taps in t.
 * A run is made up to whole steps, on AMX to a whole tile, by what follows it, which meets zeros of the
 * filters: so Inf and NaN of x may come into outputs beside those whose windows hold them. */
enum { MOST_RUNS = 64, MOST_ROWS = 112, NEAR = 3 << 17, TILES = 16, SHORT = 32, ALIGN = 32 };

struct lines {
    const struct nl_cpu_kernel *kernel;
    struct nl_cpu_conv conv;
    bool copies;
    int64_t line, lines;   /* outputs of a line; how many lines */
    int64_t piece, pieces; /* outputs of a tile, pieces of a line */
    int64_t filters, filter_tiles;
    int64_t run, deep, lda;        /* elements of a run, made up to steps; from window to window */
    int64_t runs_t, at[MOST_RUNS]; /* runs of one tap in t; where each begins */
    int64_t pitch, height,
        picture; /* of a copied line and frame in elements, of a frame in lines */
};

/* The copy's sizes, or x's own. */
static void measure(struct lines *l, const struct nl_op_desc *desc)
{
    const struct nl_cpu_conv *conv = &l->conv;
    const int64_t columns = (conv->out_dim[3] - 1) * conv->stride[2] + conv->kernel[2];
    l->runs_t = l->copies ? conv->kernel[1] : 1;
    l->run = (l->copies ? conv->kernel[2] : 1) * conv->channels;
    l->deep = nl_cpu_kernel_whole(l->kernel, l->run);
    if (l->copies) l->deep = nl_cpu_parts(l->run, l->kernel->deep) * l->kernel->deep;
    l->height = (conv->out_dim[2] - 1) * conv->stride[1] + conv->kernel[1];
    l->pitch = nl_cpu_parts(columns * conv->channels + l->deep - l->run, ALIGN) * ALIGN;
    l->picture = l->copies ? l->height * l->pitch : desc->in[0].stride[1];
    l->lda = l->copies ? conv->stride[2] * conv->channels : desc->in[0].stride[3];
    for (int64_t i = 0; i < conv->kernel[0] * l->runs_t; i++)
        l->at[i] = i / l->runs_t * l->picture + i % l->runs_t * l->pitch;
}

/* As many rows as stay near while all panels go by; filters are split where lines are few. */
static void cut(struct lines *l)
{
    const struct nl_cpu_conv *conv = &l->conv;
    const int64_t step = l->kernel->rows, panel = l->kernel->panel;
    const int64_t row = conv->kernel[0] * l->runs_t * l->deep * (int64_t)nl_type_size(conv->cell);
    const int64_t near = l->copies ? MOST_ROWS : NEAR / row / step * step;
    const int64_t most = near < step ? step : nl_cpu_least(near, MOST_ROWS / step * step);
    l->line = l->copies ? conv->out_dim[3] : conv->out_dim[2] * conv->out_dim[3];
    l->lines = conv->rows / l->line;
    l->piece = nl_cpu_parts(nl_cpu_parts(l->line, nl_cpu_parts(l->line, most)), step) * step;
    l->pieces = nl_cpu_parts(l->line, l->piece);
    const int64_t wanted = nl_cpu_parts(TILES, l->lines * l->pieces);
    l->filters = nl_cpu_parts(nl_cpu_parts(conv->filters, wanted), panel) * panel;
    l->filter_tiles = nl_cpu_parts(conv->filters, l->filters);
}

static bool is_copied(const nl_tensor *w)
{
    return w->dim[2] * w->dim[3] > 1;
}

/* Runs of few channels of F32 are shorter than steps of thirds. */
static const struct nl_cpu_kernel *kernel_for(const struct nl_op_desc *desc)
{
    const nl_type type = desc->in[0].type;
    const bool is_short = type == NL_F32 && is_copied(&desc->in[1]);
    return is_short ? nl_cpu_kernel_vector() : nl_cpu_kernel_for(type);
}

static void describe(const struct nl_op_desc *desc, struct lines *l)
{
    const nl_tensor *w = &desc->in[1];
    struct nl_cpu_conv_wish wish;
    *l = (struct lines){.kernel = kernel_for(desc)};
    wish = nl_cpu_conv_packed_wish(l->kernel);
    nl_cpu_conv_plan(desc, &wish, &l->conv);
    l->copies = is_copied(w);
    measure(l, desc);
    cut(l);
}

static bool fits(const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *x = &desc->in[0], *w = &desc->in[1], *y = &desc->out[0];
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    const bool copies = is_copied(w);
    if (w->dim[1] * w->dim[2] * w->dim[3] == 1) return nl_decline(why, "one tap needs no lines");
    if (w->dim[1] * (copies ? w->dim[2] : 1) > MOST_RUNS)
        return nl_decline(why, "more than %d runs", MOST_RUNS);
    if (copies && (pad[1] >= w->dim[2] || pad[2] >= w->dim[3]))
        return nl_decline(why, "windows that lie beside x");
    if (copies && w->dim[3] * w->dim[4] > SHORT)
        return nl_decline(why, "runs of more than %d are gathered as fast", SHORT);
    if (!copies && (stride[1] != 1 || stride[2] != 1 || pad[1] != 0 || pad[2] != 0))
        return nl_decline(why, "a stride or padding in h or w");
    if (copies ? x->stride[3] != x->dim[4] : x->stride[2] != x->dim[3] * x->stride[3])
        return nl_decline(why, "the frames of x are not dense");
    if (!nl_cpu_rows_of(y).uniform || (desc->in[3].rank && !nl_cpu_rows_of(&desc->in[3]).uniform))
        return nl_decline(why, "the rows of y are not evenly spaced");
    return true;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const struct nl_cpu_kernel *kernel = kernel_for(desc);
    if (!kernel) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (!nl_cpu_conv_can(be, desc, why) || !fits(desc, why)) return false;
    if (kernel->type != desc->in[0].type || desc->out[0].type != kernel->type)
        return nl_decline(why, "the processor multiplies f32 faster, or y is f32");
    if (!is_copied(&desc->in[1]) && desc->in[0].dim[4] % kernel->fill)
        return nl_decline(why, "channels are no whole steps");
    return true;
}

static size_t copy_bytes(const struct lines *l)
{
    const int64_t frames = l->copies ? l->conv.in_dim[0] * l->conv.in_dim[1] : 0;
    return (size_t)(frames * l->picture) * nl_type_size(l->conv.cell);
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct lines *l = NULL;
    (void)be;
    NL_TRY(nl_calloc(1, sizeof *l, &l));
    *prepared = l;
    describe(desc, l);
    NL_TRY(nl_cpu_conv_packed_bytes(l->kernel, &desc->in[1], l->run, l->deep, &need->packed));
    need->workspace = copy_bytes(l);
    return nl_cpu_conv_moments_need(desc, l->lines * l->pieces, need);
}

static nl_status pack(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args, void *packed)
{
    const struct lines *l = prepared;
    (void)desc;
    nl_cpu_conv_pack(be, l->kernel, &args->in[1], l->run, l->deep, packed);
    return NL_OK;
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

struct run_of {
    const struct lines *l;
    struct nl_cpu_conv_job job;
    char *x; /* the copy, or x itself */
};

/* One line of the copy, zeros beside what x has. */
static void copy_line(const void *run_of_all, int64_t number, void *scratch)
{
    const struct run_of *r = run_of_all;
    const struct lines *l = r->l;
    const struct nl_cpu_conv *conv = &l->conv;
    const int64_t size = (int64_t)nl_type_size(conv->cell), frame = number / l->height;
    const int64_t h = number % l->height - conv->pad[1], left = conv->pad[2] * conv->channels;
    const int64_t n = nl_cpu_least(conv->in_dim[3] * conv->channels, l->pitch - left);
    char *const to = r->x + number * l->pitch * size;
    (void)scratch;
    if (h < 0 || h >= conv->in_dim[2]) {
        memset(to, 0, (size_t)(l->pitch * size));
        return;
    }
    const int64_t from = frame / conv->in_dim[1] * conv->x_stride[0] +
                         frame % conv->in_dim[1] * conv->x_stride[1] + h * conv->x_stride[2];
    memset(to, 0, (size_t)(left * size));
    memcpy(to + left * size, (const char *)r->job.args->in[0].data + from * size,
           (size_t)(n * size));
    memset(to + (left + n) * size, 0, (size_t)((l->pitch - left - n) * size));
}

/* Where a tile's windows are. */
struct windows {
    int64_t first, taps; /* taps in t beside the clip are left out */
    const char *a;       /* of the first window, from its first tap on */
};

static struct windows windows_of(const struct run_of *r, int64_t row)
{
    const struct lines *l = r->l;
    const struct nl_cpu_conv *conv = &l->conv;
    const int64_t w = row % conv->out_dim[3], h = row / conv->out_dim[3] % conv->out_dim[2];
    const int64_t frame = row / conv->out_dim[3] / conv->out_dim[2];
    const int64_t n = frame / conv->out_dim[1],
                  t = frame % conv->out_dim[1] * conv->stride[0] - conv->pad[0];
    struct windows v = {.first = t < 0 ? -t : 0};
    const int64_t end = nl_cpu_least(conv->kernel[0], conv->in_dim[1] - t);
    v.taps = end > v.first ? end - v.first : 0;
    int64_t at = (t + v.first) * l->picture;
    if (l->copies)
        at += n * conv->in_dim[1] * l->picture + h * conv->stride[1] * l->pitch + w * l->lda;
    else
        at += n * conv->x_stride[0] + (h * conv->out_dim[3] + w) * l->lda;
    v.a = r->x + at * (int64_t)nl_type_size(conv->cell);
    return v;
}

static void run_tile(const void *run_of_all, int64_t number, void *scratch)
{
    const struct run_of *r = run_of_all;
    const struct lines *l = r->l;
    const int64_t part = number / l->filter_tiles, piece = part % l->pieces * l->piece;
    const int64_t row = part / l->pieces * l->line + piece, panel = l->kernel->panel;
    const int64_t deep = nl_cpu_kernel_depth(l->kernel, l->deep);
    const int64_t depth = l->conv.kernel[0] * l->runs_t * deep;
    const int64_t first = number % l->filter_tiles * l->filters;
    const int64_t end = nl_cpu_least(first + l->filters, l->conv.filters);
    const struct windows v = windows_of(r, row);
    (void)scratch;
    const int64_t at = first * depth + v.first * l->runs_t * deep * panel;
    struct nl_cpu_block block = {.rows = nl_cpu_least(l->piece, l->line - piece),
                                 .columns = end - first,
                                 .depth = l->deep,
                                 .a = v.a,
                                 .lda = l->lda,
                                 .runs = l->at,
                                 .n_runs = v.taps * l->runs_t,
                                 .ld_panel = panel * depth};
    block.panel = (const char *)r->job.args->packed + at * (int64_t)nl_type_size(l->conv.cell);
    nl_cpu_conv_end(&r->job, l->kernel, row, first, part, &block);
    l->kernel->run(&block);
}

static int64_t rows_of_part(const void *job, int64_t part)
{
    const struct lines *l = job;
    return nl_cpu_least(l->piece, l->line - part % l->pieces * l->piece);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct lines *l = prepared;
    struct run_of r = {.l = l,
                       .job = nl_cpu_conv_job_of(&l->conv, desc, args),
                       .x = l->copies ? args->workspace : args->in[0].data};
    r.job.moments = nl_cpu_conv_moments(desc, args, l->lines * l->pieces, copy_bytes(l));
    if (l->copies)
        nl_cpu_for_tiles(be, l->conv.in_dim[0] * l->conv.in_dim[1] * l->height, copy_line, &r, NULL,
                         0);
    nl_cpu_for_tiles(be, l->lines * l->pieces * l->filter_tiles, run_tile, &r, NULL, 0);
    if (r.job.moments.parts)
        nl_cpu_moments_join(&r.job.moments, rows_of_part, l, args->out[1].data, args->out[2].data);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_lines = {.name = "lines",
                                          .framewise = true,
                                          .can = can,
                                          .prepare = prepare,
                                          .pack = pack,
                                          .run = run,
                                          .drop = drop};
