/* lines.h - rows of a tensor, F32 or BF16, read and written as floats.
 *
 * Loops over rows are written once, for floats. Rows of F32 are handed to them where they lie; rows
 * of BF16 are widened into `room`, as many floats as a row has, and narrowed from there.
 */
#ifndef NL_LINES_H
#define NL_LINES_H

#include "backends/cpu/cpu.h"
#include "backends/cpu/vector.h"

struct nl_cpu_lines {
    struct nl_cpu_rows rows;
    void *data;
    nl_type type;
    int64_t n; /* elements of a row */
};

static inline struct nl_cpu_lines nl_cpu_lines_of(const nl_tensor *t)
{
    return (struct nl_cpu_lines){.rows = nl_cpu_rows_of(t),
                                 .data = t->data,
                                 .type = t->type,
                                 .n = t->rank ? t->dim[t->rank - 1] : 1};
}

/* Row `i` of the rooms for rows of `n` floats; NULL where there are none, since none is needed. */
static inline float *nl_cpu_room_at(void *rooms, int64_t i, int64_t n)
{
    return rooms ? (float *)rooms + i * n : NULL;
}

/* `n` elements from element `at` of memory of `type`, as floats. */
static inline const float *nl_cpu_read(const void *data, nl_type type, int64_t at, int64_t n,
                                       float *room)
{
    if (type == NL_F32) return (const float *)data + at;
    nl_cpu_vector()->widen(room, (const uint16_t *)data + at, n);
    return room;
}

/* Where to put floats for element `at` on; nl_cpu_written() then sends them there. */
static inline float *nl_cpu_place(void *data, nl_type type, int64_t at, float *room)
{
    return type == NL_F32 ? (float *)data + at : room;
}

static inline void nl_cpu_written(void *data, nl_type type, int64_t at, int64_t n,
                                  const float *floats)
{
    if (type == NL_BF16) nl_cpu_vector()->narrow((uint16_t *)data + at, floats, n);
}

/* The same of whole rows. */
static inline const float *nl_cpu_line(const struct nl_cpu_lines *l, int64_t row, float *room)
{
    return nl_cpu_read(l->data, l->type, nl_cpu_row_at(&l->rows, row), l->n, room);
}

static inline float *nl_cpu_line_place(const struct nl_cpu_lines *l, int64_t row, float *room)
{
    return nl_cpu_place(l->data, l->type, nl_cpu_row_at(&l->rows, row), room);
}

static inline void nl_cpu_line_written(const struct nl_cpu_lines *l, int64_t row,
                                       const float *floats)
{
    nl_cpu_written(l->data, l->type, nl_cpu_row_at(&l->rows, row), l->n, floats);
}

#endif
