#include "backends/cpu/pairwise.h"
#include "src/core/memory.h"

/* The gradient where y = q A, A = k^T v scale / M, as pairwise_reassociated.c computes it:
 *     dq = dy A^T,  dA = q^T dy,  dv = (scale / M) k dA,  dk = (scale / M) v dA^T,
 * five products with a small matrix. Each is cut into runs of rows. */
enum { ROWS = 64, MIDDLE = 32 };

static bool can(const struct nl_backend *be, const struct nl_op_desc *desc, nl_reason *why)
{
    const int64_t queries = desc->in[0].dim[2], keys = desc->in[1].dim[2];
    const int64_t depth = desc->in[0].dim[3], width = desc->in[2].dim[3];
    if (!nl_cpu_pairwise_dx_can(be, desc, why)) return false;
    if (desc->attr.pairwise.f != NL_F_IDENTITY || desc->attr.pairwise.norm != NL_NORM_COUNT ||
        desc->attr.pairwise.score != NL_SCORE_PRODUCT)
        return nl_decline(why, "only for products without f, divided by their number");
    const int64_t here = (2 * queries + 3 * keys) * depth * width,
                  direct = queries * keys * (3 * depth + 2 * width);
    if (here >= direct)
        return nl_decline(why, "%lld multiply-adds against %lld", (long long)here,
                          (long long)direct);
    return true;
}

struct step {
    struct nl_cpu_pairwise p;
    const nl_tensor *dy, *dq, *dk, *dv;
    int64_t batch;
    float *middle, *dmiddle; /* [d, e]: A without its factor, and dA with it */
    float factor;
};

static size_t middle_bytes(const struct nl_cpu_pairwise *p)
{
    return nl_align_up((size_t)p->depth * (size_t)p->width * sizeof(float));
}

static nl_status prepare(struct nl_backend *be, const struct nl_op_desc *desc, void **prepared,
                         struct nl_need *need)
{
    const struct nl_cpu_pairwise p = {.depth = desc->in[0].dim[3], .width = desc->in[2].dim[3]};
    size_t cells;
    (void)be;
    (void)prepared;
    nl_cpu_multiply_alone();
    NL_TRY(nl_size_mul((size_t)p.depth, (size_t)p.width, &cells));
    NL_TRY(nl_size_mul(cells, 2 * sizeof(double), &cells)); /* more than the sum below */
    need->workspace = 2 * middle_bytes(&p);
    return NL_OK;
}

static struct nl_cpu_matrix plain(struct nl_cpu_table t, int64_t row)
{
    return (struct nl_cpu_matrix){t.data + row * t.ld, t.ld, false};
}

static struct nl_cpu_matrix turned(struct nl_cpu_table t, int64_t column)
{
    return (struct nl_cpu_matrix){t.data + column, t.ld, true};
}

/* Some rows of A = k^T v or of dA = q^T dy. */
static void middle_tile(const void *job, int64_t tile, void *scratch)
{
    const struct step *s = job;
    const struct nl_cpu_pairwise *p = &s->p;
    const int64_t tiles = nl_cpu_parts(p->depth, MIDDLE), row = tile % tiles * MIDDLE;
    const int64_t rows = nl_cpu_least(MIDDLE, p->depth - row);
    (void)scratch;
    if (tile < tiles)
        nl_cpu_multiply(rows, p->width, p->keys, 1, turned(nl_cpu_batch(p->k, s->batch), row),
                        plain(nl_cpu_batch(p->v, s->batch), 0), 0, s->middle + row * p->width,
                        p->width);
    else
        nl_cpu_multiply(
            rows, p->width, p->queries, s->factor, turned(nl_cpu_batch(p->q, s->batch), row),
            plain(nl_cpu_batch(s->dy, s->batch), 0), 0, s->dmiddle + row * p->width, p->width);
}

static void key_rows(const struct step *s, int64_t row)
{
    const struct nl_cpu_pairwise *p = &s->p;
    const struct nl_cpu_table dk = nl_cpu_batch(s->dk, s->batch),
                              dv = nl_cpu_batch(s->dv, s->batch);
    const struct nl_cpu_table middle = {s->dmiddle, p->width};
    const int64_t rows = nl_cpu_least(ROWS, p->keys - row);
    nl_cpu_multiply(rows, p->width, p->depth, 1, plain(nl_cpu_batch(p->k, s->batch), row),
                    plain(middle, 0), 0, dv.data + row * dv.ld, dv.ld);
    nl_cpu_multiply(rows, p->depth, p->width, 1, plain(nl_cpu_batch(p->v, s->batch), row),
                    turned(middle, 0), 0, dk.data + row * dk.ld, dk.ld);
}

static void query_rows(const struct step *s, int64_t row)
{
    const struct nl_cpu_pairwise *p = &s->p;
    const struct nl_cpu_table dq = nl_cpu_batch(s->dq, s->batch);
    nl_cpu_multiply(nl_cpu_least(ROWS, p->queries - row), p->depth, p->width, s->factor,
                    plain(nl_cpu_batch(s->dy, s->batch), row),
                    turned((struct nl_cpu_table){s->middle, p->width}, 0), 0, dq.data + row * dq.ld,
                    dq.ld);
}

static void row_tile(const void *job, int64_t tile, void *scratch)
{
    const struct step *s = job;
    const int64_t tiles = nl_cpu_parts(s->p.keys, ROWS);
    (void)scratch;
    if (tile < tiles)
        key_rows(s, tile * ROWS);
    else
        query_rows(s, (tile - tiles) * ROWS);
}

static nl_status run(struct nl_backend *be, const void *prepared, const struct nl_op_desc *desc,
                     const struct nl_args *args)
{
    struct step s = {.p = nl_cpu_pairwise_dx_of(desc, args),
                     .dy = &args->in[4],
                     .dq = &args->out[0],
                     .dk = &args->out[1],
                     .dv = &args->out[2],
                     .middle = args->workspace};
    (void)prepared;
    s.dmiddle = (void *)((char *)args->workspace + middle_bytes(&s.p));
    s.factor = s.p.scale / (float)s.p.keys;
    for (s.batch = 0; s.batch < s.p.batches; s.batch++) {
        nl_cpu_for_tiles(be, 2 * nl_cpu_parts(s.p.depth, MIDDLE), middle_tile, &s, NULL, 0);
        nl_cpu_for_tiles(be, nl_cpu_parts(s.p.keys, ROWS) + nl_cpu_parts(s.p.queries, ROWS),
                         row_tile, &s, NULL, 0);
    }
    return NL_OK;
}

const struct nl_impl nl_cpu_pairwise_dx_reassociated = {
    .name = "reassociated", .can = can, .prepare = prepare, .run = run};
