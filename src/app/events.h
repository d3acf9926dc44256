/* events.h - curves for TensorBoard: a file of events that its `--logdir` finds.
 *
 * Each event is a TFRecord (length, masked CRC-32C of the length, data, masked CRC-32C of the data;
 * all little-endian) that holds a protocol-buffer Event: wall_time 1, step 2, file_version 3,
 * summary 5 { value 1 { tag 1, simple_value 2 } } (tensorflow/core/util/event.proto).
 *
 * A resumed run opens a new file beside the old one; TensorBoard reads them as one run. One thread
 * per writer.
 */
#ifndef NL_EVENTS_H
#define NL_EVENTS_H

#include "src/core/status.h"

#include <stddef.h>
#include <stdint.h>

enum { NL_EVENTS_TAG_MAX = 256 }; /* bytes of a tag */

struct nl_events;

/* Makes `dir` (not its parents) if it is missing, and in it events.out.tfevents.<seconds>.nonlocal;
 * seconds since 1970, more where that name is taken. NL_EIO, NL_ENOMEM. */
nl_status nl_events_open(const char *dir, struct nl_events **out) NL_MUST_CHECK;

/* One point of the curve `tag` (UTF-8, such as "train/loss"). NL_EINVAL for an empty tag or a
 * longer one than NL_EVENTS_TAG_MAX; NL_EIO. */
nl_status nl_events_add(struct nl_events *events, int64_t step, const char *tag,
                        float value) NL_MUST_CHECK;

/* What was added is in the file, whatever happens to the program. NL_EIO. */
nl_status nl_events_flush(struct nl_events *events) NL_MUST_CHECK;

/* Flush first to learn whether all was written. NULL is allowed. */
void nl_events_close(struct nl_events *events);

/* The file's path; owned by `events`. */
const char *nl_events_path(const struct nl_events *events);

/* CRC-32C (Castagnoli; RFC 3720, appendix B.4). */
uint32_t nl_crc32c(const void *data, size_t size);

#endif
