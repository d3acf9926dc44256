# Tests of this area: one program per source file.
check_PROGRAMS += %D%/test_reader %D%/test_reader_shared %D%/test_writer

%C%_test_reader_SOURCES = %D%/test_reader.c %D%/clip_maker.c %D%/clip_maker.h
%C%_test_reader_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_reader_LDADD = $(TEST_LDADD)

%C%_test_reader_shared_SOURCES = %D%/test_reader_shared.c
%C%_test_reader_shared_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_reader_shared_LDADD = $(TEST_LDADD)

%C%_test_writer_SOURCES = %D%/test_writer.c
%C%_test_writer_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_writer_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_train_clip %D%/test_loader
%C%_test_train_clip_SOURCES = %D%/test_train_clip.c %D%/coded_clip.c %D%/coded_clip.h
%C%_test_train_clip_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_train_clip_LDADD = $(TEST_LDADD) $(FFMPEG_LIBS)

%C%_test_loader_SOURCES = %D%/test_loader.c %D%/coded_clip.c %D%/coded_clip.h
%C%_test_loader_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_loader_LDADD = $(TEST_LDADD) $(FFMPEG_LIBS)
