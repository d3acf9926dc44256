/* latin1.h - bytes that were written as a UTF-8 text, one character of U+0000 to U+00FF each. */
#ifndef NL_LATIN1_H
#define NL_LATIN1_H

#include <stdbool.h>
#include <stddef.h>

/* Decodes `size` bytes of text into exactly `count` bytes. False if it holds another number of
 * characters, or anything but such characters; `out` is then undefined. */
bool nl_latin1_decode(const unsigned char *text, size_t size, unsigned char *out, size_t count);

#endif
