#include "backends/cpu/conv.h"
#include "backends/cpu/conv_dw.h"
#include "backends/cpu/panels.h"
#include "backends/cpu/vector.h"
#include "src/core/memory.h"

#include <string.h>

/* The gradient of filters whose windows have lines of few numbers (conv_lines.c), without gathering
 * windows. One line of the kernel meets one line of outputs at a time: dw[k, i] += sum over outputs o
 * of dy[o, k] x[o * step + i], i running over the taps and channels of the line. So x is read as it
 * lies, `step` numbers further for each output, from a copy with zeros around it, and only dy is laid
 * out. BF16 wants pairs of outputs: each number of the copy has the one a step further beside it.
 * A block is a few lines of outputs of one frame; parts of all blocks are added in order. */
enum { PARTS = 16, HIGH = 8, NEAR = 7 << 14, SHORT = 32 };

struct lines {
    const struct nl_cpu_kernel *kernel;
    nl_type type; /* of x and dy */
    int kernel_dim[3], stride[3], pad[3];
    int64_t in[4], out[4]; /* n, t, h, w */
    int64_t channels, filters, depth;
    int64_t run, step,
        deep;              /* numbers of a kernel's line; between outputs; outputs in whole steps */
    int64_t high, pieces;  /* output lines of a block, blocks of a frame */
    int64_t height, pitch; /* of the copy: lines, and cells of 4 bytes */
    int64_t blocks, parts, part;
    size_t panel_bytes, copy_bytes, line_bytes;
};

static void cut(struct lines *l)
{
    const int64_t size = (int64_t)nl_type_size(l->kernel->type);
    const int64_t near = NEAR / (l->deep * l->kernel->panel * size);
    const int64_t most = near < 1 ? 1 : nl_cpu_least(near, HIGH);
    l->pieces = nl_cpu_parts(l->out[2], most);
    l->high = nl_cpu_parts(l->out[2], l->pieces);
    l->height = (l->high - 1) * l->stride[1] + l->kernel_dim[1];
    l->pitch = ((l->deep - 1) * l->stride[2] + l->kernel_dim[2]) * l->channels;
    l->blocks = l->out[0] * l->out[1] * l->pieces;
    l->parts = nl_cpu_least(PARTS, l->blocks);
    l->part = nl_cpu_parts(l->blocks, l->parts);
    l->parts = nl_cpu_parts(l->blocks, l->part);
    l->panel_bytes =
        (size_t)(nl_cpu_panel_elements(l->kernel, l->high * l->deep, l->filters) * size);
    l->copy_bytes = (size_t)(l->height * l->pitch) * sizeof(float);
    l->line_bytes = (size_t)(l->pitch + l->step) * sizeof(uint16_t);
}

static void describe(const struct nl_op_desc *desc, struct lines *l)
{
    const nl_tensor *x = &desc->in[0], *dy = &desc->in[1];
    const struct nl_cpu_kernel *best = nl_cpu_kernel_for(x->type);
    *l = (struct lines){.kernel = best->type == NL_F32 ? nl_cpu_kernel_vector() : best,
                        .type = x->type,
                        .channels = x->dim[4],
                        .filters = dy->dim[4]};
    for (int i = 0; i < 3; i++) {
        l->kernel_dim[i] = desc->attr.conv.extent[i];
        l->stride[i] = desc->attr.conv.stride[i];
        l->pad[i] = desc->attr.conv.pad[i];
    }
    for (int i = 0; i < 4; i++) {
        l->in[i] = x->dim[i];
        l->out[i] = dy->dim[i];
    }
    l->run = (int64_t)l->kernel_dim[2] * l->channels;
    l->depth = l->run * l->kernel_dim[0] * l->kernel_dim[1];
    l->step = l->stride[2] * l->channels;
    l->deep = nl_cpu_kernel_depth(l->kernel, l->out[3]);
    cut(l);
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const nl_tensor *x = &desc->in[0];
    const int *extent = desc->attr.conv.extent;
    if (!nl_cpu_kernel_best()) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (extent[1] * extent[2] == 1) return nl_decline(why, "one tap needs no lines");
    if (desc->attr.conv.pad[1] >= extent[1] || desc->attr.conv.pad[2] >= extent[2])
        return nl_decline(why, "windows that lie beside x");
    if (extent[2] * x->dim[4] > SHORT)
        return nl_decline(why, "lines of more than %d are gathered as fast", (int)SHORT);
    if (x->stride[3] != x->dim[4]) return nl_decline(why, "the lines of x are not dense");
    return nl_cpu_can_half(be, desc, why);
}

static size_t slice_of(const struct lines *l)
{
    return nl_align_up(l->panel_bytes) + nl_align_up(l->copy_bytes) + l->line_bytes;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct lines *l = NULL;
    size_t partial;
    NL_TRY(nl_calloc(1, sizeof *l, &l));
    *prepared = l;
    describe(desc, l);
    NL_TRY(nl_size_mul((size_t)(l->parts * l->depth), (size_t)l->filters, &partial));
    NL_TRY(nl_size_mul(partial, sizeof(float), &partial));
    NL_TRY(nl_cpu_slices(be, slice_of(l), &need->workspace));
    return nl_size_add(need->workspace, nl_align_up(partial), &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

struct run_of {
    const struct lines *l;
    const nl_tensor *x, *dy;
    float *partial; /* [parts, depth, filters] */
};

/* Output lines [h, h + lines) of frame (n, t), and the room for them. */
struct block {
    int64_t n, t, h, lines;
    char *panels; /* [panels][lines][deep][panel] */
    float *copy;  /* [height][pitch] */
    uint16_t *line;
    float *sums; /* of the part */
};

static const char *element(const nl_tensor *t, int64_t n, int64_t frame, int64_t line)
{
    const int64_t at = n * t->stride[0] + frame * t->stride[1] + line * t->stride[2];
    return (const char *)t->data + at * (int64_t)nl_type_size(t->type);
}

/* A line of x with zeros beside it, as `size` bytes a number; `from` NULL: all zeros. */
static void pad_line(const struct lines *l, const char *from, int64_t size, int64_t numbers,
                     char *to)
{
    const int64_t left = l->pad[2] * l->channels;
    const int64_t n = from ? nl_cpu_least(l->in[3] * l->channels, numbers - left) : 0;
    memset(to, 0, (size_t)(numbers * size));
    if (n > 0) memcpy(to + left * size, from, (size_t)(n * size));
}

/* One line of the copy: as it is, in pairs, or widened. */
static void copy_line(const struct lines *l, const struct block *b, const char *from, float *to)
{
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    if (l->type == NL_F32) {
        pad_line(l, from, sizeof(float), l->pitch, (char *)to);
        return;
    }
    pad_line(l, from, sizeof(uint16_t), l->pitch + l->step, (char *)b->line);
    if (l->kernel->type == NL_BF16)
        vector->pair((uint16_t *)(void *)to, b->line, b->line + l->step, l->pitch);
    else
        vector->widen(to, b->line, l->pitch);
}

static void copy_frame(const struct run_of *r, const struct block *b, int64_t t)
{
    const struct lines *l = r->l;
    const int64_t first = b->h * l->stride[1] - l->pad[1];
    const int64_t height = (b->lines - 1) * l->stride[1] + l->kernel_dim[1];
    for (int64_t i = 0; i < height; i++) {
        const bool inside = first + i >= 0 && first + i < l->in[2];
        copy_line(l, b, inside ? element(r->x, b->n, t, first + i) : NULL, b->copy + i * l->pitch);
    }
}

/* dy in panels of which each has all lines, one behind the other. */
static void lay_dy(const struct run_of *r, const struct block *b)
{
    const struct lines *l = r->l;
    const int64_t panel = l->kernel->panel, size = (int64_t)nl_type_size(l->kernel->type);
    const int64_t ld = r->dy->stride[3], cell = (int64_t)nl_type_size(l->type);
    for (int64_t i = 0; i < b->lines; i++)
        for (int64_t k = 0; k < l->filters; k += panel) {
            const void *from = element(r->dy, b->n, b->t, b->h + i) + k * cell;
            void *to = b->panels + (k * b->lines + i * panel) * l->deep * size;
            const int64_t width = nl_cpu_least(panel, l->filters - k);
            if (l->type == NL_F32)
                nl_cpu_lay_panels(l->kernel, from, ld, l->out[3], width, to);
            else
                nl_cpu_lay_half(l->kernel, from, ld, l->out[3], width, to);
        }
}

/* One frame of the kernel: dw[k, i] of its lines. */
static void multiply(const struct lines *l, const struct block *b, int64_t dt)
{
    const int64_t panel = l->kernel->panel, size = (int64_t)nl_type_size(l->kernel->type);
    int64_t runs[HIGH];
    for (int64_t i = 0; i < b->lines; i++) runs[i] = i * l->stride[1] * l->pitch * l->kernel->step;
    for (int64_t k = 0; k < l->filters; k += panel)
        for (int64_t dh = 0; dh < l->kernel_dim[1]; dh++) {
            float *const y = b->sums + (dt * l->kernel_dim[1] + dh) * l->run * l->filters + k;
            l->kernel->run(
                &(struct nl_cpu_block){.rows = l->run,
                                       .columns = nl_cpu_least(panel, l->filters - k),
                                       .depth = l->deep,
                                       .a = b->copy + dh * l->pitch,
                                       .lda = l->step * l->kernel->step,
                                       .turned = true,
                                       .runs = runs,
                                       .n_runs = b->lines,
                                       .panel = b->panels + k * b->lines * l->deep * size,
                                       .sums = y,
                                       .ld_sums = l->filters,
                                       .y = y,
                                       .ldy = l->filters});
        }
}

static void run_part(const void *run_of_all, int64_t part, void *scratch)
{
    const struct run_of *r = run_of_all;
    const struct lines *l = r->l;
    const int64_t from = part * l->part, end = nl_cpu_least(from + l->part, l->blocks);
    struct block b = {.panels = scratch, .sums = r->partial + part * l->depth * l->filters};
    b.copy = (float *)(void *)(b.panels + nl_align_up(l->panel_bytes));
    b.line = (uint16_t *)(void *)((char *)b.copy + nl_align_up(l->copy_bytes));
    memset(b.sums, 0, (size_t)(l->depth * l->filters) * sizeof *b.sums);
    for (int64_t i = from; i < end; i++) {
        b.h = i % l->pieces * l->high;
        b.lines = nl_cpu_least(l->high, l->out[2] - b.h);
        b.t = i / l->pieces % l->out[1];
        b.n = i / l->pieces / l->out[1];
        lay_dy(r, &b);
        for (int64_t dt = 0; dt < l->kernel_dim[0]; dt++) {
            const int64_t t = b.t * l->stride[0] + dt - l->pad[0];
            if (t < 0 || t >= l->in[1]) continue;
            copy_frame(r, &b, t);
            multiply(l, &b, dt);
        }
    }
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct lines *l = prepared;
    const size_t slices = (size_t)be->threads * nl_align_up(slice_of(l));
    const struct run_of r = {.l = l,
                             .x = &args->in[0],
                             .dy = &args->in[1],
                             .partial = (float *)(void *)((char *)args->workspace + slices)};
    const struct nl_cpu_dw_parts parts = {.sums = r.partial,
                                          .parts = l->parts,
                                          .filters = l->filters,
                                          .depth = l->depth,
                                          .turned = true};
    nl_cpu_for_tiles(be, l->parts, run_part, &r, args->workspace, slice_of(l));
    nl_cpu_dw_add(be, &parts, args->out[0].data, desc->attr.conv.set);
    nl_cpu_dw_bias(be, &args->in[1], args->out[1].data, desc->attr.conv.set);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_dw_lines = {
    .name = "lines", .can = can, .prepare = prepare, .run = run, .drop = drop};
