#include "src/tensor/ops.h"

#include <math.h>

const char *nl_op_name(nl_op op)
{
    static const char *const names[] = {
#define NL_OP(id, name) [NL_OP_##id] = name,
#include "src/tensor/ops.def"
#undef NL_OP
    };
    return names[op];
}

const char *nl_affinity_name(nl_affinity f)
{
    static const char *const names[] = {
        [NL_F_EXP] = "exp", [NL_F_IDENTITY] = "identity", [NL_F_RELU] = "relu"};
    return names[f];
}

double nl_affinity_value(nl_affinity f, double s)
{
    switch (f) {
    case NL_F_EXP:
        return exp(s);
    case NL_F_RELU:
        return s < 0 ? 0 : s; /* NaN stays NaN */
    default:
        return s;
    }
}

double nl_affinity_slope(nl_affinity f, double s)
{
    switch (f) {
    case NL_F_EXP:
        return exp(s);
    case NL_F_RELU:
        return s > 0 ? 1 : 0;
    default:
        return 1;
    }
}

int64_t nl_op_multiply_adds(const struct nl_op_desc *desc)
{
    const nl_tensor *a = &desc->in[0], *b = &desc->in[1], *y = &desc->out[0];
    switch (desc->op) {
    case NL_OP_CONV:
        return nl_tensor_count(y) * b->dim[1] * b->dim[2] * b->dim[3] * b->dim[4];
    case NL_OP_CONV_DX:
        return nl_tensor_count(a) * b->dim[1] * b->dim[2] * b->dim[3] * b->dim[4];
    case NL_OP_CONV_DW:
        return nl_tensor_count(b) * y->dim[1] * y->dim[2] * y->dim[3] * y->dim[4];
    case NL_OP_PAIRWISE: {
        const int64_t pairs = a->dim[0] * a->dim[1] * a->dim[2] * b->dim[2];
        const int64_t score = desc->attr.pairwise.score == NL_SCORE_PRODUCT ? a->dim[3] : 0;
        return pairs * (score + desc->in[2].dim[3]);
    }
    case NL_OP_PAIRWISE_DX: { /* scores again, dv and dy . v; with vectors dq and dk too */
        const int64_t pairs = a->dim[0] * a->dim[1] * a->dim[2] * b->dim[2];
        const int64_t score = desc->attr.pairwise.score == NL_SCORE_PRODUCT ? a->dim[3] : 0;
        return pairs * (3 * score + 2 * desc->in[2].dim[3]);
    }
    case NL_OP_PRODUCT:
        return nl_tensor_count(y) * a->dim[3];
    default:
        return 0;
    }
}
