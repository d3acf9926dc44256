/* resnet.c - C2D and I3D ResNets with non-local blocks (original_program.md 2; Wang et al. 2018,
 * Table 1). For clips of 8 x 224 x 224 and width 64, channels last:
 *   conv1  kt x7x7 /2          8 x 112 x 112 x   64     pool1  1x3x3 /2, no padding   8 x 55 x 55
 *   res2                       8 x  55 x  55 x  256     pool2  2x1x1 /2               4 x 55 x 55
 *   res3, res4, res5 (/2 each) 4 x  28, 14, 7   x  512, 1024, 2048
 * In BF16 the clip is cast after it came in and the features before the classifier.
 *   pool5  mean of T/2 x window x window, classifier 1x1x1, softmax, mean over positions.
 */
#include "blocks/block.h"
#include "models/arc.h"
#include "models/model.h"
#include "src/graph/layers.h"

#include <math.h>
#include <stdio.h>

enum { NAME = 64 };

/* What every step of the construction needs. */
struct builder {
    struct nl_graph *g;
    const struct nl_config *config;
    const struct nl_arc *arc;
    struct nl_block_place places[NL_BLOCKS_MAX];
    int n_places;
    nl_value x; /* where the network has got to */
};

/* Uniform in +-sqrt(6 / fan_in), as the original's MSRA initialiser. */
static struct nl_init msra(int64_t channels, const int *kernel)
{
    const double fan_in = (double)channels * kernel[0] * kernel[1] * kernel[2];
    return (struct nl_init){NL_INIT_UNIFORM, sqrt(6 / fan_in)};
}

/* BN of the convolution NAME, or the per-channel affine that stands in its place. */
static nl_status normalise(struct builder *b, const char *bn, double gamma, nl_value x, nl_value *y)
{
    char scale[NAME + 8], offset[NAME + 8];
    const struct nl_bn_layer layer = {bn, b->config->model.bn_epsilon, b->config->model.bn_momentum,
                                      gamma};
    if (!b->config->model.use_affine) return nl_layer_bn(b->g, &layer, x, y);
    snprintf(scale, sizeof scale, "%s_scale", bn);
    snprintf(offset, sizeof offset, "%s_offset", bn);
    return nl_layer_affine(b->g, bn, scale, offset, x, y);
}

struct step {
    const char *name, *bn;
    int64_t filters;
    int kernel[3], stride, pad[3];
    double gamma;
    bool relu;
};

/* Convolution without bias, BN, and ReLU where asked. */
static nl_status conv_bn(struct builder *b, const struct step *step, nl_value x, nl_value *y)
{
    char weights[NAME + 8], relu[NAME + 8];
    const int64_t channels = nl_graph_tensor(b->g, x)->dim[4];
    snprintf(weights, sizeof weights, "%s_weights", step->name);
    snprintf(relu, sizeof relu, "%s_relu", step->name);
    const struct nl_conv_layer layer = {
        .name = step->name,
        .weights = weights,
        .filters = step->filters,
        .kernel = {step->kernel[0], step->kernel[1], step->kernel[2]},
        .stride = {1, step->stride, step->stride},
        .pad = {step->pad[0], step->pad[1], step->pad[2]},
        .role = NL_ROLE_FILTER,
        .init = msra(channels, step->kernel),
    };
    NL_TRY(nl_layer_conv(b->g, &layer, x, y));
    NL_TRY(normalise(b, step->bn, step->gamma, *y, y));
    return step->relu ? nl_layer_relu(b->g, relu, *y, y) : NL_OK;
}

/* One branch convolution of a residual block: "res4b3" and "2a" give res4b3_branch2a,
 * bn4b3_branch2a. */
static nl_status branch(struct builder *b, const char *block, const char *which, struct step step,
                        nl_value x, nl_value *y)
{
    char name[NAME], bn[NAME];
    snprintf(name, sizeof name, "%.32s_branch%.8s", block, which);
    snprintf(bn, sizeof bn, "bn%.32s_branch%.8s", block + 3, which);
    step.name = name;
    step.bn = bn;
    return conv_bn(b, &step, x, y);
}

/* 1x1x1 or 3x1x1, 1x3x3 (carries the stride), 1x1x1; plus the shortcut; ReLU. */
static nl_status residual(struct builder *b, int stage, int index, int64_t inner, int64_t filters)
{
    const int stride = index == 0 && stage > 2 ? 2 : 1;
    const int u = nl_arc_is_temporal(b->arc, stage, index) ? 1 : 0;
    const struct step first = {.filters = inner,
                               .kernel = {1 + 2 * u, 1, 1},
                               .stride = 1,
                               .pad = {u, 0, 0},
                               .gamma = 1,
                               .relu = true};
    const struct step second = {.filters = inner,
                                .kernel = {1, 3, 3},
                                .stride = stride,
                                .pad = {0, 1, 1},
                                .gamma = 1,
                                .relu = true};
    const struct step third = {.filters = filters,
                               .kernel = {1, 1, 1},
                               .stride = 1,
                               .gamma = b->config->model.bn_init_gamma};
    const struct step match = {
        .filters = filters, .kernel = {1, 1, 1}, .stride = stride, .gamma = 1};
    char letter[16], block[32], sum[40];
    nl_value y, shortcut = b->x;

    snprintf(block, sizeof block, "res%d%s", stage,
             nl_arc_block_letter(b->arc, stage, index, letter));
    snprintf(sum, sizeof sum, "%s_sum", block);
    NL_TRY(branch(b, block, "2a", first, b->x, &y));
    NL_TRY(branch(b, block, "2b", second, y, &y));
    NL_TRY(branch(b, block, "2c", third, y, &y));
    if (stride != 1 || nl_graph_tensor(b->g, b->x)->dim[4] != filters)
        NL_TRY(branch(b, block, "1", match, b->x, &shortcut));
    NL_TRY(nl_layer_add(b->g, sum, y, shortcut, &y));
    return nl_layer_relu(b->g, block, y, &b->x);
}

/* The original's affine networks name res3's blocks after their frame groups. */
static nl_status nonlocal_after(struct builder *b, int stage, int index)
{
    const char *group = b->config->model.use_affine && stage == 3 ? "group_" : "";
    char name[NAME];
    for (int i = 0; i < b->n_places; i++) {
        const struct nl_block_place *place = &b->places[i];
        if (place->stage != stage || place->index != index) continue;
        snprintf(name, sizeof name, "nonlocal_conv%d_%s%d", stage, group, index);
        const struct nl_block_site site = {name, stage, index, &place->options};
        NL_TRY(nl_block_append(b->g, &site, b->x, &b->x));
    }
    return NL_OK;
}

static nl_status stage(struct builder *b, int number)
{
    const int64_t width = b->config->model.width;
    const int64_t inner = (width * b->config->resnets.width_per_group / 64) << (number - 2);
    const int64_t filters = 4 * width << (number - 2);
    for (int i = 0; i < b->arc->blocks[number - 2]; i++) {
        NL_TRY(residual(b, number, i, inner, filters));
        NL_TRY(nonlocal_after(b, number, i));
    }
    return NL_OK;
}

static nl_status stem(struct builder *b)
{
    const int kt = b->arc->conv1_frames;
    const struct step conv1 = {.name = "conv1",
                               .bn = "bn_conv1",
                               .filters = b->config->model.width,
                               .kernel = {kt, 7, 7},
                               .stride = 2,
                               .pad = {kt / 2, 3, 3},
                               .gamma = 1,
                               .relu = true};
    NL_TRY(conv_bn(b, &conv1, b->x, &b->x));
    return nl_layer_pool(b->g, NL_OP_MAX_POOL, "pool1", (const int[]){1, 3, 3},
                         (const int[]){1, 2, 2}, b->x, &b->x);
}

/* Side of res5 for a crop of that side: conv1, pool1 and three strides of two. */
static int64_t res5_side(int64_t crop)
{
    int64_t side = (crop + 6 - 7) / 2 + 1;
    side = (side - 3) / 2 + 1;
    for (int i = 0; i < 3; i++) side = (side - 1) / 2 + 1;
    return side;
}

/* Inverted dropout: features times a mask of 0 and 1 / (1 - rate) that the trainer draws. */
static nl_status dropout(struct builder *b, nl_value x, nl_value *y, struct nl_model_ends *ends)
{
    const nl_tensor t = *nl_graph_tensor(b->g, x);
    ends->mask = NL_NONE;
    if (b->config->train.dropout_rate == 0) return NL_OK;
    NL_TRY(nl_graph_input(b->g, t.rank, t.dim, &ends->mask));
    const nl_value in[2] = {x, ends->mask};
    return nl_graph_append(b->g, NL_OP_MUL, "dropout", NULL, in, 2, y);
}

/* Training averages logits over positions (there is one at the training crop). */
static nl_status loss(struct builder *b, nl_value y, struct nl_model_ends *ends)
{
    NL_TRY(nl_graph_append(b->g, NL_OP_MEAN, "logits", NULL, &y, 1, &ends->logits));
    const int64_t batch = nl_graph_tensor(b->g, ends->logits)->dim[0];
    NL_TRY(nl_graph_input_of(b->g, NL_I64, 1, &batch, &ends->label));
    const nl_value in[2] = {ends->logits, ends->label};
    return nl_graph_append(b->g, NL_OP_CROSS_ENTROPY, "loss", NULL, in, 2, &ends->loss);
}

/* The averaging window is res5's size at the training crop, so larger clips are fully
 * convolutional. */
static nl_status head(struct builder *b, struct nl_model_ends *ends)
{
    const nl_tensor *res5 = nl_graph_tensor(b->g, b->x);
    const int window = (int)res5_side(b->config->train.sampling.crop_size);
    const int kernel[3] = {(int)res5->dim[1], window, window};
    const struct nl_conv_layer pred = {
        .name = "pred",
        .weights = "pred_w",
        .bias = "pred_b",
        .filters = b->config->model.num_classes,
        .kernel = {1, 1, 1},
        .stride = {1, 1, 1},
        .role = NL_ROLE_FC,
        .init = {NL_INIT_NORMAL, b->config->model.fc_init_std},
    };
    nl_value y;
    NL_REQUIRE(res5->dim[2] >= window && res5->dim[3] >= window, NL_EUSAGE,
               "the clip is too small for the head: res5 is %lldx%lld, its window %dx%d (from "
               "TRAIN.crop_size %d: lower that too)",
               (long long)res5->dim[2], (long long)res5->dim[3], window, window,
               b->config->train.sampling.crop_size);
    NL_TRY(nl_layer_pool(b->g, NL_OP_AVG_POOL, "pool5", kernel, (const int[]){1, 1, 1}, b->x, &y));
    NL_TRY(nl_layer_cast(b->g, "features", b->g->type, y, &y));
    if (b->g->training.on) NL_TRY(dropout(b, y, &y, ends));
    NL_TRY(nl_layer_conv(b->g, &pred, y, &y));
    if (b->g->training.on) return loss(b, y, ends);
    NL_TRY(nl_graph_append(b->g, NL_OP_SOFTMAX, "softmax", NULL, &y, 1, &y));
    return nl_graph_append(b->g, NL_OP_MEAN, "probability", NULL, &y, 1, &ends->probability);
}

static nl_status check(const struct nl_config *config, const struct nl_geometry *geometry)
{
    const int crop = config->train.sampling.crop_size;
    NL_REQUIRE(nl_arc_find(config->model.video_arc_choice), NL_EUSAGE,
               "MODEL.video_arc_choice: 1 C2D-R50, 2 I3D-R50, 3 C2D-R101 or 4 I3D-R101, not %d",
               config->model.video_arc_choice);
    NL_REQUIRE(config->resnets.num_groups == 1, NL_EUSAGE,
               "RESNETS.num_groups: grouped convolutions are not built here, want 1, got %d",
               config->resnets.num_groups);
    NL_REQUIRE(config->model.width * config->resnets.width_per_group >= 64, NL_EUSAGE,
               "MODEL.width %d and RESNETS.width_per_group %d leave res2 without channels",
               config->model.width, config->resnets.width_per_group);
    NL_REQUIRE(geometry->frames >= 2, NL_EUSAGE, "a clip has at least 2 frames, got %lld",
               (long long)geometry->frames);
    NL_REQUIRE(crop >= 5 && geometry->height >= 5 && geometry->width >= 5, NL_EUSAGE,
               "a crop of %lldx%lld (training: %d) is too small for conv1 and pool1",
               (long long)geometry->height, (long long)geometry->width, crop);
    return NL_OK;
}

static nl_status build(struct nl_graph *g, const struct nl_config *config,
                       const struct nl_geometry *geometry, struct nl_model_ends *ends)
{
    const int64_t clip[5] = {geometry->batch, geometry->frames, geometry->height, geometry->width,
                             3};
    struct builder b = {.g = g, .config = config};
    NL_TRY(check(config, geometry));
    b.arc = nl_arc_find(config->model.video_arc_choice);
    NL_TRY(nl_arc_places(b.arc, config, b.places, &b.n_places));

    NL_TRY(nl_graph_input(g, 5, clip, &ends->clip));
    NL_TRY(nl_layer_cast(g, "clip", g->storage, ends->clip, &b.x));
    NL_TRY(stem(&b));
    NL_TRY(stage(&b, 2));
    NL_TRY(nl_layer_pool(g, NL_OP_MAX_POOL, "pool2", (const int[]){2, 1, 1}, (const int[]){2, 1, 1},
                         b.x, &b.x));
    for (int number = 3; number <= 5; number++) NL_TRY(stage(&b, number));
    return head(&b, ends);
}

const struct nl_model_kind nl_model_resnet = {
    .name = "NONLOCAL",
    .summary = "C2D- and I3D-ResNet50/101 with non-local blocks (video_arc_choice 1 to 4)",
    .build = build,
};
