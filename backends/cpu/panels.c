#include "backends/cpu/panels.h"

#include "backends/cpu/cpu.h"
#include "backends/cpu/thirds.h"
#include "backends/cpu/turn.h"
#include "backends/cpu/vector.h"

#include <string.h>

int64_t nl_cpu_panel_elements(const struct nl_cpu_kernel *kernel, int64_t depth, int64_t columns)
{
    return nl_cpu_parts(columns, kernel->panel) * kernel->panel *
           nl_cpu_kernel_depth(kernel, depth);
}

void nl_cpu_multiply_panels(const struct nl_cpu_kernel *kernel, struct nl_cpu_block block,
                            const void *panels, float *y, bool add)
{
    block.panel = panels;
    block.ld_panel = kernel->panel * nl_cpu_kernel_depth(kernel, block.depth);
    block.y = y;
    block.sums = add ? y : NULL;
    block.ld_sums = block.ldy;
    kernel->run(&block);
}

/* Panels of thirds of what lies depth by depth, or column by column. */
static void lay_thirds(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                       int64_t depth, int64_t columns, float *to)
{
    const int64_t panel = kernel->panel, deep = nl_cpu_kernel_depth(kernel, depth);
    for (int64_t c = 0; c < columns; c += panel)
        nl_cpu_thirds_of_depths(from + c, ld, nl_cpu_least(panel, columns - c), depth, true,
                                to + c * deep);
}

static void turn_thirds(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                        int64_t columns, int64_t depth, float scale, float *to)
{
    const int64_t panel = kernel->panel, deep = nl_cpu_kernel_depth(kernel, depth);
    for (int64_t c = 0; c < columns; c += panel)
        nl_cpu_thirds_of_rows(from + c * ld, ld, nl_cpu_least(panel, columns - c), depth, scale,
                              true, to + c * deep);
}

void nl_cpu_lay_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                       int64_t depth, int64_t columns, float *to)
{
    const int64_t panel = kernel->panel;
    if (nl_cpu_panels_of_thirds(kernel)) {
        lay_thirds(kernel, from, ld, depth, columns, to);
        return;
    }
    for (int64_t c = 0; c < columns; c += panel) {
        const size_t width = (size_t)nl_cpu_least(panel, columns - c);
        for (int64_t r = 0; r < depth; r++, to += panel) {
            memcpy(to, from + r * ld + c, width * sizeof *to);
            memset(to + width, 0, ((size_t)panel - width) * sizeof *to);
        }
    }
}

/* Columns of words, floats or pairs, from rows `ld` bytes apart. */
static void turn(const struct nl_cpu_kernel *kernel, const void *from, int64_t ld, int64_t columns,
                 int64_t words, uint32_t *to)
{
    const int64_t panel = kernel->panel;
    for (int64_t c = 0; c < columns; c += panel, to += panel * words) {
        const int64_t width = nl_cpu_least(panel, columns - c);
        nl_cpu_turn_words((const char *)from + c * ld, ld, width, words, panel, to);
        for (int64_t i = 0; width < panel && i < words; i++)
            memset(to + i * panel + width, 0, (size_t)(panel - width) * sizeof *to);
    }
}

void nl_cpu_turn_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                        int64_t columns, int64_t depth, float scale, float *to)
{
    if (nl_cpu_panels_of_thirds(kernel)) {
        turn_thirds(kernel, from, ld, columns, depth, scale, to);
        return;
    }
    turn(kernel, from, ld * (int64_t)sizeof *from, columns, depth, (void *)to);
    if (scale != 1)
        nl_cpu_vector()->scale(to, to, scale, nl_cpu_panel_elements(kernel, depth, columns));
}

/* One panel of `width` columns as pairs of rows. */
static void lay_pairs(const struct nl_cpu_kernel *kernel, const uint16_t *from, int64_t ld,
                      int64_t depth, int64_t width, uint16_t *to)
{
    enum { WIDEST = 64 };
    static const uint16_t zeros[WIDEST];
    const struct nl_cpu_vector *vector = nl_cpu_vector();
    const int64_t panel = kernel->panel;
    for (int64_t r = 0; r < depth; r += 2, to += 2 * panel) {
        vector->pair(to, from + r * ld, r + 1 < depth ? from + (r + 1) * ld : zeros, width);
        memset(to + 2 * width, 0, (size_t)(2 * (panel - width)) * sizeof *to);
    }
}

static void lay_widened(const struct nl_cpu_kernel *kernel, const uint16_t *from, int64_t ld,
                        int64_t depth, int64_t width, float *to)
{
    const int64_t panel = kernel->panel;
    for (int64_t r = 0; r < depth; r++, to += panel) {
        nl_cpu_vector()->widen(to, from + r * ld, width);
        memset(to + width, 0, (size_t)(panel - width) * sizeof *to);
    }
}

void nl_cpu_lay_half(const struct nl_cpu_kernel *kernel, const uint16_t *from, int64_t ld,
                     int64_t depth, int64_t columns, void *to)
{
    const int64_t panel = kernel->panel, deep = nl_cpu_kernel_depth(kernel, depth);
    for (int64_t c = 0; c < columns; c += panel) {
        const int64_t width = nl_cpu_least(panel, columns - c);
        if (kernel->type == NL_BF16)
            lay_pairs(kernel, from + c, ld, depth, width, (uint16_t *)to + c * deep);
        else
            lay_widened(kernel, from + c, ld, depth, width, (float *)to + c * deep);
    }
}

void nl_cpu_turn_half(const struct nl_cpu_kernel *kernel, const uint16_t *from, int64_t ld,
                      int64_t columns, int64_t depth, uint16_t *to)
{
    turn(kernel, from, ld * (int64_t)sizeof *from, columns, depth / 2, (void *)to);
}
