#include "backends/cpu/conv.h"
#include "src/core/memory.h"
#include "src/tensor/half.h"

/* Filters laid out in a kernel's panels, a panel a thread. */
struct packing {
    const struct nl_cpu_kernel *kernel;
    const float *from;
    void *to;
    int64_t filters, depth, run;
};

/* One run of one panel, made up to whole steps; `to` is where it starts. */
static void pack_half(const struct packing *p, const float *from, int64_t there, uint16_t *to)
{
    for (int64_t d = 0; d < nl_cpu_kernel_depth(p->kernel, p->run); d++)
        for (int64_t k = 0; k < p->kernel->panel; k++)
            to[nl_cpu_kernel_at(p->kernel, d, k)] =
                k < there && d < p->run ? nl_float_to_bf16(from[k * p->depth + d]) : 0;
}

static void pack_full(const struct packing *p, const float *from, int64_t there, float *to)
{
    const int64_t panel = p->kernel->panel;
    for (int64_t d = 0; d < p->run; d++)
        for (int64_t k = 0; k < panel; k++)
            to[d * panel + k] = k < there ? from[k * p->depth + d] : 0;
}

static void pack_panel(const void *job, int64_t number, void *scratch)
{
    const struct packing *p = job;
    const int64_t panel = p->kernel->panel, first = number * panel, there = p->filters - first;
    const int64_t deep = nl_cpu_kernel_depth(p->kernel, p->run);
    int64_t at = first * (p->depth / p->run) * deep;
    (void)scratch;
    for (int64_t d = 0; d < p->depth; d += p->run, at += panel * deep) {
        const float *from = p->from + first * p->depth + d;
        if (p->kernel->type == NL_BF16)
            pack_half(p, from, there, (uint16_t *)p->to + at);
        else
            pack_full(p, from, there, (float *)p->to + at);
    }
}

static int64_t panels(const struct nl_cpu_kernel *kernel, const nl_tensor *w)
{
    return nl_cpu_parts(w->dim[0], kernel->panel);
}

nl_status nl_cpu_conv_packed_bytes(const struct nl_cpu_kernel *kernel, const nl_tensor *w,
                                   int64_t run, size_t *bytes)
{
    const int64_t runs = nl_tensor_count(w) / w->dim[0] / run;
    NL_TRY(nl_size_mul((size_t)(panels(kernel, w) * kernel->panel),
                       (size_t)(runs * nl_cpu_kernel_depth(kernel, run)), bytes));
    return nl_size_mul(*bytes, nl_type_size(kernel->type), bytes);
}

void nl_cpu_conv_pack(const struct nl_backend *be, const struct nl_cpu_kernel *kernel,
                      const nl_tensor *w, int64_t run, void *packed)
{
    const struct packing job = {.kernel = kernel,
                                .from = w->data,
                                .to = packed,
                                .filters = w->dim[0],
                                .depth = nl_tensor_count(w) / w->dim[0],
                                .run = run};
    nl_cpu_for_tiles(be, panels(kernel, w), pack_panel, &job, NULL, 0);
}
