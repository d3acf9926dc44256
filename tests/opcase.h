/* opcase.h - one op with its views and inputs, run on any backend: what the tests of ops share.
 *
 * Inputs are random numbers that F32 holds exactly, the same for every backend and type, so runs
 * in F32 and F64 differ by rounding only. Views start a few elements into their memory, which makes
 * slices unaligned; outputs start as a sentinel, so that writes beside a view show.
 */
#ifndef NL_TESTS_OPCASE_H
#define NL_TESTS_OPCASE_H

#include "src/tensor/backend.h"

/* clang-format off */
/* Constant descriptions of views; `ld` is the distance of rows. The type is set when run. */
#define ROWS5(n, t, h, w, c, ld)                                                                   \
    {.rank = 5,                                                                                    \
     .dim = {n, t, h, w, c},                                                                       \
     .stride = {INT64_C(1) * (t) * (h) * (w) * (ld), INT64_C(1) * (h) * (w) * (ld),                \
                INT64_C(1) * (w) * (ld), ld, 1}}
#define ROWS4(b0, b1, rows, cols, ld)                                                              \
    {.rank = 4,                                                                                    \
     .dim = {b0, b1, rows, cols},                                                                  \
     .stride = {INT64_C(1) * (b1) * (rows) * (ld), INT64_C(1) * (rows) * (ld), ld, 1}}
#define DENSE5(n, t, h, w, c)      ROWS5(n, t, h, w, c, c)
#define DENSE4(b0, b1, rows, cols) ROWS4(b0, b1, rows, cols, cols)
#define DENSE2(rows, cols)         {.rank = 2, .dim = {rows, cols}, .stride = {cols, 1}}
#define VECTOR(n)                  {.rank = 1, .dim = {n}, .stride = {1}}
/* clang-format on */

enum op_fill {
    FILL_NORMAL,   /* mean 0, deviation 1 */
    FILL_POSITIVE, /* uniform in [0.5, 1.5): sums that are divided by stay far from 0 */
    FILL_LARGE,    /* 60 times normal: overflows an exp without the maximum subtracted */
};

struct op_case {
    const char *name;
    struct nl_op_desc desc;
    int shares; /* 1 + the input whose memory output 0 is; 0: none */
    enum op_fill fill;
    double tolerance;               /* F32, relative to the largest value; 0: OP_TOLERANCE */
    bool coarse;                    /* inputs are numbers that BF16 holds exactly, too */
    const double *given[NL_MAX_IN]; /* dense input values; NULL: random */
};

/* One rounding to BF16 of the result, one of each affinity (2^-9 each). */
#define OP_TOLERANCE_BF16 0x1p-8

/* A few roundings of a sum of up to some hundred products accumulated in float. */
#define OP_TOLERANCE 2e-6

/* All that lies in the outputs' memory, gaps included, before and after the run. */
struct op_result {
    nl_tensor view[NL_MAX_OUT]; /* rank 0: no such output */
    int64_t span[NL_MAX_OUT];
    double *before[NL_MAX_OUT], *after[NL_MAX_OUT];
};

/* The cases that every implementation is held to: odd extents, size 1, strides, slices. */
extern const struct op_case op_cases[];
extern const int op_n_cases;

/* Adds the guarded backend, a plug-in of the tests, to those that are tested. */
void op_load_plugins(void);

/* Prepares, packs, runs and reads the case with activations of `type`; `force` as in nl_kernel_prepare. Aborts the test on
 * any failure but NL_ENOSUP. op_result_clear undoes it. */
nl_status op_run(struct nl_backend *be, const struct op_case *c, nl_type type, const char *force,
                 struct op_result *result);
void op_result_clear(struct op_result *result);

/* Element i, last axis fastest, of output `o` after the run. */
double op_element(const struct op_result *result, int o, int64_t i);

/* Largest difference over all outputs relative to the largest value wanted; 0 if both are NaN in
 * the same places, infinity if in others. */
double op_distance(const struct op_result *got, const struct op_result *want);

/* True if memory between the elements of the outputs is as it was. */
bool op_gaps_untouched(const struct op_result *result);

#endif
