/* memory.h - host memory: checked, aligned, and able to fail on demand in tests.
 *
 * `out` is always the address of a pointer (any object pointer type); it is set
 * to NULL on failure. Everything is released with nl_free.
 */
#ifndef NL_MEMORY_H
#define NL_MEMORY_H

#include "src/core/status.h"

#include <stdbool.h>
#include <stddef.h>

enum { NL_ALIGN = 64 }; /* bytes; of every tensor buffer and workspace */

/* 64-byte aligned, not initialised. Zero bytes give a valid pointer. NL_ENOMEM. */
nl_status nl_alloc(size_t bytes, void *out) NL_MUST_CHECK;

/* `count` zeroed elements of `size` bytes; the product is checked. NL_ENOMEM. */
nl_status nl_calloc(size_t count, size_t size, void *out) NL_MUST_CHECK;

/* Resizes `*pointer` (the address of a pointer, which may hold NULL) to `count` elements of
 * `size` bytes, like realloc; on NL_ENOMEM the old block stays valid. */
nl_status nl_resize(void *pointer, size_t count, size_t size) NL_MUST_CHECK;

/* A copy of `text` for nl_free. NL_ENOMEM. */
nl_status nl_copy_text(const char *text, char **out) NL_MUST_CHECK;

/* NULL is allowed. */
void nl_free(void *pointer);

/* *out = a * b (a + b); NL_ENOMEM with a message where size_t overflows. */
nl_status nl_size_mul(size_t a, size_t b, size_t *out) NL_MUST_CHECK;
nl_status nl_size_add(size_t a, size_t b, size_t *out) NL_MUST_CHECK;

/* `bytes` rounded up to a multiple of NL_ALIGN. */
size_t nl_align_up(size_t bytes);

/* Test hook: the nth allocation from now (1 = the next) fails once; 0 switches it off. */
void nl_memory_fail_nth(long nth);

#endif
