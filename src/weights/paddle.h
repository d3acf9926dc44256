/* paddle.h - Paddle's tensor streams (framework/tensor_util.cc): several in a file, or one a file.
 *
 * A stream is u32 0 | u64 levels, each u64 size and as many bytes | u32 0 | i32 length of a
 * protobuf TensorDesc | TensorDesc {1: data type, 2: repeated int64 dims} | row-major little-endian
 * data.
 */
#ifndef NL_PADDLE_H
#define NL_PADDLE_H

#include "src/weights/state.h"

/* Whether the data begins as a stream does. */
bool nl_paddle_is(const unsigned char *data, size_t size);

/* Adds the streams of the file mapped in state->maps[0], nameless, in the file's order. NL_EIO. */
nl_status nl_paddle_read_combined(struct nl_state *state) NL_MUST_CHECK;

/* Adds each stream of folder state->path under its file's name; other files are listed in
 * state->ignored. NL_EIO. */
nl_status nl_paddle_read_folder(struct nl_state *state) NL_MUST_CHECK;

#endif
