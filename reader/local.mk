libnonlocal_la_SOURCES += %D%/compat.h %D%/container.c %D%/container.h %D%/hash.c %D%/hash.h %D%/ffmpeg_log.c \
	%D%/layout.c %D%/layout.h %D%/loader.c %D%/loader.h %D%/train_clip.c %D%/train_clip.h %D%/picture.c %D%/picture.h %D%/resize.c %D%/resize.h \
	%D%/sampling.c %D%/sampling.h %D%/stream.c %D%/stream.h %D%/video.c %D%/video.h \
	%D%/views.c %D%/views.h \
	%D%/writer.c %D%/writer.h
