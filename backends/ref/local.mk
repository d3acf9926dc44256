libnonlocal_la_SOURCES += %D%/ref.c %D%/ref.h %D%/conv.c %D%/pool.c %D%/pointwise.c \
	%D%/pairwise.c %D%/product.c %D%/gradient.c %D%/pairwise_dx.c %D%/train.c
