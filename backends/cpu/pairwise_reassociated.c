#include "backends/cpu/pairwise.h"
#include "src/core/memory.h"

/* Where f is the identity and C the number of keys, y = q (k^T v) scale / M: products are
 * associative, and k^T v is a small matrix. Both steps are cut into runs of rows. */
enum { ROWS = 64 };

static bool exact(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    if (!nl_cpu_pairwise_can(be, desc, why)) return false;
    if (desc->attr.pairwise.f != NL_F_IDENTITY || desc->attr.pairwise.norm != NL_NORM_COUNT ||
        desc->attr.pairwise.score != NL_SCORE_PRODUCT)
        return nl_decline(why, "only for products without f, divided by their number");
    return true;
}

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const int64_t queries = desc->in[0].dim[2], keys = desc->in[1].dim[2];
    const int64_t depth = desc->in[0].dim[3], width = desc->in[2].dim[3];
    if (!exact(be, desc, why)) return false;
    const int64_t here = (queries + keys) * depth * width,
                  direct = queries * keys * (depth + width);
    if (here >= direct)
        return nl_decline(why, "%lld multiply-adds against %lld", (long long)here,
                          (long long)direct);
    return true;
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    size_t cells;
    (void)be;
    (void)prepared;
    nl_cpu_multiply_alone();
    NL_TRY(nl_size_mul((size_t)desc->in[0].dim[3], (size_t)desc->in[2].dim[3], &cells));
    return nl_size_mul(cells, sizeof(float), &need->workspace);
}

struct step {
    struct nl_cpu_pairwise p;
    int64_t batch;
    float *middle; /* [d, e]: k^T v scale / M */
};

static void inner_tile(const void *job, int64_t tile, void *scratch)
{
    const struct step *s = job;
    const struct nl_cpu_table k = nl_cpu_batch(s->p.k, s->batch),
                              v = nl_cpu_batch(s->p.v, s->batch);
    const int64_t row = tile * ROWS, rows = s->p.depth - row < ROWS ? s->p.depth - row : ROWS;
    (void)scratch;
    nl_cpu_multiply(rows, s->p.width, s->p.keys, s->p.scale / (float)s->p.keys,
                    (struct nl_cpu_matrix){k.data + row, k.ld, true},
                    (struct nl_cpu_matrix){v.data, v.ld, false}, 0, s->middle + row * s->p.width,
                    s->p.width);
}

static void outer_tile(const void *job, int64_t tile, void *scratch)
{
    const struct step *s = job;
    const struct nl_cpu_table q = nl_cpu_batch(s->p.q, s->batch),
                              y = nl_cpu_batch(s->p.y, s->batch);
    const int64_t row = tile * ROWS, rows = s->p.queries - row < ROWS ? s->p.queries - row : ROWS;
    (void)scratch;
    nl_cpu_multiply(
        rows, s->p.width, s->p.depth, 1, (struct nl_cpu_matrix){q.data + row * q.ld, q.ld, false},
        (struct nl_cpu_matrix){s->middle, s->p.width, false}, 0, y.data + row * y.ld, y.ld);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct step step = {.p = nl_cpu_pairwise_of(desc, args), .middle = args->workspace};
    (void)prepared;
    for (step.batch = 0; step.batch < step.p.batches; step.batch++) {
        nl_cpu_for_tiles(be, (step.p.depth + ROWS - 1) / ROWS, inner_tile, &step, NULL, 0);
        nl_cpu_for_tiles(be, (step.p.queries + ROWS - 1) / ROWS, outer_tile, &step, NULL, 0);
    }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_reassociated = {
    .name = "reassociated", .can = can, .prepare = prepare, .run = run};
const struct nl_impl nl_cpu_pairwise_reassociated_forced = {
    .name = "reassociated", .can = exact, .prepare = prepare, .run = run};
