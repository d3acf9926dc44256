/* bench_ops.c - times every distinct op of C2D-ResNet50 with five non-local blocks.
 *
 *     bench_ops [BACKEND [THREADS [CROP [FILTER]]]]
 *
 * One clip of 8 x CROP x CROP (default 224). Each line: how often the network has the op, its
 * shape, the implementation, milliseconds of one (the best of several), GFLOP/s; at the end the
 * sum over the network. Inputs take turns among copies, so that weights come from memory as they
 * do in a network. FILTER keeps lines that contain it.
 */
#include "src/core/memory.h"
#include "src/tensor/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 7, COPIES_MAX = 24, COPIES_BYTES = 48 << 20 };

struct line {
    int times; /* in the network */
    const char *name;
    struct nl_op_desc desc;
};

struct bench {
    struct nl_backend be;
    const char *filter;
    double total, flops;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static nl_status numbers(nl_tensor *t)
{
    size_t bytes;
    float *value;
    if (t->rank == 0) return NL_OK;
    NL_TRY(nl_tensor_bytes(t, &bytes));
    NL_TRY(nl_alloc(bytes, &value));
    for (size_t i = 0; i < bytes / sizeof *value; i++)
        value[i] = (float)((i * 2654435761u >> 8) % 1024) / 1024 - 0.5f;
    t->data = value;
    return NL_OK;
}

/* Everything one run needs, once more for each copy. */
static nl_status ready(struct bench *b, const struct nl_kernel *kernel, struct nl_args *args)
{
    void *packed = NULL;
    for (int i = 0; i < NL_MAX_IN; i++) {
        args->in[i] = kernel->desc.in[i];
        NL_TRY(numbers(&args->in[i]));
    }
    args->out[0] = kernel->desc.out[0];
    NL_TRY(numbers(&args->out[0]));
    NL_TRY(nl_alloc(kernel->need.workspace, &args->workspace));
    NL_TRY(nl_alloc(kernel->need.packed, &packed));
    args->packed = packed;
    return kernel->need.packed ? nl_kernel_pack(&b->be, kernel, args, packed) : NL_OK;
}

static void clear(struct nl_args *args)
{
    for (int i = 0; i < NL_MAX_IN; i++) nl_free(args->in[i].data);
    nl_free(args->out[0].data);
    nl_free(args->workspace);
    nl_free((void *)(uintptr_t)args->packed);
}

static nl_status fastest(struct bench *b, const struct nl_kernel *kernel, double *best)
{
    struct nl_args args[COPIES_MAX];
    size_t bytes = 0, more;
    int copies = 0;
    nl_status st = NL_OK;
    memset(args, 0, sizeof args);
    for (; copies < COPIES_MAX && (copies < 1 || bytes < COPIES_BYTES); copies++) {
        NL_TRY_GOTO(st, ready(b, kernel, &args[copies]), out);
        for (int i = 0; i < 2; i++)
            if (nl_tensor_bytes(&kernel->desc.in[i], &more) == NL_OK) bytes += more;
    }
    *best = 1e9;
    for (int i = -copies; i < copies * ROUNDS; i++) {
        const double start = now();
        NL_TRY_GOTO(st, nl_kernel_run(&b->be, kernel, &args[(i + copies) % copies]), out);
        if (i >= 0 && now() - start < *best) *best = now() - start;
    }
out:
    for (int i = 0; i < COPIES_MAX; i++) clear(&args[i]);
    return st;
}

static nl_status measure(struct bench *b, const struct line *line)
{
    char shape[128], full[512];
    struct nl_kernel kernel;
    double ms;
    NL_TRY(nl_kernel_prepare(&b->be, &line->desc, NULL, &kernel));
    nl_tensor_text(&line->desc.in[line->desc.in[1].rank > 0], shape, sizeof shape);
    snprintf(full, sizeof full, "%2d x %-10s %-18s %s/%s", line->times, line->name, shape,
             kernel.owner->name, kernel.impl->name);
    if (!b->filter || strstr(full, b->filter)) {
        const double flops = 2e-6 * (double)nl_op_multiply_adds(&line->desc);
        NL_TRY(fastest(b, &kernel, &ms));
        printf("%-60s %8.3f ms %7.1f GFLOP/s %8.2f ms in all\n", full, ms, flops / ms,
               ms * line->times);
        b->total += ms * line->times;
        b->flops += flops * line->times;
    }
    nl_kernel_drop(&b->be, &kernel);
    return NL_OK;
}

/* A place in the network: frames and the side of the picture. */
struct place {
    int64_t frames, side;
};

static nl_status conv(struct bench *b, int times, const char *name, struct place at,
                      int64_t channels, int64_t filters, int kernel, int stride, int pad,
                      bool residual)
{
    struct line line = {.times = times, .name = name, .desc = {.op = NL_OP_CONV}};
    struct nl_op_desc *d = &line.desc;
    const int64_t side = (at.side + 2 * (int64_t)pad - kernel) / stride + 1;
    d->attr.conv.stride[0] = 1;
    d->attr.conv.stride[1] = d->attr.conv.stride[2] = stride;
    d->attr.conv.pad[1] = d->attr.conv.pad[2] = pad;
    d->attr.conv.relu = true;
    d->in[0] = nl_tensor_dense(NL_F32, 5, (int64_t[]){1, at.frames, at.side, at.side, channels});
    d->in[1] = nl_tensor_dense(NL_F32, 5, (int64_t[]){filters, 1, kernel, kernel, channels});
    d->in[2] = nl_tensor_dense(NL_F32, 1, &filters);
    d->out[0] = nl_tensor_dense(NL_F32, 5, (int64_t[]){1, at.frames, side, side, filters});
    if (residual) d->in[3] = d->out[0];
    return measure(b, &line);
}

static nl_status pool(struct bench *b, nl_op op, const char *name, struct place at,
                      int64_t channels, int t, int hw, int stride)
{
    struct line line = {.times = 1, .name = name, .desc = {.op = op}};
    struct nl_op_desc *d = &line.desc;
    const int64_t side = (at.side - hw) / stride + 1;
    d->attr.pool.kernel[0] = d->attr.pool.stride[0] = t;
    d->attr.pool.kernel[1] = d->attr.pool.kernel[2] = hw;
    d->attr.pool.stride[1] = d->attr.pool.stride[2] = stride;
    d->in[0] = nl_tensor_dense(NL_F32, 5, (int64_t[]){1, at.frames, at.side, at.side, channels});
    d->out[0] = nl_tensor_dense(NL_F32, 5, (int64_t[]){1, at.frames / t, side, side, channels});
    return measure(b, &line);
}

/* One residual stage: a first block at `at`, then `more` others at half the side. */
static nl_status stage(struct bench *b, struct place at, int64_t in, int64_t inner, int stride,
                       int more)
{
    const struct place half = {at.frames, (at.side - 1) / stride + 1};
    NL_TRY(conv(b, 1, "2a first", at, in, inner, 1, 1, 0, false));
    NL_TRY(conv(b, 1, "2b first", at, inner, inner, 3, stride, 1, false));
    NL_TRY(conv(b, 1, "branch1", at, in, 4 * inner, 1, stride, 0, false));
    NL_TRY(conv(b, 1 + more, "2c", half, inner, 4 * inner, 1, 1, 0, true));
    NL_TRY(conv(b, more, "2a", half, 4 * inner, inner, 1, 1, 0, false));
    return conv(b, more, "2b", half, inner, inner, 3, 1, 1, false);
}

static nl_status pairwise(struct bench *b, int times, const char *name, int64_t queries,
                          int64_t keys, int64_t depth, nl_affinity f)
{
    struct line line = {.times = times, .name = name, .desc = {.op = NL_OP_PAIRWISE}};
    struct nl_op_desc *d = &line.desc;
    const bool sum = f == NL_F_RELU;
    d->attr.pairwise.score = sum ? NL_SCORE_SUM : NL_SCORE_PRODUCT;
    d->attr.pairwise.f = f;
    d->attr.pairwise.norm = f == NL_F_EXP ? NL_NORM_SUM : NL_NORM_COUNT;
    d->attr.pairwise.scale = 0.05;
    d->in[0] = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, queries, sum ? 1 : depth});
    d->in[1] = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, keys, sum ? 1 : depth});
    d->in[2] = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, keys, depth});
    d->out[0] = nl_tensor_dense(NL_F32, 4, (int64_t[]){1, 1, queries, depth});
    return measure(b, &line);
}

static nl_status non_local(struct bench *b, struct place at, int64_t channels, int times)
{
    const struct place pooled = {at.frames, at.side / 2};
    const int64_t queries = at.frames * at.side * at.side,
                  keys = pooled.frames * pooled.side * pooled.side;
    NL_TRY(pool(b, NL_OP_MAX_POOL, "pool", at, channels, 1, 2, 2));
    NL_TRY(conv(b, times, "theta", at, channels, channels / 2, 1, 1, 0, false));
    NL_TRY(conv(b, 2 * times, "phi, g", pooled, channels, channels / 2, 1, 1, 0, false));
    NL_TRY(pairwise(b, times, "softmax", queries, keys, channels / 2, NL_F_EXP));
    NL_TRY(pairwise(b, 0, "dot", queries, keys, channels / 2, NL_F_IDENTITY));
    NL_TRY(pairwise(b, 0, "concat", queries, keys, channels / 2, NL_F_RELU));
    return conv(b, times, "out", at, channels / 2, channels, 1, 1, 0, true);
}

static nl_status network(struct bench *b, int64_t crop)
{
    const struct place input = {8, crop}, conv1 = {8, (crop - 1) / 2 + 1},
                       res2 = {8, (conv1.side - 3) / 2 + 1};
    const struct place res3 = {4, res2.side}, nl3 = {4, (res3.side - 1) / 2 + 1},
                       nl4 = {4, (nl3.side - 1) / 2 + 1};
    const struct place res5 = {4, (nl4.side - 1) / 2 + 1};
    NL_TRY(conv(b, 1, "conv1", input, 3, 64, 7, 2, 3, false));
    NL_TRY(pool(b, NL_OP_MAX_POOL, "pool1", conv1, 64, 1, 3, 2));
    NL_TRY(stage(b, res2, 64, 64, 1, 2));
    NL_TRY(pool(b, NL_OP_MAX_POOL, "pool2", res2, 256, 2, 1, 1));
    NL_TRY(stage(b, res3, 256, 128, 2, 3));
    NL_TRY(non_local(b, nl3, 512, 2));
    NL_TRY(stage(b, nl3, 512, 256, 2, 5));
    NL_TRY(non_local(b, nl4, 1024, 3));
    NL_TRY(stage(b, nl4, 1024, 512, 2, 2));
    NL_TRY(pool(b, NL_OP_AVG_POOL, "pool5", res5, 2048, 4, 7, 1));
    return conv(b, 1, "pred", (struct place){1, 1}, 2048, 400, 1, 1, 0, false);
}

int main(int argc, char **argv)
{
    struct bench b = {.filter = argc > 4 ? argv[4] : NULL};
    const int threads = argc > 2 ? atoi(argv[2]) : 0;
    nl_status st = nl_backend_open(argc > 1 ? argv[1] : "auto", threads, &b.be);
    if (st == NL_OK) {
        st = network(&b, argc > 3 ? atoi(argv[3]) : 224);
        nl_backend_close(&b.be);
    }
    if (st != NL_OK) {
        fprintf(stderr, "%s\n", nl_error());
        return 1;
    }
    printf("%d threads: %.2f ms, %.1f GFLOP/s\n", threads, b.total, b.flops / b.total);
    return 0;
}
