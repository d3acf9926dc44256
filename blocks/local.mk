libnonlocal_la_SOURCES += %D%/block.h %D%/parts.c %D%/parts.h %D%/registry.c %D%/blocks.def \
	%D%/embedded_gaussian.c %D%/gaussian.c %D%/dot_product.c %D%/concatenation.c
