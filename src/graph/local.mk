libnonlocal_la_SOURCES += %D%/graph.c %D%/graph.h %D%/infer.c %D%/infer.h %D%/layers.c %D%/layers.h \
	%D%/rewrite.c %D%/rewrite.h %D%/arena.c %D%/arena.h %D%/plan.c %D%/plan.h
