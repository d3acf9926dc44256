libnonlocal_la_SOURCES += %D%/sampling.c %D%/sampling.h %D%/resize.c %D%/resize.h \
	%D%/source.c %D%/source.h %D%/video.c %D%/video.h %D%/views.c %D%/views.h \
	%D%/stream.c %D%/stream.h
