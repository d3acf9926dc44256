libnonlocal_la_SOURCES += %D%/status.c %D%/status.h %D%/memory.c %D%/memory.h %D%/log.c %D%/log.h \
	%D%/text.c %D%/text.h %D%/file.c %D%/file.h %D%/rng.c %D%/rng.h %D%/yaml.c %D%/yaml.h \
	%D%/config.h %D%/options.c %D%/options.h %D%/option_rows.c %D%/option_value.c \
	%D%/option_value.h %D%/option_blocks.c %D%/option_resolve.c %D%/option_write.c
