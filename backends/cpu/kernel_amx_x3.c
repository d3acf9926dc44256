#include "backends/cpu/amx.h"
#include "backends/cpu/kernel.h"
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

/* CHUNK: steps of the depth whose rows are split at a time; GROUP: panels that meet them. */
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

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Rows from `row` on, `steps` steps of the depth from `step` on; returns how many, which end
 * with a run. */
static int64_t split_run(const struct nl_cpu_block *b, int64_t row, int64_t rows, int64_t step,
                         int64_t steps, char *to)
{
    const int64_t each = steps_of_run(b), d = step % each * DEEP;
    const int64_t here = least(each - step % each, steps), deep = least(b->depth - d, here * DEEP);
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
INLINE void load_rows(const char *rows, int third, bool lower)
{
    _tile_loadd(4, rows + 2 * third * TILE, LINE);
    if (lower) _tile_loadd(5, rows + (2 * third + 1) * TILE, LINE);
}

INLINE void load_filters(const char *panel, int third)
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
INLINE void foresee_third(const char *panel, int third)
{
    for (int at = 2 * third * TILE; at < 2 * (third + 1) * TILE; at += LINE)
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

/* Adds the products of `steps` steps to `sums`, which are 0 at first. */
static AVX512 void add_products(const char *rows, const char *panel, int64_t steps, bool lower,
                                bool first, float *sums)
{
    if (first)
        clear_tiles();
    else
        load_tiles(sums, lower);
    if (lower)
        for (int64_t i = 0; i < steps; i++) multiply(rows + i * STEP, panel + i * STEP, true);
    else
        for (int64_t i = 0; i < steps; i++) multiply(rows + i * STEP, panel + i * STEP, false);
    store_tiles(sums, lower);
    NL_CPU_WRITTEN();
}

static AVX512 void finish(const struct nl_cpu_block *panel, int64_t row, int64_t rows,
                          const float *sums, struct moments *m)
{
    const struct lanes on = lanes_of(panel->columns);
    const struct sums none = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    if (!panel->mean) {
        finish_sums(panel, on, row, rows, sums, NULL);
        return;
    }
    m->tally.sum = m->tally.square = none;
    finish_sums(panel, on, row, rows, sums, &m->tally);
    add_tally(m);
}

/* Some rows with all panels of a group, a chunk of the depth at a time. */
static AVX512 void add_rows(const struct nl_cpu_block *panels, int64_t n, int64_t row, int64_t rows,
                            struct room *room)
{
    const int64_t steps = steps_of(panels);
    int64_t from = 0;
    do {
        const int64_t chunk = least(steps - from, CHUNK);
        for (int64_t i = 0; i < chunk;)
            i += split_run(panels, row, rows, from + i, chunk - i, room->rows + i * STEP);
        NL_CPU_WRITTEN();
        for (int64_t p = 0; p < n; p++) {
            if (from + chunk == steps) foresee(&panels[p], row, (int)rows);
            add_products(room->rows, (const char *)panels[p].panel + from * STEP, chunk,
                         rows > SIDE, from == 0, room->sums[p]);
            if (from + chunk == steps)
                finish(&panels[p], row, rows, room->sums[p], &room->moments[p]);
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
            add_rows(panels, n, row, least(b->rows - row, ROWS), &room);
        for (int64_t p = 0; b->mean && p < n; p++) give_moments(&panels[p], &room.moments[p]);
    }
    _tile_release();
}

const struct nl_cpu_kernel *nl_cpu_kernel_amx_x3(void)
{
    static const struct nl_cpu_kernel kernel = {.name = "amx_x3",
                                                .type = NL_F32,
                                                .step = 1,
                                                .fill = DEEP,
                                                .takes = NL_CPU_THIRDS_FLOATS,
                                                .deep = DEEP,
                                                .rows = ROWS,
                                                .panel = PANEL,
                                                .run = run};
    return nl_cpu_has_amx() ? &kernel : NULL;
}
