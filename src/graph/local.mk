libnonlocal_la_SOURCES += %D%/graph.c %D%/graph.h %D%/infer.c %D%/infer.h %D%/infer_gradient.c \
	%D%/infer_gradient.h %D%/layers.c %D%/layers.h %D%/gradient.c %D%/gradient.h \
	%D%/gradient_rules.c %D%/rewrite.c %D%/rewrite.h %D%/fuse_gradient.c %D%/fuse_gradient.h %D%/carry.c %D%/carry.h %D%/recompute.c %D%/recompute.h \
	%D%/arena.c %D%/arena.h %D%/optimizer.c %D%/optimizer.h %D%/plan.c %D%/plan.h \
	%D%/plan_run.c %D%/plan_lanes.c %D%/plan_memory.c %D%/segment.c %D%/segment.h %D%/plan_inside.h
