/* ops.h - what every kernel must compute, independent of who computes it.
 *
 * Activations are [N,T,H,W,C]; C has stride 1, the other axes any strides unless said otherwise.
 * Vectors per channel are [C], dense. Parameters and constants are dense. An optional input is
 * absent when its rank is 0. Types: all tensors of one op have one type (F32; F64 on ref), but for
 * labels (I64), indices (U8), and the statistics of a batch and what is made of them ([C]: mean,
 * variance, a, b, da, db, p, q), which are F64, since their differences are what counts.
 * BF16: activations and their gradients may be BF16, all of one op alike; what is beside them is
 * F32 then: filters, biases, scales and offsets, dw and dbias, row of pairwise. Each output is
 * rounded once, to nearest, ties to even. Filters, and affinities, gradients of scores and products
 * of keys and values before they weigh rows, may be rounded to BF16 before they are multiplied. cast
 * leads from and to BF16; no other op mixes.
 * Sums: F32 and BF16 products accumulate in float, means and statistics in double.
 *
 * conv       x [N,T,H,W,C], w [K,kt,kh,kw,C] dense, bias [K], residual like y -> y [N,T',H',W',K]
 *            y = act(sum_{dt,dh,dw,c} x[n, t*st+dt-pt, h*sh+dh-ph, w*sw+dw-pw, c] w[k,dt,dh,dw,c]
 *            + bias[k] + residual), zero padding, T' = (T + 2 pt - kt) / st + 1 (floor), act is
 *            ReLU where attr.conv.relu. y == residual is allowed; y == x is not. With
 *            attr.conv.sums (no ReLU, no residual) also mean, variance [K]: bn_sums of y.
 * max_pool   kernel and stride, no padding, floor mode: y [N,T',H',W',C] the largest of a window;
 *            a NaN in the window wins. With attr.pool.index also index, U8 like y: the place of the
 *            first largest, (dt * kh + dh) * kw + dw.
 * avg_pool   likewise the mean of each window (sums in double on ref, float elsewhere).
 * affine     y = act(x * a[c] + b[c] + residual); a, b [C]; b may be absent. y == x or
 *            y == residual is allowed.
 * add        y = act(x0 + x1), same shapes; y may be either input. affine, add: attr.pointwise.relu
 * relu       y = max(x, 0). y == x is allowed. NaN stays NaN, also in act above.
 * softmax    over the last axis: y = exp(x - m) / sum exp(x - m), m the row's maximum. y == x is
 *            allowed.
 * mean       y[n,c] = mean over T,H,W of x[n,t,h,w,c].
 * pairwise   q [B0,B1,P,d], k [B0,B1,M,d], v [B0,B1,M,e], bias [e], residual like y -> y
 *            [B0,B1,P,e]; last axes have stride 1, the others any. With s_ij = scale * (q_i . k_j)
 *            (score product), or s_ij = scale * (q_i + k_j) (score sum, d = 1):
 *            y_i = sum_j f(s_ij) v_j / C + bias + residual_i, C = sum_j f(s_ij) (norm sum) or M
 *            (norm count).
 *            f = exp with norm sum is computed with the row's maximum subtracted.
 *            Wang et al. 2018, Eq. 1 to 5.  No aliasing. With attr.pairwise.row also row
 *            [B0,B1,P], dense: log C of exp with norm sum (the row's log-sum-exp), else C.
 * product    a [B0,B1,m,k], b [B0,B1,k,n] -> c [B0,B1,m,n], any strides:  c = scale * a b.
 * outer_sum  a [B0,B1,m,1], b [B0,B1,n,1] -> c [B0,B1,m,n]:  c_ij = a_i + b_j.
 * map        y = f(x) * scale elementwise, any rank, any strides. y == x is allowed. attr.map.
 * cast       y = x in the type attr.cast.type, F32 or BF16.
 * bn_fold    all [C]: a = gamma / sqrt(variance + epsilon), b = beta - mean * a (in double).
 * conv_fold  w [K,...,C], bias [K] or absent, a, b [K]: w' = w * a[k], bias' = bias * a + b (in
 *            double).
 *
 * Training. `dz` is the gradient of the loss with respect to z. Formulas are for attr of the op
 * itself; gradients have the shapes and types of what they belong to.
 *
 * mul        y = x0 * x1, same shapes. y may be either input.
 * bn_sums    x [...,C] -> mean, variance [C] over all other axes, biased, in double.
 * cross_entropy  logits [N,C], label I64 [N] -> loss [N] = log sum_c exp(logits[n,c]) -
 *            logits[n,label[n]]; a label outside 0..C-1 gives NaN.
 * conv_dx    dy, w as of conv, residual like dx -> dx [N,T,H,W,C] (T,H,W from attr.conv.extent):
 *            transposed convolution of dy, + residual. dx == residual is allowed.
 * conv_dw    x, dy -> dw [K,kt,kh,kw,C] (kernel from attr.conv.extent) and, with attr.conv.bias,
 *            dbias [K]: adds to both; writes both with attr.conv.set.
 * max_pool_dx  dy, index -> dx (attr.pool.extent); avg_pool_dx likewise without index.
 * affine_dab x, dy [...,C] -> da = sum dy * x, db = sum dy over all but C, in double. With a and b
 *            dy counts only where x * a + b > 0: the ReLU after the affine.
 * bn_dx      dx = dy * a + x * p + q per channel; with b dy counts only where x * a + b > 0.
 *            dx == dy is allowed.
 * bn_sums_dx mean, dmean, dvariance [C] -> p = 2 dvariance / n, q = dmean / n - p * mean, n from
 *            attr.bn_sums.count: the gradient of bn_sums with respect to x is x * p + q.
 * bn_fold_dx r = (variance + epsilon)^-1/2: dgamma = r (da - mean db), dbeta = db,
 *            dmean = -gamma r db, dvariance = -gamma r^3 / 2 (da - mean db).
 * relu_dx    dy where y > 0, else 0. dx == dy is allowed.
 * softmax_dx dx = y (dy - sum_c dy y). dx == dy is allowed.
 * mean_dx    dy [N,C] -> dx [N,T,H,W,C] = dy / (T H W); T,H,W from attr.mean.extent.
 * pairwise_dx  q, k, v, y, dy, and row where norm is sum -> dq, dk, dv, each laid out as the input
 *            that it belongs to. Scores are computed anew.
 * outer_sum_dx dc [B0,B1,m,n] -> da [B0,B1,m,1], db [B0,B1,n,1]: sums over rows and columns.
 * map_dx     dx = dy * f'(x) * scale.
 * cross_entropy_dx  dloss [N] -> dlogits = dloss[n] (softmax(logits)[n,c] - [c == label[n]]).
 * accumulate y += x * scale, dense, same shape.
 * square_sum x (any rank, dense) -> y [1] = sum of squares, in double.
 * sgd        hyper [4] = learning rate, momentum, decay, gradient scale. With d = scale * g +
 *            decay * p: v = momentum v + d; p -= rate * (nesterov ? d + momentum v : v); g = 0.
 *            Updates its outputs p, v, g, dense, of one shape.
 * average    hyper [1] = momentum: p = momentum p + (1 - momentum) g; g = 0. Updates both.
 *
 * Kernels overwrite their outputs, except where the text says that they add or update.
 * No kernel allocates host memory in run(). Shapes are checked when a node is appended
 * (src/graph), so kernels check nothing twice.
 */
#ifndef NL_OPS_H
#define NL_OPS_H

#include "src/tensor/tensor.h"

enum { NL_MAX_IN = 6, NL_MAX_OUT = 4 };

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
        bool bias;     /* conv_dw: dbias too */
        bool set;      /* conv_dw: writes what it else adds */
        bool sums;     /* conv: mean and variance of y too */
        int extent[3]; /* conv_dx: of dx; conv_dw: of the kernel */
    } conv;
    struct {
        int kernel[3], stride[3];
        bool index;    /* max_pool: says where each largest was */
        int extent[3]; /* of dx */
    } pool;
    struct {
        bool relu;
    } pointwise;
    struct {
        nl_score score;
        nl_affinity f;
        nl_norm norm;
        double scale;
        bool row; /* log-sum-exp or C of each row too */
    } pairwise;
    struct {
        double scale;
    } product;
    struct {
        nl_affinity f;
        double scale;
    } map;
    struct {
        nl_type type;
    } cast;
    struct {
        double epsilon;
    } bn_fold;
    struct {
        double count;
    } bn_sums;
    struct {
        int extent[3];
    } mean;
    struct {
        double scale;
    } accumulate;
    struct {
        bool nesterov;
    } sgd;
};

/* What is asked: op, attributes, and views without data. */
struct nl_op_desc {
    nl_op op;
    union nl_attr attr;
    nl_tensor in[NL_MAX_IN], out[NL_MAX_OUT];
    int64_t
        repeat; /* runs that follow one another with the same filters; 0: one. For costs alone */
    bool near;  /* the output is read next, so that it belongs in a cache */
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
double nl_affinity_slope(nl_affinity f, double s); /* its derivative; relu: 0 at 0 */

/* Nominal multiply-adds of convolutions (the classifier too), pairwise, their gradients and
 * product; else 0. */
int64_t nl_op_multiply_adds(const struct nl_op_desc *desc);

#endif
