nonlocal_SOURCES += %D%/main.c %D%/command.h %D%/args.c %D%/flags.c %D%/flags.h %D%/signals.c %D%/signals.h %D%/settle.c %D%/settle.h \
	%D%/table.c %D%/table.h %D%/progress.c %D%/progress.h %D%/netinfo.c %D%/netinfo.h \
	%D%/labels.c %D%/labels.h %D%/kinetics400.def %D%/inputs.c %D%/inputs.h \
	%D%/result.c %D%/result.h %D%/json_text.c %D%/json_text.h %D%/viewspec.c %D%/viewspec.h \
	%D%/session.c %D%/session.h %D%/device.c %D%/device.h %D%/room.c %D%/room.h %D%/trainer.c %D%/trainer.h %D%/schedule.c %D%/schedule.h %D%/load.c %D%/load.h \
	%D%/cmd_predict.c %D%/cmd_forward.c %D%/cmd_clip.c %D%/cmd_init.c %D%/cmd_convert.c \
	%D%/cmd_info.c %D%/cmd_bench.c %D%/bench.h %D%/bench_data.c %D%/bench_block.c %D%/bench_ops.c \
	%D%/bench_peak.c %D%/peak.c %D%/peak.h %D%/peak_loops.c %D%/peak_loops.h \
	%D%/bench_train.c %D%/train.h %D%/train_data.c %D%/train_folder.c \
	%D%/train_log.c %D%/checkpoint.c %D%/validate.c %D%/precise_bn.c %D%/train_memory.c %D%/cmd_bn_recompute.c \
	%D%/events.c %D%/events.h %D%/cmd_train.c %D%/cmd_eval.c %D%/eval.h %D%/eval_journal.c %D%/eval_report.c \
	%D%/eval_rescore.c %D%/lists.c %D%/lists.h %D%/outputs.c %D%/outputs.h %D%/jobs.c %D%/jobs.h \
	%D%/crew.c %D%/crew.h %D%/demo_scene.c %D%/demo_scene.h %D%/demo_data.c %D%/demo_data.h \
	%D%/cmd_demo.c %D%/cmd_make_list.c %D%/kinetics.c %D%/kinetics.h %D%/cmd_check_data.c %D%/cmd_prepare.c %D%/reencode.c %D%/reencode.h
