# Tests of the program. clipmaker makes their videos.
noinst_PROGRAMS += %D%/clipmaker
%C%_clipmaker_SOURCES = %D%/clipmaker.c
%C%_clipmaker_CPPFLAGS = $(AM_CPPFLAGS)
%C%_clipmaker_LDADD = libnonlocal.la

dist_check_SCRIPTS += %D%/check-cli.sh %D%/check-train.sh %D%/check-eval.sh %D%/check-prepare.sh %D%/check-data.sh \
	%D%/check-demo.sh

check_PROGRAMS += %D%/test_demo
%C%_test_demo_SOURCES = %D%/test_demo.c \
	src/app/crew.c src/app/crew.h src/app/demo_data.c src/app/demo_data.h \
	src/app/demo_scene.c src/app/demo_scene.h src/app/progress.c src/app/progress.h \
	src/app/signals.c src/app/signals.h
%C%_test_demo_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_demo_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_events
%C%_test_events_SOURCES = %D%/test_events.c src/app/events.c src/app/events.h
%C%_test_events_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_events_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_training
%C%_test_training_SOURCES = %D%/test_training.c %D%/weights_case.c %D%/weights_case.h
%C%_test_training_CPPFLAGS = $(TEST_CPPFLAGS) $(JANSSON_CFLAGS)
%C%_test_training_LDADD = $(TEST_LDADD) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_room
%C%_test_room_SOURCES = %D%/test_room.c src/app/room.c src/app/room.h
%C%_test_room_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_room_LDADD = $(TEST_LDADD)
