#include "backends/cpu/pairwise_dx.h"

#include <assert.h>

/* The five products of a tile, by kernels of our own or by CBLAS. Panels of a batch: keys turned
 * and values turned, which meet queries and dy; and keys as they lie, tile of keys by tile. */

static int64_t turned_keys(const struct nl_cpu_dx *dx)
{
    return nl_cpu_panel_elements(dx->kernel, dx->p.depth, dx->p.keys);
}

static int64_t turned_values(const struct nl_cpu_dx *dx)
{
    return nl_cpu_panel_elements(dx->kernel, dx->p.width, dx->p.keys);
}

static int64_t laid_keys(const struct nl_cpu_dx *dx, int64_t keys)
{
    return nl_cpu_panel_elements(dx->kernel, keys, dx->p.depth);
}

static int64_t batch_floats(const struct nl_cpu_dx *dx)
{
    return turned_keys(dx) + turned_values(dx) + laid_keys(dx, dx->p.keys);
}

size_t nl_cpu_dx_panel_floats(const struct nl_cpu_dx *dx)
{
    return dx->kernel ? (size_t)(dx->p.batches * batch_floats(dx)) : 0;
}

size_t nl_cpu_dx_query_floats(const struct nl_cpu_dx *dx)
{
    if (!dx->kernel) return 0;
    return (size_t)(nl_cpu_panel_elements(dx->kernel, dx->rows, dx->p.depth) +
                    nl_cpu_panel_elements(dx->kernel, dx->rows, dx->p.width));
}

static void lay_tile(const void *job, int64_t number, void *scratch)
{
    const struct nl_cpu_dx *dx = job;
    const int64_t tiles = nl_cpu_parts(dx->p.keys, dx->columns);
    assert(tiles > 0); /* or no tile would be asked for */
    const int64_t batch = number / tiles;
    const int64_t key = number % tiles * dx->columns;
    const int64_t keys = nl_cpu_least(dx->columns, dx->p.keys - key);
    const struct nl_cpu_table k = nl_cpu_batch(dx->p.k, batch), v = nl_cpu_batch(dx->p.v, batch);
    float *to = dx->panels + batch * batch_floats(dx);
    (void)scratch;
    nl_cpu_turn_panels(dx->kernel, k.data + key * k.ld, k.ld, keys, dx->p.depth, dx->p.scale,
                       to + key * nl_cpu_kernel_depth(dx->kernel, dx->p.depth));
    to += turned_keys(dx);
    nl_cpu_turn_panels(dx->kernel, v.data + key * v.ld, v.ld, keys, dx->p.width, 1,
                       to + key * nl_cpu_kernel_depth(dx->kernel, dx->p.width));
    to += turned_values(dx);
    nl_cpu_lay_panels(dx->kernel, k.data + key * k.ld, k.ld, keys, dx->p.depth,
                      to + laid_keys(dx, key));
}

void nl_cpu_dx_lay_keys(const struct nl_backend *be, const struct nl_cpu_dx *dx)
{
    if (dx->kernel)
        nl_cpu_for_tiles(be, dx->p.batches * nl_cpu_parts(dx->p.keys, dx->columns), lay_tile, dx,
                         NULL, 0);
}

void nl_cpu_dx_lay_queries(const struct nl_cpu_dx_tile *t)
{
    const struct nl_cpu_dx *dx = t->dx;
    if (!dx->kernel) return;
    nl_cpu_lay_panels(dx->kernel, t->q.data, t->q.ld, t->rows, dx->p.depth, t->q_panels);
    nl_cpu_lay_panels(dx->kernel, t->dy.data, t->dy.ld, t->rows, dx->p.width, t->dy_panels);
}

/* Products of rows of the tile's queries with rows of its keys. */
static void meet_keys(const struct nl_cpu_dx_tile *t, struct nl_cpu_table a, int64_t depth,
                      const float *panels, float *y)
{
    const struct nl_cpu_block block = {.rows = t->rows,
                                       .columns = t->columns,
                                       .depth = depth,
                                       .a = a.data,
                                       .lda = a.ld,
                                       .ldy = t->columns};
    nl_cpu_multiply_panels(t->dx->kernel, block,
                           panels + t->key * nl_cpu_kernel_depth(t->dx->kernel, depth), y, false);
}

/* Sums over the tile's queries, added to the rows of its keys. */
static void add_to_keys(const struct nl_cpu_dx_tile *t, const float *scores, int64_t depth,
                        const float *panels, struct nl_cpu_table y)
{
    const struct nl_cpu_block block = {.rows = t->columns,
                                       .columns = depth,
                                       .depth = t->rows,
                                       .a = scores,
                                       .lda = t->columns,
                                       .turned = true,
                                       .ldy = y.ld};
    nl_cpu_multiply_panels(t->dx->kernel, block, panels, y.data + t->key * y.ld, true);
}

static const float *panels_of(const struct nl_cpu_dx_tile *t)
{
    return t->dx->panels + t->batch * batch_floats(t->dx);
}

static struct nl_cpu_matrix plain(struct nl_cpu_table t)
{
    return (struct nl_cpu_matrix){t.data, t.ld, false};
}

static struct nl_cpu_matrix turned(struct nl_cpu_table t)
{
    return (struct nl_cpu_matrix){t.data, t.ld, true};
}

static struct nl_cpu_table tile_of(const struct nl_cpu_dx_tile *t, float *scores)
{
    return (struct nl_cpu_table){scores, t->columns};
}

void nl_cpu_dx_scores(const struct nl_cpu_dx_tile *t)
{
    const struct nl_cpu_pairwise *p = &t->dx->p;
    if (t->dx->kernel)
        meet_keys(t, t->q, p->depth, panels_of(t), t->weights);
    else
        nl_cpu_multiply(t->rows, t->columns, p->depth, p->scale, plain(t->q), turned(t->k), 0,
                        t->weights, t->columns);
}

void nl_cpu_dx_slopes(const struct nl_cpu_dx_tile *t)
{
    const int64_t width = t->dx->p.width;
    if (t->dx->kernel)
        meet_keys(t, t->dy, width, panels_of(t) + turned_keys(t->dx), t->slopes);
    else
        nl_cpu_multiply(t->rows, t->columns, width, 1, plain(t->dy), turned(t->v), 0, t->slopes,
                        t->columns);
}

void nl_cpu_dx_add_values(const struct nl_cpu_dx_tile *t)
{
    const int64_t width = t->dx->p.width;
    if (t->dx->kernel)
        add_to_keys(t, t->weights, width, t->dy_panels, t->dv);
    else
        nl_cpu_multiply(t->columns, width, t->rows, 1, turned(tile_of(t, t->weights)), plain(t->dy),
                        1, t->dv.data + t->key * t->dv.ld, t->dv.ld);
}

static void add_queries(const struct nl_cpu_dx_tile *t)
{
    const struct nl_cpu_dx *dx = t->dx;
    const struct nl_cpu_block block = {.rows = t->rows,
                                       .columns = dx->p.depth,
                                       .depth = t->columns,
                                       .a = t->slopes,
                                       .lda = t->columns,
                                       .ldy = t->dq.ld};
    nl_cpu_multiply_panels(dx->kernel, block,
                           panels_of(t) + turned_keys(dx) + turned_values(dx) +
                               laid_keys(dx, t->key),
                           t->dq.data, t->key > 0);
}

void nl_cpu_dx_add_products(const struct nl_cpu_dx_tile *t)
{
    const int64_t depth = t->dx->p.depth;
    if (t->dx->kernel) {
        add_queries(t);
        add_to_keys(t, t->slopes, depth, t->q_panels, t->dk);
        return;
    }
    nl_cpu_multiply(t->rows, depth, t->columns, 1, plain(tile_of(t, t->slopes)), plain(t->k),
                    t->key > 0 ? 1 : 0, t->dq.data, t->dq.ld);
    nl_cpu_multiply(t->columns, depth, t->rows, 1, turned(tile_of(t, t->slopes)), plain(t->q), 1,
                    t->dk.data + t->key * t->dk.ld, t->dk.ld);
}
