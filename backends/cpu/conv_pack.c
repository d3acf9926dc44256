#include "backends/cpu/conv.h"
#include "backends/cpu/panels.h"
#include "backends/cpu/thirds.h"
#include "backends/cpu/turn.h"
#include "backends/cpu/vector.h"
#include "src/core/memory.h"

#include <string.h>

/* Filters laid out in a kernel's panels, a panel a thread. */
struct packing {
    const struct nl_cpu_kernel *kernel;
    const float *from;
    void *to;
    int64_t filters, depth, run, deep;
};

enum { SIDE = NL_CPU_TURN };

/* `steps` steps of 16 filters, `n` numbers and zeros, from the first filter on; `there` filters exist.
 * A step is a float or a pair of BF16. */
static void pack_square(const struct packing *p, const float *from, int64_t there, int64_t n,
                        int64_t steps, uint32_t *to)
{
    const int64_t panel = p->kernel->panel;
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    uint32_t rows[SIDE * SIDE] = {0};
    for (int64_t k = 0; k < nl_cpu_least(there, SIDE); k++)
        if (p->kernel->type == NL_BF16)
            vector->narrow((uint16_t *)&rows[k * SIDE], from + k * p->depth, n);
        else
            memcpy(&rows[k * SIDE], from + k * p->depth, (size_t)n * sizeof *from);
    nl_cpu_turn_words(rows, SIDE * sizeof *rows, SIDE, steps, panel, to);
}

/* One run of one panel, made up to p->deep. */
static void pack_run(const struct packing *p, const float *from, int64_t there, uint32_t *to)
{
    const int64_t panel = p->kernel->panel, step = p->kernel->step, most = step * SIDE;
    for (int64_t d = 0; d < p->run; d += most, to += SIDE * panel)
        for (int64_t k = 0; k < panel; k += SIDE)
            pack_square(p, from + k * p->depth + d, there - k, nl_cpu_least(most, p->run - d),
                        nl_cpu_least(most, p->deep - d) / step, to + k);
}

static void pack_panel(const void *job, int64_t number, void *scratch)
{
    const struct packing *p = job;
    const int64_t panel = p->kernel->panel, first = number * panel, there = p->filters - first;
    const int64_t deep = nl_cpu_kernel_depth(p->kernel, p->deep);
    int64_t at = first * (p->depth / p->run) * deep;
    (void)scratch;
    for (int64_t d = 0; d < p->depth; d += p->run, at += panel * deep) {
        char *const to = (char *)p->to + at * (int64_t)nl_type_size(p->kernel->type);
        const float *const from = p->from + first * p->depth + d;
        if (nl_cpu_panels_of_thirds(p->kernel))
            nl_cpu_thirds_of_rows(from, p->depth, nl_cpu_least(panel, there), p->run, 1, true, to);
        else
            pack_run(p, from, there, (uint32_t *)(void *)to);
    }
}

static int64_t panels(const struct nl_cpu_kernel *kernel, const nl_tensor *w)
{
    return nl_cpu_parts(w->dim[0], kernel->panel);
}

nl_status nl_cpu_conv_packed_bytes(const struct nl_cpu_kernel *kernel, const nl_tensor *w,
                                   int64_t run, int64_t deep, size_t *bytes)
{
    const int64_t runs = nl_tensor_count(w) / w->dim[0] / run;
    NL_TRY(nl_size_mul((size_t)(panels(kernel, w) * kernel->panel),
                       (size_t)(runs * nl_cpu_kernel_depth(kernel, deep)), bytes));
    return nl_size_mul(*bytes, nl_type_size(kernel->type), bytes);
}

void nl_cpu_conv_pack(const struct nl_backend *be, const struct nl_cpu_kernel *kernel,
                      const nl_tensor *w, int64_t run, int64_t deep, void *packed)
{
    const struct packing job = {.kernel = kernel,
                                .from = w->data,
                                .to = packed,
                                .filters = w->dim[0],
                                .depth = nl_tensor_count(w) / w->dim[0],
                                .run = run,
                                .deep = deep};
    nl_cpu_for_tiles(be, panels(kernel, w), pack_panel, &job, NULL, 0);
}
