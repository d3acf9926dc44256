libnonlocal_la_SOURCES += %D%/tensor.c %D%/tensor.h %D%/ops.c %D%/ops.h %D%/ops.def \
	%D%/backend.c %D%/backend.h %D%/half.h %D%/npy.c %D%/npy.h %D%/params.c %D%/params.h

# How processors are counted: by OpenMP's runtime where there is one.
if NL_HAVE_OPENMP
libnonlocal_la_SOURCES += %D%/processors_openmp.c
else
libnonlocal_la_SOURCES += %D%/processors.c
endif
