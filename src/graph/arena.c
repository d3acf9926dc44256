#include "src/graph/arena.h"

#include "src/core/memory.h"

#include <stdbool.h>
#include <stdlib.h>

static bool together(const struct nl_span *a, const struct nl_span *b)
{
    return a->first <= b->last && b->first <= a->last;
}

static int by_size(const void *a, const void *b)
{
    const struct nl_span *one = *(struct nl_span *const *)a, *two = *(struct nl_span *const *)b;
    if (one->bytes != two->bytes) return one->bytes < two->bytes ? 1 : -1;
    return (one > two) - (one < two);
}

static int by_offset(const void *a, const void *b)
{
    const struct nl_span *one = *(struct nl_span *const *)a, *two = *(struct nl_span *const *)b;
    return (one->offset > two->offset) - (one->offset < two->offset);
}

/* The lowest gap among `busy` (sorted by offset) that holds `bytes`. */
static size_t lowest_gap(struct nl_span *const *busy, int n_busy, size_t bytes)
{
    size_t at = 0;
    for (int i = 0; i < n_busy; i++) {
        const size_t end = busy[i]->offset + nl_align_up(busy[i]->bytes);
        if (busy[i]->offset >= at + bytes) return at;
        if (end > at) at = end;
    }
    return at;
}

static void place_all(struct nl_span **sorted, int count, struct nl_span **busy, size_t *total)
{
    *total = 0;
    for (int i = 0; i < count; i++) {
        int n_busy = 0;
        for (int k = 0; k < i; k++)
            if (together(sorted[i], sorted[k])) busy[n_busy++] = sorted[k];
        qsort(busy, (size_t)n_busy, sizeof *busy, by_offset);
        sorted[i]->offset = lowest_gap(busy, n_busy, nl_align_up(sorted[i]->bytes));
        const size_t end = sorted[i]->offset + nl_align_up(sorted[i]->bytes);
        if (end > *total) *total = end;
    }
}

/* The most bytes alive at the first step of any span: where a maximum must lie. */
static size_t most_alive(const struct nl_span *spans, int count)
{
    size_t most = 0;
    for (int i = 0; i < count; i++) {
        size_t alive = 0;
        for (int k = 0; k < count; k++)
            if (spans[k].first <= spans[i].first && spans[i].first <= spans[k].last)
                alive += nl_align_up(spans[k].bytes);
        if (alive > most) most = alive;
    }
    return most;
}

nl_status nl_arena_place(struct nl_span *spans, int count, size_t *total, size_t *bound)
{
    struct nl_span **sorted = NULL;
    NL_TRY(nl_calloc(2 * (size_t)count + 1, sizeof *sorted, &sorted));
    for (int i = 0; i < count; i++) sorted[i] = &spans[i];
    qsort(sorted, (size_t)count, sizeof *sorted, by_size);
    place_all(sorted, count, sorted + count, total);
    *bound = most_alive(spans, count);
    nl_free(sorted);
    return NL_OK;
}
