/* weights_case.h - what the tests of weights files share. */
#ifndef NL_TEST_WEIGHTS_CASE_H
#define NL_TEST_WEIGHTS_CASE_H

#include "src/weights/state.h"

/* PATH of a file in the fixtures' folder, in one of a few buffers that take turns. */
const char *fixture(const char *name);

/* PATH of a file in a scratch folder, which scratch_remove deletes with all it holds. */
const char *scratch(const char *name);
void scratch_remove(void);

/* A scratch file of these bytes; its path. */
const char *scratch_file(const char *name, const void *bytes, size_t size);

/* Copies `size` bytes to bytes[at]; where they end. */
size_t put_bytes(void *bytes, size_t at, const void *from, size_t size);

/* Loads or fails the test with the message. */
struct nl_state load_state(const char *path);

/* The load must fail with NL_EIO and a message that holds `part`. */
void expect_refused(const char *path, const char *part);

/* A network's parameters in host memory, all values -1. */
struct parameter {
    const char *name;
    nl_param_role role;
    int rank;
    int64_t dim[NL_MAX_RANK]; /* the field's layout; of pred_w (classes, features, 1, 1, 1) */
};
void make_params(struct nl_params *params, const struct parameter *list, int count, nl_type type);

/* The seven parameters of the small files in fixtures/weights. */
extern const struct parameter small_network[];
enum { SMALL_COUNT = 7 };

#endif
