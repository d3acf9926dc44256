#include "backends/cpu/conv.h"
#include "backends/cpu/panels.h"
#include "backends/cpu/thirds.h"
#include "backends/cpu/vector.h"
#include "src/core/memory.h"
#include "src/tensor/half.h"

#include <string.h>

/* The gradient of a convolution with respect to its input, as convolutions of dy. Inputs at the
 * same place modulo the stride meet the same taps: they are one phase, a dense convolution of stride
 * 1 with those taps, backwards, from filters to channels. A phase without taps is zero. */
enum { PHASES = 64 };

/* Taps of one axis that a phase meets: kernel place `last - i * stride` for i = 0, 1, ...; the
 * first looks at output (position of the input in its phase) + `shift`. */
struct axis {
    int taps, last, shift;
};

struct phase {
    int place[3]; /* modulo the stride */
    struct axis axis[3];
    struct nl_cpu_conv conv;
    int64_t dim[3];   /* places: t, h, w */
    size_t packed_at; /* elements of the kernel's type */
};

struct gradient {
    int n_phases;
    const struct nl_cpu_kernel *kernel;
    struct phase phase[PHASES];
};

static struct axis axis_of(int kernel, int stride, int pad, int place)
{
    const int least = (place + pad) % stride;
    struct axis axis = {.taps = least < kernel ? (kernel - 1 - least) / stride + 1 : 0};
    axis.last = least + (axis.taps - 1) * stride;
    axis.shift = (place + pad - axis.last) / stride;
    return axis;
}

/* The phase's part of dx, or of something like it. */
static nl_tensor view_of(const nl_tensor *whole, const struct phase *phase, const int *stride)
{
    nl_tensor view = *whole;
    int64_t first = 0;
    for (int i = 0; i < 3; i++) {
        first += phase->place[i] * whole->stride[i + 1];
        view.stride[i + 1] = whole->stride[i + 1] * stride[i];
        view.dim[i + 1] = phase->dim[i];
    }
    if (whole->data) view.data = (char *)whole->data + first * (int64_t)nl_type_size(whole->type);
    return view;
}

static bool is_empty(const struct phase *phase)
{
    return phase->dim[0] == 0 || phase->dim[1] == 0 || phase->dim[2] == 0;
}

static bool has_taps(const struct phase *phase)
{
    return phase->axis[0].taps > 0 && phase->axis[1].taps > 0 && phase->axis[2].taps > 0;
}

/* The convolution of dy that makes the phase. */
static void plan_phase(const struct nl_op_desc *desc, const struct nl_cpu_kernel *kernel,
                       struct phase *phase)
{
    const nl_tensor *w = &desc->in[1];
    const struct nl_cpu_conv_wish wish = nl_cpu_conv_packed_wish(kernel);
    struct nl_op_desc conv = {.op = NL_OP_CONV, .attr = {.conv = {.stride = {1, 1, 1}}}};
    const int64_t dim[5] = {w->dim[4], phase->axis[0].taps, phase->axis[1].taps,
                            phase->axis[2].taps, w->dim[0]};
    conv.in[0] = desc->in[0];
    conv.in[1] = nl_tensor_dense(NL_F32, 5, dim);
    conv.out[0] = view_of(&desc->out[0], phase, desc->attr.conv.stride);
    for (int i = 0; i < 3; i++) conv.attr.conv.pad[i] = -phase->axis[i].shift;
    nl_cpu_conv_plan(&conv, &wish, &phase->conv);
}

static int64_t panels(const struct gradient *g, const struct phase *phase)
{
    return nl_cpu_parts(phase->conv.filters, g->kernel->panel);
}

static nl_status plan_all(const struct nl_op_desc *desc, struct gradient *g, size_t *slice,
                          size_t *packed)
{
    const int *stride = desc->attr.conv.stride, *pad = desc->attr.conv.pad;
    const int count = stride[0] * stride[1] * stride[2];
    *slice = *packed = 0;
    for (int n = 0; n < count; n++) {
        const int place[3] = {n / stride[2] / stride[1], n / stride[2] % stride[1], n % stride[2]};
        struct phase *phase = &g->phase[g->n_phases];
        for (int i = 0; i < 3; i++) {
            const int64_t room = desc->out[0].dim[i + 1] - place[i];
            phase->place[i] = place[i];
            phase->dim[i] = room > 0 ? (room + stride[i] - 1) / stride[i] : 0;
            phase->axis[i] = axis_of((int)desc->in[1].dim[i + 1], stride[i], pad[i], place[i]);
        }
        if (is_empty(phase)) continue;
        g->n_phases++;
        if (!has_taps(phase)) continue;
        plan_phase(desc, g->kernel, phase);
        const size_t bytes = nl_align_up(phase->conv.gather_bytes) + phase->conv.sum_bytes;
        if (bytes > *slice) *slice = bytes;
        phase->packed_at = *packed;
        *packed += (size_t)nl_cpu_panel_elements(g->kernel, phase->conv.depth, phase->conv.filters);
    }
    return NL_OK;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const int *stride = desc->attr.conv.stride;
    if (!nl_cpu_kernel_best()) return nl_decline(why, "the processor has neither AVX2 nor AVX-512");
    if (stride[0] * stride[1] * stride[2] > PHASES)
        return nl_decline(why, "strides whose product is above %d", (int)PHASES);
    return nl_cpu_can_half(be, desc, why);
}

/* Thirds are packed from filters that lie side by side, so many at a time. */
static const struct nl_cpu_kernel *kernel_for(const struct nl_op_desc *desc)
{
    const struct nl_cpu_kernel *best = nl_cpu_kernel_for(desc->in[0].type);
    const bool odd = desc->in[1].dim[0] % best->fill != 0;
    return nl_cpu_panels_of_thirds(best) && odd ? nl_cpu_kernel_vector() : best;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    struct gradient *g = NULL;
    size_t slice, packed;
    NL_TRY(nl_calloc(1, sizeof *g, &g));
    *prepared = g;
    g->kernel = kernel_for(desc);
    NL_TRY(plan_all(desc, g, &slice, &packed));
    NL_TRY(nl_size_mul(packed, nl_type_size(g->kernel->type), &need->packed));
    return nl_cpu_slices(be, slice, &need->workspace);
}

static void drop(struct nl_backend *be, void *prepared)
{
    (void)be;
    nl_free(prepared);
}

/* Element `at` of packed filters. */
static void *element(const void *packed, const struct nl_cpu_kernel *kernel, size_t at)
{
    return (char *)(uintptr_t)packed + at * nl_type_size(kernel->type);
}

struct packing {
    const struct nl_cpu_kernel *kernel;
    const struct phase *phase;
    const nl_tensor *w;
    const int *stride;
    const float *from;
    void *to;
};

/* Two filters whose sums are taken at once. */
static void pack_pair(const struct packing *p, const float *from, int64_t width, uint16_t *to)
{
    enum { WIDEST = 64 };
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    uint16_t rows[2][WIDEST];
    for (int i = 0; i < 2; i++) vector->narrow(rows[i], from + i * p->w->stride[0], width);
    vector->pair(to, rows[0], rows[1], width);
    memset(to + 2 * width, 0, 2 * (size_t)(p->kernel->panel - width) * sizeof *to);
}

/* Steps of a panel for the filters of one tap, `width` channels from `from` on. */
static void pack_tap(const struct packing *p, const float *from, int64_t width, int64_t depth,
                     void *panel)
{
    const int64_t columns = p->kernel->panel;
    if (nl_cpu_panels_of_thirds(p->kernel)) {
        nl_cpu_thirds_of_depths(from, p->w->stride[0], width, p->w->dim[0], true,
                                (float *)panel + nl_cpu_kernel_depth(p->kernel, depth) * columns);
        return;
    }
    for (int64_t k = 0; k < p->w->dim[0]; k++, depth++) {
        const float *row = from + k * p->w->stride[0];
        if (p->kernel->type == NL_F32) {
            float *to = (float *)panel + depth * columns;
            memcpy(to, row, (size_t)width * sizeof *to);
            for (int64_t c = width; c < columns; c++) to[c] = 0;
            continue;
        }
        uint16_t *to = panel;
        if (depth % 2 == 0 && k + 1 < p->w->dim[0]) {
            pack_pair(p, row, width, to + depth * columns);
            k++;
            depth++;
            continue;
        }
        for (int64_t c = 0; c < columns; c++)
            to[nl_cpu_kernel_at(p->kernel, depth, c)] = c < width ? nl_float_to_bf16(row[c]) : 0;
    }
}

/* Channels side by side, as they lie in the filters, for each tap and filter. */
static void pack_panel(const void *job, int64_t number, void *scratch)
{
    const struct packing *p = job;
    const struct axis *axis = p->phase->axis;
    const int64_t columns = p->kernel->panel, first = number * columns, channels = p->w->dim[4];
    const int64_t depth = p->phase->conv.depth, deep = nl_cpu_kernel_depth(p->kernel, depth);
    const size_t size = nl_type_size(p->kernel->type);
    char *const panel = (char *)p->to + (size_t)(first * deep) * size;
    int64_t at = 0;
    (void)scratch;
    if (nl_cpu_kernel_whole(p->kernel, depth) > depth)
        memset(panel + (size_t)((deep - 2) * columns) * size, 0, 2 * (size_t)columns * size);
    for (int t = 0; t < axis[0].taps; t++)
        for (int h = 0; h < axis[1].taps; h++)
            for (int v = 0; v < axis[2].taps; v++, at += p->w->dim[0])
                pack_tap(p,
                         p->from + (axis[0].last - t * p->stride[0]) * p->w->stride[1] +
                             (axis[1].last - h * p->stride[1]) * p->w->stride[2] +
                             (axis[2].last - v * p->stride[2]) * p->w->stride[3] + first,
                         nl_cpu_least(columns, channels - first), at, panel);
}

static nl_status pack(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                      const struct nl_args *args, void *packed)
{
    const struct gradient *g = prepared;
    for (int i = 0; i < g->n_phases; i++) {
        const struct phase *phase = &g->phase[i];
        const struct packing job = {.kernel = g->kernel,
                                    .phase = phase,
                                    .w = &desc->in[1],
                                    .stride = desc->attr.conv.stride,
                                    .from = args->in[1].data,
                                    .to = element(packed, g->kernel, phase->packed_at)};
        if (has_taps(phase)) nl_cpu_for_tiles(be, panels(g, phase), pack_panel, &job, NULL, 0);
    }
    return NL_OK;
}

/* A phase that no tap meets: zeros, or the residual. */
struct filling {
    struct nl_cpu_rows to, from;
    char *dx;
    const char *residual;
    int64_t channels;
    size_t size; /* of an element */
};

static void fill_rows(const void *job, int64_t tile, void *scratch)
{
    enum { ROWS = 64 };
    const struct filling *f = job;
    const int64_t size = (int64_t)f->size;
    const size_t bytes = (size_t)f->channels * f->size;
    (void)scratch;
    for (int64_t row = tile * ROWS; row < nl_cpu_least((tile + 1) * ROWS, f->to.count); row++) {
        char *to = f->dx + nl_cpu_row_at(&f->to, row) * size;
        if (f->residual)
            memmove(to, f->residual + nl_cpu_row_at(&f->from, row) * size, bytes);
        else
            memset(to, 0, bytes);
    }
}

static void run_phase(struct nl_backend *be, const struct gradient *g, const struct phase *phase,
                      const struct nl_op_desc *desc, const struct nl_args *args)
{
    const int *stride = desc->attr.conv.stride;
    struct nl_args part = {.in = {args->in[0]}, .workspace = args->workspace};
    part.out[0] = view_of(&args->out[0], phase, stride);
    if (args->in[3].rank) part.in[3] = view_of(&args->in[3], phase, stride);
    part.packed = element(args->packed, g->kernel, phase->packed_at);
    if (has_taps(phase)) {
        const struct nl_op_desc plain = {.op = NL_OP_CONV};
        nl_cpu_conv_packed_run(be, &phase->conv, &plain, &part, g->kernel);
        return;
    }
    struct filling job = {.to = nl_cpu_rows_of(&part.out[0]),
                          .dx = part.out[0].data,
                          .channels = part.out[0].dim[4],
                          .size = nl_type_size(part.out[0].type)};
    if (part.in[3].rank) {
        job.from = nl_cpu_rows_of(&part.in[3]);
        job.residual = part.in[3].data;
    }
    nl_cpu_for_tiles(be, nl_cpu_parts(job.to.count, 64), fill_rows, &job, NULL, 0);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    const struct gradient *g = prepared;
    for (int i = 0; i < g->n_phases; i++) run_phase(be, g, &g->phase[i], desc, args);
    return NL_OK;
}

const struct nl_impl nl_cpu_conv_dx = {
    .name = "packed", .can = can, .prepare = prepare, .pack = pack, .run = run, .drop = drop};
