#include "src/app/bench.h"
#include "src/app/peak.h"
#include "src/app/table.h"
#include "src/tensor/backend.h"

static nl_status row(struct nl_table *table, const struct nl_peak *peak, bool bare)
{
    if (bare)
        return nl_bench_json(json_pack(
            "{s:i, s:s, s:f, s:f, s:f, s:f, s:f}", "threads", peak->threads, "instructions",
            peak->instructions, "f32_gflops", peak->f32, "bf16_gflops", peak->bf16, "read_gbs",
            peak->read, "write_gbs", peak->write, "copy_gbs", peak->copy));
    return nl_table_add(table, "%d\t%.0f\t%.0f\t%.1f\t%.1f\t%.1f", peak->threads, peak->f32,
                        peak->bf16, peak->read, peak->write, peak->copy);
}

nl_status nl_bench_peak(struct nl_run *run)
{
    const int most = run->args.threads ? (int)run->args.threads : nl_processors();
    struct nl_table table = {.columns = 6, .align = "rrrrrr"};
    struct nl_peak peak = {.threads = 0};
    nl_status st = nl_table_add(
        &table, "threads\tF32 GFLOP/s\tBF16 GFLOP/s\tread GB/s\twrite GB/s\tcopy GB/s");
    for (int threads = 1; st == NL_OK; threads = threads < most / 2 ? 2 * threads : most) {
        st = nl_peak_measure(threads, &peak);
        if (st == NL_OK) st = row(&table, &peak, run->args.bare_json);
        if (threads == most) break;
    }
    if (st == NL_OK && !run->args.bare_json) nl_table_print(&table, 0, stdout);
    if (st == NL_OK && !run->args.bare_json) st = row(NULL, &peak, true);
    nl_table_clear(&table);
    return st;
}
