#include "backends/cpu/amx.h"
#include "backends/cpu/cpu.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/stacks.h"
#include "backends/cpu/thirds.h"

/* The kernel for F32 on AMX, which multiplies BF16 alone: numbers are sums of three of BF16, and
 * of the nine products of two numbers' thirds the six that F32 holds are summed (Henry, Tang and
 * Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
 * Computations"). What is left out is below a rounding of F32. Panels hold thirds already, rows
 * are split here, once for all panels of a group. */
#define AVX512                                                                                     \
    __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16,fma,prfchw")))
#include "backends/cpu/kernel_512_moments.h"
#include "backends/cpu/kernel_amx_tiles.h"

/* CHUNK: steps of the depth whose rows are split at a time; GROUP: panels that meet them, as many as
 * NEAR steps of filters allow, but FEW. A room is on the stack. */
enum {
    STEP = NL_CPU_THIRDS_STEP,
    TILE = NL_CPU_THIRDS_TILE,
    CHUNK = 16,
    GROUP = 16,
    FEW = 4,
    NEAR = 208
};

struct room {
    _Alignas(NL_ALIGN) char rows[CHUNK * STEP];
    _Alignas(NL_ALIGN) float sums[GROUP][ROWS * PANEL];
    struct moments moments[GROUP];
};

/* Steps of one run, and of all. */
static int64_t steps_of_run(const struct nl_cpu_block *b)
{
    return (b->depth + DEEP - 1) / DEEP;
}

static int64_t steps_of(const struct nl_cpu_block *b)
{
    return steps_of_run(b) * (b->runs ? b->n_runs : 1);
}

/* Rows from `row` on, `steps` steps of the depth from `step` on; returns how many, which end
 * with a run. */
static int64_t split_run(const struct nl_cpu_block *b, int64_t row, int64_t rows, int64_t step,
                         int64_t steps, char *to)
{
    const int64_t each = steps_of_run(b), d = step % each * DEEP;
    const int64_t here = nl_cpu_least(each - step % each, steps),
                  deep = nl_cpu_least(b->depth - d, here * DEEP);
    const float *const a = (const float *)b->a + (b->runs ? b->runs[step / each] : 0);
    if (b->turned)
        nl_cpu_thirds_of_depths(a + d * b->lda + row, b->lda, rows, deep, false, to);
    else
        nl_cpu_thirds_of_rows(a + row * b->lda + d, b->lda, rows, deep, 1, false, to);
    return here;
}

/* Every tile is whole: rows that are not there make sums that nobody reads. */
INLINE void lay_out(void)
{
    struct nl_cpu_tiles layout = {.palette = 1};
    for (int i = 0; i < NL_CPU_TILES; i++) layout.rows[i] = SIDE;
    for (int i = 0; i < NL_CPU_TILES; i++) layout.bytes[i] = LINE;
    NL_CPU_WRITTEN();
    _tile_loadconfig(&layout);
}

/* Third `third` of rows, to tiles 4 and 5, and of filters, to 6 and 7. */
INLINE void load_rows(const char *rows, int64_t third, bool lower)
{
    _tile_loadd(4, rows + 2 * third * TILE, LINE);
    if (lower) _tile_loadd(5, rows + (2 * third + 1) * TILE, LINE);
}

INLINE void load_filters(const char *panel, int64_t third)
{
    _tile_loadd(6, panel + 2 * third * TILE, LINE);
    _tile_loadd(7, panel + (2 * third + 1) * TILE, LINE);
}

INLINE void multiply_thirds(bool lower)
{
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    if (!lower) return;
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

/* Asks for a third of the next step's filters, which may come from far. */
INLINE void foresee_third(const char *panel, int64_t third)
{
    for (int64_t at = 2 * third * TILE; at < 2 * (third + 1) * TILE; at += LINE)
        __builtin_prefetch(panel + STEP + at);
}

/* The products of a step. */
INLINE void multiply(const char *rows, const char *panel, bool lower)
{
    load_rows(rows, 2, lower);
    load_filters(panel, 0);
    multiply_thirds(lower);
    foresee_third(panel, 0);
    load_rows(rows, 1, lower);
    multiply_thirds(lower);
    load_rows(rows, 0, lower);
    multiply_thirds(lower);
    foresee_third(panel, 1);
    load_filters(panel, 2);
    multiply_thirds(lower);
    load_filters(panel, 1);
    multiply_thirds(lower);
    foresee_third(panel, 2);
    load_rows(rows, 1, lower);
    multiply_thirds(lower);
}

/* Where some rows of a panel meet: tiles begin with what the sums are already, and end in y itself
 * where nothing comes after the products. */
struct meeting {
    const struct nl_cpu_block *panel;
    int64_t row, rows;
    float *sums; /* [ROWS, PANEL] in between */
    struct moments *moments;
};

static bool is_whole(const struct meeting *m)
{
    return (m->rows == ROWS || m->rows == SIDE) && m->panel->columns == PANEL;
}

/* Rows that are not whole tiles, as tiles want them. */
static AVX512 void copy_sums(const struct meeting *m)
{
    const struct lanes on = lanes_of(m->panel->columns);
    for (int64_t i = 0; i < m->rows; i++) {
        struct sums sum;
        start_row(m->panel, on, m->row + i, 0, 1, &sum);
        _mm512_store_ps(m->sums + i * PANEL, sum.left);
        _mm512_store_ps(m->sums + i * PANEL + lanes, sum.right);
    }
    NL_CPU_WRITTEN();
}

INLINE void begin(const struct meeting *m, bool first)
{
    const struct nl_cpu_block *b = m->panel;
    const bool lower = m->rows > SIDE;
    if (first && !b->sums) {
        clear_tiles();
    } else if (first && is_whole(m)) {
        load_tiles(b->sums + m->row * b->ld_sums, b->ld_sums, lower);
    } else {
        if (first) copy_sums(m);
        load_tiles(m->sums, PANEL, lower);
    }
}

static AVX512 void finish(const struct meeting *m)
{
    const struct lanes on = lanes_of(m->panel->columns);
    const struct sums none = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    struct nl_cpu_block rest = *m->panel;
    rest.sums = NULL;
    m->moments->tally.sum = m->moments->tally.square = none;
    finish_sums(&rest, on, m->row, m->rows, m->sums, rest.mean ? &m->moments->tally : NULL);
    if (rest.mean) add_tally(m->moments);
}

INLINE void end(const struct meeting *m, bool last)
{
    const struct nl_cpu_block *b = m->panel;
    const bool lower = m->rows > SIDE;
    if (last && is_whole(m) && is_plain(b)) {
        store_tiles((float *)b->y + m->row * b->ldy, b->ldy, lower);
        return;
    }
    store_tiles(m->sums, PANEL, lower);
    NL_CPU_WRITTEN();
    if (last) finish(m);
}

INLINE void add_products(const char *rows, const char *panel, int64_t steps, bool lower)
{
    if (lower)
        for (int64_t i = 0; i < steps; i++) multiply(rows + i * STEP, panel + i * STEP, true);
    else
        for (int64_t i = 0; i < steps; i++) multiply(rows + i * STEP, panel + i * STEP, false);
}

/* Some rows with all panels of a group, a chunk of the depth at a time. */
static AVX512 void add_rows(const struct nl_cpu_block *panels, int64_t n, int64_t row, int64_t rows,
                            struct room *room)
{
    const int64_t steps = steps_of(panels);
    int64_t from = 0;
    do {
        const int64_t chunk = nl_cpu_least(steps - from, CHUNK);
        foresee(&panels[0], row, (int)rows);
        for (int64_t i = 0; i < chunk;)
            i += split_run(panels, row, rows, from + i, chunk - i, room->rows + i * STEP);
        NL_CPU_WRITTEN();
        for (int64_t p = 0; p < n; p++) {
            const struct meeting m = {&panels[p], row, rows, room->sums[p], &room->moments[p]};
            if (p + 1 < n) foresee(&panels[p + 1], row, (int)rows);
            begin(&m, from == 0);
            add_products(room->rows, (const char *)panels[p].panel + from * STEP, chunk,
                         rows > SIDE);
            end(&m, from + chunk == steps);
        }
        from += chunk;
    } while (from < steps);
}

/* The panels that column `column` begins, as many as stay in the second cache while all rows go by;
 * returns how many. */
static int64_t group_of(const struct nl_cpu_block *b, int64_t column, struct nl_cpu_block *panels)
{
    const int64_t near = NEAR / (steps_of(b) + 1), most = near < FEW ? FEW : near;
    int64_t n = 0;
    for (; n < GROUP && n < most && column < b->columns; column += PANEL)
        panels[n++] = nl_cpu_block_panel(b, column, PANEL, sizeof(float));
    return n;
}

/* Leaves no tiles behind, which others lay out in their way and the system would have to save. */
static AVX512 void run(const struct nl_cpu_block *b)
{
    struct nl_cpu_block panels[GROUP];
    struct room room;
    lay_out();
    for (int64_t c = 0, n; c < b->columns; c += n * PANEL) {
        n = group_of(b, c, panels);
        if (b->mean) __builtin_memset(room.moments, 0, sizeof room.moments);
        for (int64_t row = 0; row < b->rows; row += ROWS)
            add_rows(panels, n, row, nl_cpu_least(b->rows - row, ROWS), &room);
        for (int64_t p = 0; b->mean && p < n; p++) give_moments(&panels[p], &room.moments[p]);
    }
    _tile_release();
}

const struct nl_cpu_kernel *nl_cpu_kernel_amx_x3(void)
{
    enum { UNKNOWN, NO, YES, STACK = 512 << 10 }; /* a room, and what is called with it */
    static _Atomic int known = UNKNOWN;
    static const struct nl_cpu_kernel kernel = {.name = "amx_x3",
                                                .type = NL_F32,
                                                .step = 1,
                                                .fill = DEEP,
                                                .takes = NL_CPU_THIRDS_FLOATS,
                                                .deep = DEEP,
                                                .rows = ROWS,
                                                .panel = PANEL,
                                                .run = run};
    if (known == UNKNOWN) known = nl_cpu_has_amx() && nl_cpu_stacks_have(STACK) ? YES : NO;
    return known == YES ? &kernel : NULL;
}
