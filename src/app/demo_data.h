/* demo_data.h - a data set of small videos that only their relations over time tell apart.
 *
 * What the classes are is said in demo_scene.h. A folder gets, with paths that begin with it:
 *   CLASS/train_0000.mp4 ...         videos, 64 x 64 pixels, 64 frames, 30 a second
 *   repeat/CLASS/test_0000.mp4 ...   each test video with one of its frames in place of all
 *   train.txt val.txt test.txt repeat.txt   lists of PATH LABEL; every class in turn
 *   labels.json                      names of the classes
 * One spec gives the same bytes every time (with the same FFmpeg), for any number of threads.
 */
#ifndef NL_DEMO_DATA_H
#define NL_DEMO_DATA_H

#include "src/app/progress.h"
#include "src/core/status.h"

#include <stdint.h>

struct nl_demo_spec {
    const char *folder;   /* made if missing */
    int train, val, test; /* videos a class */
    uint64_t seed;
    double difficulty; /* 0 to 1 */
    int threads;       /* at least 1 */
};

/* NL_EUSAGE for a spec out of range; NL_EIO, NL_ENOMEM; NL_EINTR. Shows its progress. */
nl_status nl_demo_data(const struct nl_demo_spec *spec) NL_MUST_CHECK;

#endif
