#include "src/weights/fit.h"

#include "src/weights/state_build.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Whether all extents from the third on are 1. */
static bool is_matrix(const struct nl_entry *entry)
{
    for (int i = 2; i < entry->rank; i++)
        if (entry->dim[i] != 1) return false;
    return entry->rank >= 2;
}

nl_pred_reading nl_pred_read(nl_origin origin, const struct nl_entry *pred_w, int64_t classes)
{
    if (!is_matrix(pred_w)) return NL_PRED_UNTOLD;
    const bool axes = pred_w->rank > 2;
    if (origin == NL_ORIGIN_PADDLE) return axes ? NL_PRED_PADDLE_AXES : NL_PRED_PADDLE_MATRIX;
    if (origin != NL_ORIGIN_PLAIN) return NL_PRED_PLAIN;
    if (classes > 0 && pred_w->dim[0] == classes) return axes ? NL_PRED_PADDLE_AXES : NL_PRED_PLAIN;
    return classes > 0 && pred_w->dim[1] == classes && !axes ? NL_PRED_PADDLE_MATRIX
                                                             : NL_PRED_UNTOLD;
}

char *nl_pred_text(nl_pred_reading reading, const struct nl_entry *pred_w, double factor, char *out,
                   size_t size)
{
    const bool square = pred_w->rank == 2 && pred_w->dim[0] == pred_w->dim[1];
    switch (reading) {
    case NL_PRED_UNTOLD:
        snprintf(out, size, "is kept: its layout cannot be told");
        break;
    case NL_PRED_PLAIN:
        snprintf(out, size, "read as (classes, features)%s",
                 square ? ", which its square shape leaves open" : "");
        break;
    case NL_PRED_PADDLE_MATRIX:
        snprintf(out, size, "read as Paddle's (features, classes): transposed, times %g", factor);
        break;
    case NL_PRED_PADDLE_AXES:
        snprintf(out, size, "read as Paddle's (classes, features, 1, 1, 1): times %g", factor);
        break;
    }
    return out;
}

/* Extents without those of 1; their number. */
static int squeeze(const int64_t *dim, int rank, int64_t *out)
{
    int n = 0;
    for (int i = 0; i < rank; i++)
        if (dim[i] != 1) out[n++] = dim[i];
    return n;
}

static bool same_values(const struct nl_entry *entry, const int64_t *dim, int rank)
{
    int64_t a[NL_ENTRY_RANK], b[NL_ENTRY_RANK];
    const int n = squeeze(entry->dim, entry->rank, a);
    return squeeze(dim, rank, b) == n && memcmp(a, b, (size_t)n * sizeof *a) == 0;
}

static bool same_shape(const struct nl_entry *entry, const int64_t *dim, int rank)
{
    return entry->rank == rank && memcmp(entry->dim, dim, (size_t)rank * sizeof *dim) == 0;
}

bool nl_fit_spread(const struct nl_entry *entry, const struct nl_param *param, struct nl_fit *fit)
{
    int64_t dim[NL_MAX_RANK];
    const int64_t *e = entry->dim;
    const int rank = nl_param_file_shape(param, dim), last = entry->rank - 2;
    const bool flat = rank == 5 && dim[2] > 1 &&
                      (entry->rank == 4 || (entry->rank == 5 && e[2] == 1)) && e[0] == dim[0] &&
                      e[1] == dim[1] && e[last] == dim[3] && e[last + 1] == dim[4];
    if (!flat) return false;
    *fit = (struct nl_fit){.factor = 1 / (double)dim[2],
                           .frames = dim[2],
                           .taps = dim[3] * dim[4],
                           .reshaped = true,
                           .pred = NL_PRED_UNTOLD};
    return true;
}

static nl_status differs(const struct nl_state *state, const struct nl_entry *entry,
                         const struct nl_param *param, const int64_t *dim, int rank)
{
    char file[256], network[256];
    struct nl_fit fit;
    struct nl_entry wanted = {.rank = rank};
    memcpy(wanted.dim, dim, (size_t)rank * sizeof *dim);
    nl_entry_text(entry, file, sizeof file);
    nl_entry_text(&wanted, network, sizeof network);
    const nl_status st = nl_state_fail(
        state, "%s is %s, the network wants %s%s", param->name, file, network,
        nl_fit_spread(entry, param, &fit) ? "; `train --pretrain` spreads 2-D kernels over frames"
                                          : "");
    return st == NL_EIO ? NL_ESHAPE : st;
}

static nl_status fit_pred(const struct nl_state *state, const struct nl_entry *entry,
                          const struct nl_param *param, double dropout_rate, struct nl_fit *fit)
{
    int64_t dim[NL_MAX_RANK];
    const int rank = nl_param_file_shape(param, dim);
    fit->pred = nl_pred_read(state->origin, entry, dim[0]);
    fit->transposed = fit->pred == NL_PRED_PADDLE_MATRIX;
    if (fit->transposed || fit->pred == NL_PRED_PADDLE_AXES) fit->factor = 1 - dropout_rate;
    fit->reshaped = !same_shape(entry, dim, rank);
    if (fit->transposed) {
        const int64_t turned[2] = {dim[1], dim[0]};
        if (!same_shape(entry, turned, 2)) return differs(state, entry, param, turned, 2);
        return NL_OK;
    }
    const bool fits =
        fit->pred != NL_PRED_UNTOLD && entry->dim[0] == dim[0] && entry->dim[1] == dim[1];
    return fits ? NL_OK : differs(state, entry, param, dim, rank);
}

nl_status nl_fit_param(const struct nl_state *state, const struct nl_entry *entry,
                       const struct nl_param *param, double dropout_rate, struct nl_fit *fit)
{
    int64_t dim[NL_MAX_RANK];
    const int rank = nl_param_file_shape(param, dim);
    *fit = (struct nl_fit){.factor = 1, .pred = NL_PRED_UNTOLD};
    if (param->role == NL_ROLE_FC) return fit_pred(state, entry, param, dropout_rate, fit);
    if (!same_values(entry, dim, rank)) return differs(state, entry, param, dim, rank);
    fit->reshaped = !same_shape(entry, dim, rank);
    return NL_OK;
}

/* Floats whose exponent is all ones are NaN or Inf: 1 added to it carries into the sign. */
static uint32_t carry(uint32_t bits)
{
    return (bits & 0x7F800000U) + 0x00800000U;
}

/* Many at a time: of one long sum gcc makes no vectors at -O2. */
static bool floats_finite(const unsigned char *data, size_t count)
{
    enum { MANY = 64 };
    uint32_t bits[MANY], carried[MANY] = {0}, any = 0;
    for (; count >= MANY; count -= MANY, data += sizeof bits) {
        memcpy(bits, data, sizeof bits);
        for (int i = 0; i < MANY; i++) carried[i] |= carry(bits[i]);
    }
    for (int i = 0; i < MANY; i++) any |= carried[i];
    for (; count > 0; count--, data += sizeof *bits) {
        memcpy(bits, data, sizeof *bits);
        any |= carry(bits[0]);
    }
    return !(any >> 31);
}

nl_status nl_fit_finite(const struct nl_state *state, const struct nl_entry *entry)
{
    const size_t count = nl_entry_count(entry);
    if (entry->type == NL_F32 && floats_finite(entry->data, count)) return NL_OK;
    for (size_t i = 0; i < count; i++) {
        const double value = nl_entry_value(entry, i);
        if (!isfinite(value))
            return nl_state_fail(state, "%s holds %s at element %zu of %zu", entry->name,
                                 isnan(value) ? "NaN" : "Inf", i, count);
    }
    return NL_OK;
}

double nl_fit_value(const struct nl_entry *entry, const struct nl_fit *fit, size_t i)
{
    if (fit->transposed) {
        const size_t rows = (size_t)entry->dim[0], columns = (size_t)entry->dim[1];
        i = i % rows * columns + i / rows;
    }
    if (fit->frames) {
        const size_t taps = (size_t)fit->taps, all = taps * (size_t)fit->frames;
        i = i / all * taps + i % taps;
    }
    return nl_entry_value(entry, i) * fit->factor;
}
