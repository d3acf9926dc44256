if NL_HAVE_ONEDNN
libnonlocal_la_SOURCES += %D%/onednn.c %D%/onednn.h %D%/conv.c %D%/conv_dw.c %D%/conv_dw_product.c \
  %D%/product.c %D%/shape.c %D%/shape.h %D%/tiles.c %D%/tiles.h %D%/dnnl.c %D%/dnnl.h
libnonlocal_la_LIBADD += $(ONEDNN_LIBS)
if NL_ONEDNN_2
libnonlocal_la_SOURCES += %D%/dnnl_2.c
else
libnonlocal_la_SOURCES += %D%/dnnl_3.c
endif
endif
