nonlocal_SOURCES += %D%/main.c %D%/command.h %D%/args.c %D%/flags.c %D%/flags.h %D%/signals.c %D%/signals.h %D%/waiting.c %D%/waiting.h \
	%D%/table.c %D%/table.h %D%/progress.c %D%/progress.h %D%/netinfo.c %D%/netinfo.h \
	%D%/labels.c %D%/labels.h %D%/kinetics400.def %D%/inputs.c %D%/inputs.h \
	%D%/result.c %D%/result.h %D%/viewspec.c %D%/viewspec.h \
	%D%/session.c %D%/session.h %D%/load.c %D%/load.h \
	%D%/cmd_predict.c %D%/cmd_forward.c %D%/cmd_clip.c %D%/cmd_init.c %D%/cmd_convert.c \
	%D%/cmd_info.c %D%/cmd_bench.c %D%/bench_data.c %D%/bench_data.h \
	%D%/crew.c %D%/crew.h %D%/demo_scene.c %D%/demo_scene.h %D%/demo_data.c %D%/demo_data.h \
	%D%/cmd_prepare.c %D%/reencode.c %D%/reencode.h
