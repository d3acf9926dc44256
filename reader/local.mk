libnonlocal_la_SOURCES += %D%/compat.h %D%/container.c %D%/container.h %D%/ffmpeg_log.c \
	%D%/hash.c %D%/hash.h %D%/index.c %D%/index.h %D%/layout.c %D%/layout.h %D%/level.c \
	%D%/level.h %D%/loader.c %D%/loader.h %D%/npy_clip.c %D%/npy_clip.h %D%/pick.c %D%/pick.h \
	%D%/picture.c %D%/picture.h %D%/resize.c %D%/resize.h %D%/sampling.c %D%/sampling.h \
	%D%/stream.c %D%/stream.h %D%/train_clip.c %D%/train_clip.h %D%/video.c %D%/video.h \
	%D%/video_state.h %D%/views.c %D%/views.h %D%/writer.c %D%/writer.h
