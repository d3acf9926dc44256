# Tests of the onednn backend: what it serves, and what is special to it; that it agrees with ref on
# everything is tests/ref.mk's.
if NL_HAVE_ONEDNN
check_PROGRAMS += %D%/test_onednn %D%/test_onednn_served
%C%_test_onednn_SOURCES = %D%/test_onednn.c %D%/opcase.c %D%/opcase.h
%C%_test_onednn_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_onednn_LDADD = $(TEST_LDADD)
%C%_test_onednn_served_SOURCES = %D%/test_onednn_served.c %D%/beside.h %D%/opcase.c %D%/opcase.h
%C%_test_onednn_served_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_onednn_served_LDADD = $(TEST_LDADD)
endif
