/* config.h - the parsed configuration: a plain struct, filled once and passed down as const.
 *
 * Field names are the keys of the configuration file (sections MODEL, RESNETS, NONLOCAL, TRAIN,
 * VALID, TEST, INFER). The table in option_rows.c says type, default, range and help of each; the
 * original's keys are those of its nonlocal.yaml. Paths are "" where not given.
 */
#ifndef NL_CONFIG_H
#define NL_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum { NL_NAME_MAX = 64, NL_PATH_MAX = 4096, NL_STAGES = 4, NL_BLOCKS_MAX = 64, NL_STEPS_MAX = 16 };

typedef enum { NL_SCALE_INNER, NL_SCALE_NONE, NL_SCALE_IN } nl_scale_kind;
typedef enum { NL_POOL_BEFORE, NL_POOL_AFTER, NL_POOL_NONE } nl_pool_kind;
typedef enum { NL_EXTENT_SPACETIME, NL_EXTENT_SPACE, NL_EXTENT_TIME } nl_extent_kind;
typedef enum { NL_PRECISION_F32, NL_PRECISION_BF16, NL_PRECISION_F64 } nl_precision;
typedef enum {
    NL_TRAINABLE_ALL,
    NL_TRAINABLE_BLOCKS,
    NL_TRAINABLE_HEAD,
    NL_TRAINABLE_RES5
} nl_trainable;
typedef enum { NL_BN_BATCH, NL_BN_FROZEN } nl_bn_kind;
typedef enum { NL_SCHEDULE_STEP, NL_SCHEDULE_COSINE } nl_schedule;
typedef enum { NL_GPU_AUTO, NL_GPU_TRUE, NL_GPU_FALSE } nl_use_gpu;

/* The switches of one non-local block (peers.md B2). */
struct nl_block_options {
    char pairwise[NL_NAME_MAX]; /* name or alias of a block in blocks.def or of a plug-in */
    int scale;                  /* nl_scale_kind: scores times d^-1/2, 1, or C^-1/2 */
    int pool;                   /* nl_pool_kind: where keys are max-pooled */
    int pool_size[3];           /* t, h, w: kernel and stride of that pooling */
    int extent;                 /* nl_extent_kind */
    int group_size;             /* frames of the feature map per group; 0: the whole clip */
    int inner;                  /* channels of theta, phi and g; 0: half of the input's */
    bool no_bias;               /* theta, phi, g and out without bias */
    bool use_bn;                /* batch norm after out, gamma bn_init_gamma */
    bool use_affine;            /* a trainable scale and offset after out (and after BN) */
    bool use_zero_init_conv;    /* out starts as zeros */
    double bn_momentum, bn_epsilon, bn_init_gamma, conv_init_std;
    char impl[NL_NAME_MAX]; /* "auto" or the name of a pairwise implementation */
};

/* A block of its own place: after residual block `index` (from 0) of res`stage`. */
struct nl_block_place {
    int stage, index;
    struct nl_block_options options;
};

struct nl_sampling {                      /* what TRAIN, VALID, TEST and INFER share */
    int num_reader_threads, batch_size;
    char filelist[NL_PATH_MAX];
    int crop_size, sample_rate, video_length;
    int jitter_scales[2];
};

struct nl_config {
    struct {
        char name[NL_NAME_MAX];
        int num_classes;
        double image_mean, image_std;
        int depth;
        char dataset[NL_NAME_MAX];
        int video_arc_choice;
        bool use_affine;
        double fc_init_std, bn_momentum, bn_epsilon, bn_init_gamma;
        char backend[NL_NAME_MAX];
        int precision; /* nl_precision */
        int width;
    } model;
    struct {
        int num_groups, width_per_group;
        char trans_func[NL_NAME_MAX];
    } resnets;
    struct {
        struct nl_block_options options;       /* of every block without switches of its own */
        int group_of_stage[NL_STAGES];         /* res2..res5; -1: options.group_size */
        int layer_mod;
        bool conv3_nonlocal, conv4_nonlocal;
        bool use_maxpool, use_softmax, use_scale; /* the original's spellings of pool, f, scale */
        bool blocks_given;                     /* NONLOCAL.blocks was set, even if empty */
        int n_blocks;
        struct nl_block_place blocks[NL_BLOCKS_MAX];
    } nonlocal;
    struct {
        struct nl_sampling sampling;
        int epoch, num_gpus;
        double dropout_rate, learning_rate, learning_rate_decay;
        int n_steps;
        int64_t step_sizes[NL_STEPS_MAX];
        int64_t max_iter;
        double weight_decay, weight_decay_bn, weight_decay_affine, momentum;
        bool nesterov, scale_momentum, flip, shuffle;
        int schedule, trainable, bn; /* nl_schedule, nl_trainable, nl_bn_kind */
        bool recompute;
        int64_t warmup_steps;
        double warmup_rate, clip_norm;
        int keep, precise_bn;
        double max_bad_videos;
    } train;
    struct {
        struct nl_sampling sampling;
    } valid;
    struct {
        struct nl_sampling sampling;
        char filename_gt[NL_PATH_MAX], checkpoint_dir[NL_PATH_MAX];
        int num_test_clips;
        int64_t dataset_size;
        int use_multi_crop;
    } test;
    struct {
        struct nl_sampling sampling;
        char checkpoint_dir[NL_PATH_MAX];
        int num_test_clips, use_multi_crop;
        char video_path[NL_PATH_MAX], kinetics_labels[NL_PATH_MAX];
    } infer;
};

#endif
