libnonlocal_la_SOURCES += %D%/adopt.c %D%/apply.c %D%/apply.h %D%/convert.c %D%/convert.h \
	%D%/describe.c %D%/describe.h %D%/dictionary.c %D%/dictionary.h %D%/fit.c %D%/fit.h \
	%D%/latin1.c %D%/latin1.h %D%/load.c %D%/names.c %D%/names.h \
	%D%/paddle.c %D%/paddle.h %D%/pickle.c %D%/pickle.h %D%/pickle_machine.h \
	%D%/pickle_numpy.c %D%/pickle_ops.c %D%/pickle_text.c %D%/raw.c %D%/raw.h \
	%D%/safetensors.c %D%/safetensors.h %D%/safetensors_write.c %D%/save.c %D%/state.c \
	%D%/state.h %D%/state_build.h
