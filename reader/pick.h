/* pick.h - some frames of a video, with no more decoding than they need.
 *
 * Decoding starts at the key packet before a frame, and leaves out packets that no wanted frame
 * needs. Frames are told by their packets, whose times number them (index.h). What is given is what
 * nl_video_next gives for that number: where the index, the decoder or its messages leave a doubt,
 * nothing is given, and the caller decodes from the start. Damage before the key packet that
 * swallows whole frames is not seen, and so not numbered away.
 */
#ifndef NL_PICK_H
#define NL_PICK_H

#include "reader/video.h"

/* Right after nl_video_open or nl_video_rewind. `numbers`: ascending, all different, from 0 to
 * frames - 1. *can: whether this video's index is good for it; if not, nothing has changed. */
nl_status nl_video_pick(struct nl_video *video, const int64_t *numbers, int count,
                        bool *can) NL_MUST_CHECK;

/* The next of them, for nl_video_image. *number is -1 where it cannot be had like this: the caller
 * rewinds, and reads on with nl_video_next. Errors as nl_video_next. */
nl_status nl_video_next_picked(struct nl_video *video, int64_t *number) NL_MUST_CHECK;

#endif
