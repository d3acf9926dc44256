#include "backends/cpu/amx.h"
#include "backends/cpu/kernel.h"
#include "backends/cpu/vector.h"

#include <cpuid.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel for BF16 on AMX: 32 rows and 32 filters are four tiles of sums, and an instruction adds
 * the products of 32 numbers of 16 rows' depth with those of 16 filters. A tile of filters has 16
 * pairs of each, as panels have them anyway. Sums go through memory to what comes after them, if
 * anything does. */
#define AVX512                                                                                     \
    __attribute__((target("amx-tile,amx-bf16,avx512f,avx512bw,avx512vl,avx512bf16,fma,prfchw")))
#include "backends/cpu/kernel_amx_tiles.h"

/* Tiles 0 to 3: sums, upper rows first; 4 and 5: rows; 6 and 7: filters. A tile has a row at
 * least, used or not. */
INLINE void lay_out(int64_t rows)
{
    const uint8_t upper = (uint8_t)(rows < SIDE ? rows : SIDE), lower = (uint8_t)(rows - upper);
    const uint8_t low = lower ? lower : 1;
    struct nl_cpu_tiles layout = {.palette = 1,
                                  .rows = {upper, upper, low, low, upper, low, SIDE, SIDE}};
    for (int i = 0; i < NL_CPU_TILES; i++) layout.bytes[i] = LINE;
    NL_CPU_WRITTEN();
    _tile_loadconfig(&layout);
}

/* DEEP numbers of the depth: of rows from `a` on, `lda` bytes apart, and of filters. */
INLINE void multiply(const char *a, int64_t lda, const char *panel, bool lower)
{
    _tile_loadd(4, a, lda);
    _tile_loadd(6, panel, PANEL_LINE);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, panel + LINE, PANEL_LINE);
    _tile_dpbf16ps(1, 4, 7);
    if (!lower) return;
    _tile_loadd(5, a + SIDE * lda, lda);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
}

/* Room for what is not as tiles want it: rows turned, or the end of the depth, zeros behind it. */
struct room {
    _Alignas(NL_ALIGN) uint32_t a[ROWS * SIDE], panel[SIDE * PANEL];
};

/* Pairs of the depth where rows lie pair by pair, `lda` pairs apart. */
static AVX512 void turn(const uint32_t *a, int64_t lda, int64_t rows, int64_t pairs, uint32_t *to)
{
    for (int64_t row = 0; row < rows; row += SIDE) {
        if (rows - row >= SIDE && pairs == SIDE) {
            nl_cpu_vector()->turn(to + row * SIDE, SIDE, a + row, lda * 4);
            continue;
        }
        for (int64_t i = row; i < rows && i < row + SIDE; i++)
            for (int64_t p = 0; p < pairs; p++) to[i * SIDE + p] = a[p * lda + i];
    }
}

static AVX512 void copy(const char *a, int64_t lda, int64_t rows, int64_t bytes, uint32_t *to)
{
    for (int64_t i = 0; i < rows; i++) memcpy(to + i * SIDE, a + i * lda, (size_t)bytes);
}

/* The products of DEEP or, at the end, fewer numbers of each row's depth. */
INLINE void multiply_some(const struct nl_cpu_block *b, const char *a, const char *panel,
                          int64_t rows, int64_t deep, struct room *room)
{
    const int64_t lda = b->turned ? b->lda : 2 * b->lda, pairs = (deep + 1) / 2;
    const bool lower = rows > SIDE, whole = deep == DEEP;
    if (whole && !b->turned) {
        multiply(a, lda, panel, lower);
        return;
    }
    if (!whole) memset(room, 0, sizeof *room);
    if (!whole) memcpy(room->panel, panel, (size_t)(pairs * PANEL_LINE));
    if (b->turned)
        turn((const uint32_t *)(const void *)a, lda, rows, pairs, room->a);
    else
        copy(a, lda, rows, 4 * pairs, room->a);
    NL_CPU_WRITTEN();
    multiply((const char *)room->a, LINE, whole ? panel : (const char *)room->panel, lower);
    NL_CPU_WRITTEN();
}

INLINE void add_products(const struct nl_cpu_block *b, int64_t row, int64_t rows)
{
    const int64_t one[] = {0}, *const runs = b->runs ? b->runs : one;
    const int64_t n_runs = b->runs ? b->n_runs : 1;
    const int64_t step = b->turned ? 2 * b->lda : 2, down = b->turned ? 4 : 2 * b->lda;
    const char *panel = b->panel;
    struct room room;
    for (int64_t run = 0; run < n_runs; run++) {
        const char *const a = (const char *)b->a + 2 * runs[run] + row * down;
        for (int64_t d = 0, deep; d < b->depth; d += deep) {
            deep = b->depth - d < DEEP ? b->depth - d : DEEP;
            multiply_some(b, a + d * step, panel, rows, deep, &room);
            panel += (deep + 1) / 2 * PANEL_LINE;
        }
    }
}

/* Whether y may have the tiles as they are: whole ones, sums of products and nothing else. */
INLINE bool ends_in_tiles(const struct nl_cpu_block *b, int64_t rows)
{
    return is_plain(b) && !b->sums && b->columns == PANEL && rows % SIDE == 0;
}

/* The first rows lay the tiles out for all, but the last, where those are fewer. */
static AVX512 void some_rows(const struct nl_cpu_block *b, struct lanes on, int64_t row,
                             int64_t rows, struct tally *tally)
{
    _Alignas(NL_ALIGN) float sums[ROWS * PANEL];
    foresee(b, row, (int)rows);
    if (row == 0 || rows < ROWS) lay_out(rows);
    clear_tiles();
    add_products(b, row, rows);
    if (ends_in_tiles(b, rows)) {
        store_tiles((float *)b->y + row * b->ldy, b->ldy, rows > SIDE);
        return;
    }
    store_tiles(sums, PANEL, rows > SIDE);
    finish_sums(b, on, row, rows, sums, tally);
}

static int64_t rows_of(int64_t left)
{
    return left < ROWS ? left : ROWS;
}

#include "backends/cpu/kernel_512_run.h"

/* Leaves no tiles behind, which others lay out in their way and the system would have to save. */
static AVX512 void run_and_release(const struct nl_cpu_block *b)
{
    run_panels(b, sizeof(uint16_t));
    _tile_release();
}

static bool ask_for_tiles(void)
{
    enum { ASK_FOR_STATE = 0x1023, TILE_DATA = 18, BF16 = 1 << 22, TILES = 1 << 24 };
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    if ((d & (BF16 | TILES)) != (BF16 | TILES) || !nl_cpu_kernel_avx512bf16()) return false;
    return syscall(SYS_arch_prctl, ASK_FOR_STATE, TILE_DATA) == 0;
}

bool nl_cpu_has_amx(void)
{
    enum { UNKNOWN, NO, YES };
    static _Atomic int known = UNKNOWN;
    if (known == UNKNOWN) known = ask_for_tiles() ? YES : NO;
    return known == YES;
}

const struct nl_cpu_kernel *nl_cpu_kernel_amx(void)
{
    static const struct nl_cpu_kernel kernel = {.name = "amx",
                                                .type = NL_BF16,
                                                .step = 2,
                                                .fill = 2,
                                                .takes = 2,
                                                .deep = DEEP,
                                                .rows = ROWS,
                                                .panel = PANEL,
                                                .run = run_and_release};
    return nl_cpu_has_amx() ? &kernel : NULL;
}
