libnonlocal_la_SOURCES += %D%/tensor.c %D%/tensor.h %D%/ops.c %D%/ops.h %D%/ops.def \
	%D%/backend.c %D%/backend.h %D%/half.h %D%/npy.c %D%/npy.h %D%/params.c %D%/params.h
