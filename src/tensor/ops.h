/* ops.h - what every kernel must compute, independent of who computes it.
 *
 * Activations are [N,T,H,W,C]; C has stride 1, the other axes any strides unless said otherwise.
 * Vectors per channel are [C], dense. Parameters and constants are dense. An optional input is
 * absent when its rank is 0. Types: all tensors of one op have one type (F32; F64 on ref).
 * Sums: F32 products accumulate in float, means and statistics in double.
 *
 * conv       x [N,T,H,W,C], w [K,kt,kh,kw,C] dense, bias [K], residual like y -> y [N,T',H',W',K]
 *            y = act(sum_{dt,dh,dw,c} x[n, t*st+dt-pt, h*sh+dh-ph, w*sw+dw-pw, c] w[k,dt,dh,dw,c]
 *            + bias[k] + residual), zero padding, T' = (T + 2 pt - kt) / st + 1 (floor), act is
 *            ReLU where attr.conv.relu. y == residual is allowed; y == x is not.
 * max_pool   kernel and stride, no padding, floor mode: y [N,T',H',W',C] the largest of a window;
 *            a NaN in the window wins.
 * avg_pool   likewise the mean of each window (sums in double on ref, float elsewhere).
 * affine     y = act(x * a[c] + b[c] + residual); a, b [C]. y == x or y == residual is allowed.
 * add        y = act(x0 + x1), same shapes; y may be either input. affine, add: attr.pointwise.relu
 * relu       y = max(x, 0). y == x is allowed. NaN stays NaN, also in act above.
 * softmax    over the last axis: y = exp(x - m) / sum exp(x - m), m the row's maximum. y == x is
 *            allowed.
 * mean       y[n,c] = mean over T,H,W of x[n,t,h,w,c].
 * pairwise   q [B0,B1,P,d], k [B0,B1,M,d], v [B0,B1,M,e] -> y [B0,B1,P,e]; last axes have stride 1,
 *            the others any. With s_ij = scale * (q_i . k_j) (score product), or
 *            s_ij = scale * (q_i + k_j) (score sum, d = 1):
 *            y_i = sum_j f(s_ij) v_j / C, C = sum_j f(s_ij) (norm sum) or M (norm count).
 *            f = exp with norm sum is computed with the row's maximum subtracted.
 *            Wang et al. 2018, Eq. 1 to 5.  No aliasing.
 * product    a [B0,B1,m,k], b [B0,B1,k,n] -> c [B0,B1,m,n], any strides:  c = scale * a b.
 * outer_sum  a [B0,B1,m,1], b [B0,B1,n,1] -> c [B0,B1,m,n]:  c_ij = a_i + b_j.
 * map        y = f(x) * scale elementwise, any rank, any strides. y == x is allowed. attr.map.
 * bn_fold    all [C]: a = gamma / sqrt(variance + epsilon), b = beta - mean * a (in double).
 * conv_fold  w [K,...,C], bias [K] or absent, a, b [K]: w' = w * a[k], bias' = bias * a + b (in
 *            double).
 *
 * Kernels overwrite their outputs; those that will make gradients take beta 0 or 1.
 * No kernel allocates host memory in run(). Shapes are checked when a node is appended
 * (src/graph), so kernels check nothing twice.
 */
#ifndef NL_OPS_H
#define NL_OPS_H

#include "src/tensor/tensor.h"

enum { NL_MAX_IN = 5, NL_MAX_OUT = 2 };

typedef enum {
#define NL_OP(id, name) NL_OP_##id,
#include "src/tensor/ops.def"
#undef NL_OP
    NL_N_OPS
} nl_op;

typedef enum { NL_SCORE_PRODUCT, NL_SCORE_SUM } nl_score;
typedef enum { NL_F_EXP, NL_F_IDENTITY, NL_F_RELU } nl_affinity; /* names: nl_affinity_name */
typedef enum { NL_NORM_SUM, NL_NORM_COUNT } nl_norm;

union nl_attr {
    struct {
        int stride[3], pad[3]; /* t, h, w */
        bool relu;
    } conv;
    struct {
        int kernel[3], stride[3];
    } pool;
    struct {
        bool relu;
    } pointwise;
    struct {
        nl_score score;
        nl_affinity f;
        nl_norm norm;
        double scale;
    } pairwise;
    struct {
        double scale;
    } product;
    struct {
        nl_affinity f;
        double scale;
    } map;
    struct {
        double epsilon;
    } bn_fold;
};

/* What is asked: op, attributes, and views without data. */
struct nl_op_desc {
    nl_op op;
    union nl_attr attr;
    nl_tensor in[NL_MAX_IN], out[NL_MAX_OUT];
};

/* The same views with data, for one run. */
struct nl_args {
    nl_tensor in[NL_MAX_IN], out[NL_MAX_OUT];
    const void *packed; /* what pack() made; NULL without */
    void *workspace;    /* as many bytes as prepare() asked for; NULL if none */
};

const char *nl_op_name(nl_op op);
const char *nl_affinity_name(nl_affinity f); /* "exp", "identity", "relu" */

/* f(s) in double, the definition that every backend is tested against. */
double nl_affinity_value(nl_affinity f, double s);

/* Nominal multiply-adds of convolutions (the classifier too), pairwise and product; else 0. */
int64_t nl_op_multiply_adds(const struct nl_op_desc *desc);

#endif
