#include "backends/cpu/panels.h"

#include "backends/cpu/cpu.h"

#include <string.h>

int64_t nl_cpu_panel_floats(const struct nl_cpu_kernel *kernel, int64_t depth, int64_t columns)
{
    return nl_cpu_parts(columns, kernel->panel) * kernel->panel * depth;
}

void nl_cpu_lay_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                       int64_t depth, int64_t columns, float *to)
{
    const int64_t panel = kernel->panel;
    for (int64_t c = 0; c < columns; c += panel) {
        const size_t width = (size_t)nl_cpu_least(panel, columns - c);
        for (int64_t r = 0; r < depth; r++, to += panel) {
            memcpy(to, from + r * ld + c, width * sizeof *to);
            memset(to + width, 0, ((size_t)panel - width) * sizeof *to);
        }
    }
}

void nl_cpu_turn_panels(const struct nl_cpu_kernel *kernel, const float *from, int64_t ld,
                        int64_t columns, int64_t depth, float scale, float *to)
{
    const int64_t panel = kernel->panel;
    for (int64_t c = 0; c < columns; c += panel, to += panel * depth)
        for (int64_t j = 0; j < panel; j++) {
            const bool there = c + j < columns;
            const float *row = from + (there ? c + j : 0) * ld;
            for (int64_t d = 0; d < depth; d++) to[d * panel + j] = there ? row[d] * scale : 0;
        }
}
