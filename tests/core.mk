# Tests of src/core and of the program's flags: one program per source file.
check_PROGRAMS += %D%/test_status
%C%_test_status_SOURCES = %D%/test_status.c
%C%_test_status_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_status_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_memory
%C%_test_memory_SOURCES = %D%/test_memory.c
%C%_test_memory_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_memory_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_text
%C%_test_text_SOURCES = %D%/test_text.c
%C%_test_text_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_text_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_rng
%C%_test_rng_SOURCES = %D%/test_rng.c
%C%_test_rng_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_rng_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_file
%C%_test_file_SOURCES = %D%/test_file.c
%C%_test_file_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_file_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_options
%C%_test_options_SOURCES = %D%/test_options.c %D%/settings.c %D%/settings.h
%C%_test_options_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_options_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_config
%C%_test_config_SOURCES = %D%/test_config.c %D%/settings.c %D%/settings.h
%C%_test_config_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_config_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_args
%C%_test_args_SOURCES = %D%/test_args.c %D%/settings.c %D%/settings.h \
	src/app/args.c src/app/flags.c src/app/flags.h src/app/command.h
%C%_test_args_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_args_LDADD = $(TEST_LDADD)
