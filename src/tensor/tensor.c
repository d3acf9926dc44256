#include "src/tensor/tensor.h"

#include "src/core/memory.h"

#include <stdio.h>

size_t nl_type_size(nl_type type)
{
    static const size_t bytes[] = {
        [NL_F32] = 4, [NL_F64] = 8, [NL_BF16] = 2, [NL_F16] = 2, [NL_U8] = 1, [NL_I64] = 8};
    return bytes[type];
}

const char *nl_type_name(nl_type type)
{
    static const char *const names[] = {[NL_F32] = "f32", [NL_F64] = "f64", [NL_BF16] = "bf16",
                                        [NL_F16] = "f16", [NL_U8] = "u8",   [NL_I64] = "i64"};
    return names[type];
}

nl_type nl_type_of_sums(nl_type type)
{
    return type == NL_BF16 ? NL_F32 : type;
}

nl_tensor nl_tensor_dense(nl_type type, int rank, const int64_t *dim)
{
    nl_tensor t = {.type = type, .rank = rank};
    int64_t step = 1;
    for (int i = rank - 1; i >= 0; i--) {
        t.dim[i] = dim[i];
        t.stride[i] = step;
        step = (int64_t)((uint64_t)step * (uint64_t)dim[i]); /* nl_tensor_bytes finds overflow */
    }
    return t;
}

int64_t nl_tensor_count(const nl_tensor *t)
{
    int64_t count = 1;
    for (int i = 0; i < t->rank; i++) count *= t->dim[i];
    return count;
}

bool nl_tensor_is_dense(const nl_tensor *t)
{
    int64_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->dim[i] != 1 && t->stride[i] != step) return false;
        step *= t->dim[i];
    }
    return true;
}

bool nl_tensor_same_shape(const nl_tensor *a, const nl_tensor *b)
{
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++)
        if (a->dim[i] != b->dim[i]) return false;
    return true;
}

int64_t nl_tensor_span(const nl_tensor *t)
{
    int64_t last = 0;
    for (int i = 0; i < t->rank; i++) {
        if (t->dim[i] == 0) return 0;
        last += (t->dim[i] - 1) * t->stride[i];
    }
    return last + 1;
}

nl_status nl_tensor_bytes(const nl_tensor *t, size_t *out)
{
    size_t span = 1, reach;
    bool empty = false;
    char text[160];
    for (int i = 0; i < t->rank; i++) {
        NL_REQUIRE(t->dim[i] >= 0 && t->stride[i] >= 0, NL_ENOMEM, "impossible shape %s",
                   nl_tensor_text(t, text, sizeof text));
        empty = empty || t->dim[i] == 0;
    }
    for (int i = 0; i < t->rank && !empty; i++) {
        NL_TRY(nl_size_mul((size_t)t->dim[i] - 1, (size_t)t->stride[i], &reach));
        NL_TRY(nl_size_add(span, reach, &span));
    }
    return nl_size_mul(empty ? 0 : span, nl_type_size(t->type), out);
}

nl_tensor nl_tensor_permute(const nl_tensor *t, const int *axis)
{
    nl_tensor view = *t;
    for (int i = 0; i < t->rank; i++) {
        view.dim[i] = t->dim[axis[i]];
        view.stride[i] = t->stride[axis[i]];
    }
    return view;
}

char *nl_tensor_text(const nl_tensor *t, char *out, size_t size)
{
    size_t used = (size_t)snprintf(out, size, "[");
    for (int i = 0; i < t->rank && used < size; i++)
        used +=
            (size_t)snprintf(out + used, size - used, "%s%lld", i ? "," : "", (long long)t->dim[i]);
    if (used < size) snprintf(out + used, size - used, "]");
    return out;
}
