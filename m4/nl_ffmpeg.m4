# NL_WITH_FFMPEG
# --------------
# The libraries that decode videos, of FFmpeg 4.4 (Ubuntu 22.04) or newer. The reader uses no
# other part of FFmpeg. See NL_DEPENDENCY for what is set.
AC_DEFUN([NL_WITH_FFMPEG], [
  NL_DEPENDENCY([ffmpeg], [FFMPEG],
    [libavformat >= 58.76 libavcodec >= 58.134 libavutil >= 56.70 libswscale >= 5.9],
    [-lavformat -lavcodec -lswscale -lavutil],
    [libavformat-dev libavcodec-dev libavutil-dev libswscale-dev],
    [[#include <libavcodec/avcodec.h>
      #include <libavformat/avformat.h>
      #include <libswscale/swscale.h>]],
    [[avformat_free_context(avformat_alloc_context());
      sws_freeContext(NULL);
      return avcodec_version() == 0;]])
])
