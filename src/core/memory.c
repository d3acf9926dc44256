#include "src/core/memory.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static atomic_long fail_countdown;

void nl_memory_fail_nth(long nth)
{
    atomic_store(&fail_countdown, nth);
}

static bool told_to_fail(void)
{
    return atomic_load(&fail_countdown) > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1;
}

/* Stores `block` through `out`, the address of any object pointer. */
static nl_status deliver(void *block, size_t bytes, void *out)
{
    memcpy(out, &block, sizeof block);
    NL_REQUIRE(block, NL_ENOMEM, "out of memory: %zu bytes wanted", bytes);
    return NL_OK;
}

size_t nl_align_up(size_t bytes)
{
    return (bytes + NL_ALIGN - 1) / NL_ALIGN * NL_ALIGN;
}

nl_status nl_alloc(size_t bytes, void *out)
{
    if (bytes > SIZE_MAX - NL_ALIGN || told_to_fail()) return deliver(NULL, bytes, out);
    const size_t rounded = nl_align_up(bytes ? bytes : 1);
    return deliver(aligned_alloc(NL_ALIGN, rounded), bytes, out);
}

nl_status nl_calloc(size_t count, size_t size, void *out)
{
    size_t bytes = 0;
    void *const none = NULL;
    memcpy(out, &none, sizeof none);
    NL_TRY(nl_size_mul(count, size, &bytes));
    return deliver(told_to_fail() ? NULL : calloc(bytes ? bytes : 1, 1), bytes, out);
}

nl_status nl_resize(void *pointer, size_t count, size_t size)
{
    size_t bytes = 0;
    void *old = NULL;
    NL_TRY(nl_size_mul(count, size, &bytes));
    memcpy(&old, pointer, sizeof old);
    void *block = told_to_fail() ? NULL : realloc(old, bytes ? bytes : 1);
    NL_REQUIRE(block, NL_ENOMEM, "out of memory: %zu bytes wanted", bytes);
    memcpy(pointer, &block, sizeof block);
    return NL_OK;
}

nl_status nl_copy_text(const char *text, char **out)
{
    const size_t bytes = strlen(text) + 1;
    NL_TRY(nl_calloc(bytes, 1, out));
    memcpy(*out, text, bytes);
    return NL_OK;
}

void nl_free(void *pointer)
{
    free(pointer);
}

nl_status nl_size_mul(size_t a, size_t b, size_t *out)
{
    NL_REQUIRE(b == 0 || a <= SIZE_MAX / b, NL_ENOMEM, "size overflows: %zu x %zu", a, b);
    *out = a * b;
    return NL_OK;
}

nl_status nl_size_add(size_t a, size_t b, size_t *out)
{
    NL_REQUIRE(a <= SIZE_MAX - b, NL_ENOMEM, "size overflows: %zu + %zu", a, b);
    *out = a + b;
    return NL_OK;
}
