# Tests of the program. clipmaker makes their videos.
noinst_PROGRAMS += %D%/clipmaker
%C%_clipmaker_SOURCES = %D%/clipmaker.c
%C%_clipmaker_CPPFLAGS = $(AM_CPPFLAGS)
%C%_clipmaker_LDADD = libnonlocal.la

dist_check_SCRIPTS += %D%/check-cli.sh
