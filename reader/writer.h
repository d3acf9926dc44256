/* writer.h - a video file written frame by frame, small and quick to read at any place.
 *
 * H.264 (libx264) where FFmpeg has it, else MPEG-4; 4:2:0, no frame refers to a later one. The
 * ending of the path names the container, MP4 where it names none. The same frames give the same
 * bytes with the same FFmpeg: one thread, no dates. The file appears whole, when it is finished.
 */
#ifndef NL_WRITER_H
#define NL_WRITER_H

#include "reader/video.h"

struct nl_writer_spec {
    int width, height; /* of the video, even, 2 to 16384; frames of other sizes are resized */
    double fps;        /* 0: 25 */
    int key_interval;  /* a key frame at least every so many frames; from 1 */
    int quality;       /* 0 (best, in practice lossless) to 51; 18 is hard to tell from the best */
    bool bgr;          /* frames are BGR, as those of video.h, instead of RGB */
};

struct nl_writer;

/* NL_EINVAL for a spec out of range; NL_EIO if the file cannot be written or there is no encoder;
 * NL_ENOMEM. */
nl_status nl_writer_open(const char *path, const struct nl_writer_spec *spec,
                         struct nl_writer **out) NL_MUST_CHECK;

/* What FFmpeg's loops over rows of pixels may read behind the last row. */
enum { NL_WRITER_PAD = 64 };

/* Appends a frame; NL_WRITER_PAD bytes behind it have to be there. NL_EIO, NL_ENOMEM. */
nl_status nl_writer_add(struct nl_writer *writer, const struct nl_image *image) NL_MUST_CHECK;

/* Exactly one of these ends a writer that was opened. finish: NL_EIO, and no file (or the old one),
 * if anything could not be written. */
nl_status nl_writer_finish(struct nl_writer *writer) NL_MUST_CHECK;
void nl_writer_abort(struct nl_writer *writer); /* NULL is allowed */

#endif
