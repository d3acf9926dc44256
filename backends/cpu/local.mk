libnl_cpu_la_SOURCES += %D%/cpu.c %D%/cpu.h %D%/multiply.c %D%/multiply.h \
	%D%/vector.c %D%/vector.h %D%/vector_body.h %D%/exp.h %D%/lines.h \
	%D%/pointwise.c %D%/pool.c %D%/product.c \
	%D%/kernel.c %D%/kernel.h %D%/processor.h %D%/kernel_avx2.c %D%/kernel_avx512.c %D%/kernel_avx512bf16.c \
	%D%/amx.h %D%/kernel_amx.c %D%/kernel_512_half.h %D%/kernel_512_row.h %D%/kernel_512_rows.h %D%/kernel_512_run.h \
	%D%/kernel_512_moments.h %D%/kernel_amx_tiles.h %D%/kernel_amx_x3.c %D%/thirds.c %D%/thirds.h %D%/stacks.c %D%/stacks.h \
	%D%/conv.c %D%/conv.h %D%/conv_blas.c %D%/conv_packed.c %D%/conv_pack.c %D%/conv_lines.c \
	%D%/moments.c %D%/moments.h \
	%D%/conv_winograd.c %D%/conv_winograd_dw.c %D%/conv_lines_dw.c \
	%D%/winograd.c %D%/winograd.h %D%/winograd_pack.c %D%/winograd_pack.h \
	%D%/winograd_tiles.c %D%/winograd_tiles.h \
	%D%/bn.c %D%/pairwise_dx.c %D%/pairwise_dx.h %D%/pairwise_dx_half.c %D%/pairwise_dx_products.c \
	%D%/panels.c %D%/panels.h %D%/turn.c %D%/turn.h %D%/pairwise_dx_reassociated.c \
	%D%/pairwise_dx_sorted.c %D%/sorted.c %D%/sorted.h %D%/vector_sweep.c %D%/vector_sweep.h %D%/pool_dx.c %D%/vector_train.c \
	%D%/vector_train.h %D%/conv_dx.c %D%/conv_dw.c %D%/conv_dw.h %D%/conv_dw_end.c %D%/widened.c %D%/optimizer.c \
	%D%/pairwise.c %D%/pairwise.h %D%/pairwise_packed.c %D%/pairwise_half.c \
	%D%/pairwise_reassociated.c %D%/pairwise_sorted.c %D%/links.c %D%/links.h
