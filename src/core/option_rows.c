/* The option table: one row a key. Defaults are the original's (original_program.md 1.1). */
#include "src/core/options.h"

#include <math.h>

static const char *const precisions[] = {"f32", "bf16", "f64", NULL};
static const char *const scales[] = {"inner", "none", "in", NULL};
static const char *const pools[] = {"before", "after", "none", NULL};
static const char *const schedules[] = {"step", "cosine", NULL};
static const char *const trainables[] = {"all", "blocks", "head", "res5", NULL};
static const char *const bns[] = {"batch", "frozen", NULL};
static const char *const extents[] = {"spacetime", "space", "time", NULL};

#define AT(field) offsetof(struct nl_config, field)
#define BOOL(section, key, field, preset, flags, help)                                             \
    {                                                                                              \
        section, key, NL_OPT_BOOL, AT(field), 0, preset, 0, 0, NULL, flags, help                   \
    }
#define INT(section, key, field, preset, low, high, flags, help)                                   \
    {                                                                                              \
        section, key, NL_OPT_INT, AT(field), 0, preset, low, high, NULL, flags, help               \
    }
#define INT64(section, key, field, preset, low, high, flags, help)                                 \
    {                                                                                              \
        section, key, NL_OPT_INT64, AT(field), 0, preset, low, high, NULL, flags, help             \
    }
#define REAL(section, key, field, preset, low, high, flags, help)                                  \
    {                                                                                              \
        section, key, NL_OPT_REAL, AT(field), 0, preset, low, high, NULL, flags, help              \
    }
#define NAME(section, key, field, preset, flags, help)                                             \
    {                                                                                              \
        section, key, NL_OPT_NAME, AT(field), 0, preset, 0, 0, NULL, flags, help                   \
    }
#define PATH(section, key, field, preset, flags, help)                                             \
    {                                                                                              \
        section, key, NL_OPT_PATH, AT(field), 0, preset, 0, 0, NULL, flags, help                   \
    }
#define CHOICE(section, key, field, preset, choices, flags, help)                                  \
    {                                                                                              \
        section, key, NL_OPT_CHOICE, AT(field), 0, preset, 0, 0, choices, flags, help              \
    }
#define INTS(section, key, field, count, preset, low, high, flags, help)                           \
    {                                                                                              \
        section, key, NL_OPT_INTS, AT(field), count, preset, low, high, NULL, flags, help          \
    }

/* What TRAIN, VALID, TEST and INFER share. */
#define SAMPLING(section, part, threads, batch, list, crop, jitter)                                \
    INT(section, "num_reader_threads", part.sampling.num_reader_threads, threads, 1, 1024,         \
        NL_OPT_LOCAL, "threads that decode videos"),                                               \
        INT(section, "batch_size", part.sampling.batch_size, batch, 1, 65536, 0,                   \
            "clips a step, over all devices"),                                                     \
        PATH(section, "filelist", part.sampling.filelist, list, NL_OPT_LOCAL, "list of videos"),   \
        INT(section, "crop_size", part.sampling.crop_size, crop, 16, 4096, 0,                      \
            "pixels, height and width of a clip"),                                                 \
        INT(section, "sample_rate", part.sampling.sample_rate, "8", 1, 4096, 0,                    \
            "frames from one of a clip to the next"),                                              \
        INT(section, "video_length", part.sampling.video_length, "8", 2, 4096, 0,                  \
            "frames of a clip"),                                                                   \
        INTS(section, "jitter_scales", part.sampling.jitter_scales, 2, jitter, 16, 4096, 0,        \
             "pixels, range of the short side before the crop")

const struct nl_option nl_options[] = {
    NAME("MODEL", "name", model.name, "NONLOCAL", 0, "model kind"),
    INT("MODEL", "num_classes", model.num_classes, "400", 1, 1000000, 0, "classes"),
    REAL("MODEL", "image_mean", model.image_mean, "114.75", 0, 255, 0,
         "subtracted from every pixel value of 0..255"),
    REAL("MODEL", "image_std", model.image_std, "57.375", 1e-6, 1e6, 0, "divides what is left"),
    INT("MODEL", "depth", model.depth, "50", 1, 1000, 0,
        "50 or 101; the arc decides, one that differs gets a warning"),
    NAME("MODEL", "dataset", model.dataset, "kinetics400", 0, "name of the data set, printed"),
    INT("MODEL", "video_arc_choice", model.video_arc_choice, "1", 1, 4, 0,
        "1 C2D-ResNet50, 2 I3D-ResNet50, 3 C2D-ResNet101, 4 I3D-ResNet101"),
    BOOL("MODEL", "use_affine", model.use_affine, "False", 0,
         "a trained scale and offset per channel in place of every BN; res3 in groups of 4 frames"),
    REAL("MODEL", "fc_init_std", model.fc_init_std, "0.01", 0, 1e3, 0,
         "deviation of the classifier's first values"),
    REAL("MODEL", "bn_momentum", model.bn_momentum, "0.9", 0, 1, 0,
         "share of the old running statistics in the new ones"),
    REAL("MODEL", "bn_epsilon", model.bn_epsilon, "1.0e-5", 1e-12, 1, 0, "added to variances"),
    REAL("MODEL", "bn_init_gamma", model.bn_init_gamma, "0.0", -1e3, 1e3, 0,
         "first scale of the last BN of each residual block"),
    NAME("MODEL", "backend", model.backend, "auto", NL_OPT_OURS | NL_OPT_LOCAL,
         "auto, or a backend that `nonlocal info` lists"),
    CHOICE("MODEL", "precision", model.precision, "f32", precisions, NL_OPT_OURS | NL_OPT_LOCAL,
           "of activations and products; f64 runs on ref"),
    INT("MODEL", "width", model.width, "64", 1, 1024, NL_OPT_OURS, "channels of conv1"),

    INT("RESNETS", "num_groups", resnets.num_groups, "1", 1, 1024, 0,
        "groups of the 3x3 convolutions; only 1 is built"),
    INT("RESNETS", "width_per_group", resnets.width_per_group, "64", 1, 1024, 0,
        "channels inside res2's blocks, at width 64"),
    NAME("RESNETS", "trans_func", resnets.trans_func, "bottleneck_transformation_3d", NL_OPT_UNUSED,
         "residual block; there is one"),

    REAL("NONLOCAL", "bn_momentum", nonlocal.options.bn_momentum, "0.9", 0, 1, 0,
         "as MODEL.bn_momentum, of the blocks' BN"),
    REAL("NONLOCAL", "bn_epsilon", nonlocal.options.bn_epsilon, "1.0e-5", 1e-12, 1, 0,
         "as MODEL.bn_epsilon, of the blocks' BN"),
    REAL("NONLOCAL", "bn_init_gamma", nonlocal.options.bn_init_gamma, "0.0", -1e3, 1e3, 0,
         "first scale of the blocks' BN; 0: a block starts as the identity"),
    INT("NONLOCAL", "layer_mod", nonlocal.layer_mod, "2", 1, 1000, 0,
        "a block after every so many residual blocks (at depth 101: 2 in res3, 4 times as many "
        "less 1 in res4)"),
    BOOL("NONLOCAL", "conv3_nonlocal", nonlocal.conv3_nonlocal, "True", 0, "blocks in res3"),
    BOOL("NONLOCAL", "conv4_nonlocal", nonlocal.conv4_nonlocal, "True", 0, "blocks in res4"),
    REAL("NONLOCAL", "conv_init_std", nonlocal.options.conv_init_std, "0.01", 0, 1e3, 0,
         "deviation of the first filters of theta, phi, g and out"),
    BOOL("NONLOCAL", "no_bias", nonlocal.options.no_bias, "0", 0,
         "theta, phi, g and out without bias"),
    BOOL("NONLOCAL", "use_maxpool", nonlocal.use_maxpool, "True", 0,
         "False means pool: none, unless pool is given"),
    BOOL("NONLOCAL", "use_softmax", nonlocal.use_softmax, "True", 0,
         "False is not built; see pairwise: dot_product"),
    BOOL("NONLOCAL", "use_scale", nonlocal.use_scale, "True", 0,
         "True means scale: inner, False none, unless scale is given"),
    BOOL("NONLOCAL", "use_zero_init_conv", nonlocal.options.use_zero_init_conv, "False", 0,
         "out starts as zeros"),
    BOOL("NONLOCAL", "use_bn", nonlocal.options.use_bn, "True", 0,
         "BN after out; without it out starts as zeros"),
    BOOL("NONLOCAL", "use_affine", nonlocal.options.use_affine, "False", 0,
         "a trained scale and offset after out"),
    NAME("NONLOCAL", "pairwise", nonlocal.options.pairwise, "embedded_gaussian", NL_OPT_OURS,
         "gaussian, embedded_gaussian (embedded), dot_product (dot), concatenation (concat), or a "
         "plug-in's"),
    CHOICE("NONLOCAL", "scale", nonlocal.options.scale, "inner", scales, NL_OPT_OURS,
           "embedded Gaussian's scores times d^-1/2, 1, or C^-1/2"),
    CHOICE("NONLOCAL", "pool", nonlocal.options.pool, "before", pools, NL_OPT_OURS,
           "keys and values are max-pooled before phi and g, after them, or not"),
    INTS("NONLOCAL", "pool_size", nonlocal.options.pool_size, 3, "[1, 2, 2]", 1, 64, NL_OPT_OURS,
         "time, height, width: window and stride of that pooling"),
    CHOICE("NONLOCAL", "extent", nonlocal.options.extent, "spacetime", extents, NL_OPT_OURS,
           "positions that see each other: all, those of a frame, or those of a pixel"),
    {"NONLOCAL", "group_size", NL_OPT_GROUPS, AT(nonlocal.options.group_size), 0, "0", 0, 4096,
     NULL, NL_OPT_OURS,
     "frames of the feature map that see each other, 0 all; a number, or a map such as {3: 4}"},
    INT("NONLOCAL", "inner", nonlocal.options.inner, "0", 0, 65536, NL_OPT_OURS,
        "channels of theta, phi and g; 0: half of the input's"),
    {"NONLOCAL", "blocks", NL_OPT_BLOCKS, AT(nonlocal.blocks), 0, "", 0, 0, NULL, NL_OPT_OURS,
     "residual blocks that a non-local one follows, by stage: {3: [1, 3], 4: [1, 3, 5]}, or with "
     "switches {4: {1: {pairwise: dot}, 3: {}}}; unset: from layer_mod"},
    NAME("NONLOCAL", "impl", nonlocal.options.impl, "auto", NL_OPT_OURS | NL_OPT_LOCAL,
         "implementation of the pairwise operation; auto: the fastest by counted cost"),

    SAMPLING("TRAIN", train, "8", "64", "./data/dataset/nonlocal/trainlist.txt", "224",
             "[256, 320]"),
    INT("TRAIN", "epoch", train.epoch, "120", 1, 1000000, 0, "passes over the training list"),
    INT("TRAIN", "num_gpus", train.num_gpus, "8", 1, 65536, NL_OPT_LOCAL,
        "devices; on the CPU micro-batches"),
    REAL("TRAIN", "dropout_rate", train.dropout_rate, "0.5", 0, 0.99, 0,
         "share of features dropped before the classifier"),
    REAL("TRAIN", "learning_rate", train.learning_rate, "0.01", 0, 1e3, 0, "of the first phase"),
    REAL("TRAIN", "learning_rate_decay", train.learning_rate_decay, "0.1", 0, 1, 0,
         "factor from phase to phase"),
    {"TRAIN", "step_sizes", NL_OPT_STEPS, AT(train.step_sizes), 0, "[150000, 150000, 100000]", 1,
     1e15, NULL, 0, "steps of each phase"},
    INT64("TRAIN", "max_iter", train.max_iter, "400000", 1, 1e15, NL_OPT_UNUSED,
          "never read by the original"),
    REAL("TRAIN", "weight_decay", train.weight_decay, "0.0001", 0, 1e3, 0,
         "L2 of convolutions, their biases and the classifier"),
    REAL("TRAIN", "weight_decay_bn", train.weight_decay_bn, "0.0", 0, 1e3, 0,
         "L2 of BN scales and offsets"),
    REAL("TRAIN", "weight_decay_affine", train.weight_decay_affine, "0.0001", 0, 1e3, NL_OPT_OURS,
         "L2 of use_affine's scales and offsets; unless given that of weight_decay, as in the "
         "original"),
    REAL("TRAIN", "momentum", train.momentum, "0.9", 0, 1, 0, "of the optimizer"),
    BOOL("TRAIN", "nesterov", train.nesterov, "True", 0, "Nesterov momentum"),
    BOOL("TRAIN", "scale_momentum", train.scale_momentum, "True", NL_OPT_UNUSED,
         "never read by the original"),
    BOOL("TRAIN", "flip", train.flip, "True", NL_OPT_OURS, "mirror half of the training clips"),
    BOOL("TRAIN", "shuffle", train.shuffle, "True", NL_OPT_OURS, "a new order every epoch"),
    CHOICE("TRAIN", "schedule", train.schedule, "step", schedules, NL_OPT_OURS,
           "learning rate: step_sizes and learning_rate_decay, or half a cosine down to 0"),
    INT64("TRAIN", "warmup_steps", train.warmup_steps, "0", 0, 1e15, NL_OPT_OURS,
          "steps over which the learning rate grows linearly from warmup_rate"),
    REAL("TRAIN", "warmup_rate", train.warmup_rate, "0.001", 0, 1e3, NL_OPT_OURS,
         "learning rate of the first warm-up step"),
    REAL("TRAIN", "clip_norm", train.clip_norm, "0", 0, 1e9, NL_OPT_OURS,
         "gradients with a larger norm are scaled down to it; 0: never"),
    CHOICE("TRAIN", "trainable", train.trainable, "all", trainables, NL_OPT_OURS,
           "parts that are trained: all, blocks (and classifier), head, res5 (and classifier); the "
           "rest uses running statistics"),
    CHOICE("TRAIN", "bn", train.bn, "batch", bns, NL_OPT_OURS,
           "BN statistics in training: of the batch, or frozen (running ones)"),
    BOOL("TRAIN", "recompute", train.recompute, "False", NL_OPT_OURS | NL_OPT_LOCAL,
         "keep only outputs of blocks for the backward pass and compute the rest again: less "
         "memory, "
         "more time, the same bits"),
    INT("TRAIN", "precise_bn", train.precise_bn, "0", 0, 1000000, NL_OPT_OURS | NL_OPT_LOCAL,
        "batches that running statistics are made of anew before each checkpoint; 0: none"),
    INT("TRAIN", "keep", train.keep, "3", 1, 1000000, NL_OPT_OURS | NL_OPT_LOCAL,
        "epoch checkpoints kept, beside the best and the last"),
    REAL("TRAIN", "max_bad_videos", train.max_bad_videos, "0.05", 0, 1, NL_OPT_OURS | NL_OPT_LOCAL,
         "share of an epoch's videos that may be broken"),

    SAMPLING("VALID", valid, "8", "64", "./data/dataset/nonlocal/vallist.txt", "224", "[256, 320]"),

    SAMPLING("TEST", test, "8", "4", "./data/dataset/nonlocal/testlist.txt", "256", "[256, 256]"),
    PATH("TEST", "filename_gt", test.filename_gt, "./data/dataset/nonlocal/vallist.txt",
         NL_OPT_LOCAL, "list with the labels, by line number"),
    PATH("TEST", "checkpoint_dir", test.checkpoint_dir, "./output", NL_OPT_UNUSED | NL_OPT_LOCAL,
         "unused since the original's 1.6"),
    INT("TEST", "num_test_clips", test.num_test_clips, "30", 1, 10000, 0, "views of a video"),
    INT64("TEST", "dataset_size", test.dataset_size, "19761", 1, 1e15, NL_OPT_LOCAL,
          "videos; the list counts, one that differs gets a warning"),
    INT("TEST", "use_multi_crop", test.use_multi_crop, "1", 0, 2, 0,
        "1: three crops a position, 2: mirrored too, 0: one"),

    SAMPLING("INFER", infer, "1", "1", "./data/dataset/nonlocal/inferlist.txt", "256",
             "[256, 256]"),
    PATH("INFER", "checkpoint_dir", infer.checkpoint_dir, "./output", NL_OPT_UNUSED | NL_OPT_LOCAL,
         "unused since the original's 1.6"),
    INT("INFER", "num_test_clips", infer.num_test_clips, "30", 1, 10000, 0, "views of a video"),
    INT("INFER", "use_multi_crop", infer.use_multi_crop, "1", 0, 2, 0, "as TEST.use_multi_crop"),
    PATH("INFER", "video_path", infer.video_path, "", NL_OPT_LOCAL, "one video to predict"),
    PATH("INFER", "kinetics_labels", infer.kinetics_labels, "./data/dataset/kinetics_labels.json",
         NL_OPT_LOCAL, "JSON array of class names; 400 are built in"),
};

const int nl_n_options = (int)NL_COUNT(nl_options);

_Static_assert(NL_COUNT(nl_options) <= NL_OPTIONS_MAX, "raise NL_OPTIONS_MAX");
