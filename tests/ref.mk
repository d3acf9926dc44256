# Tests of tensors, backends and ops: one program per source file.
check_PROGRAMS += %D%/test_ops
%C%_test_ops_SOURCES = %D%/test_ops.c %D%/op_cases.c %D%/opcase.c %D%/opcase.h
%C%_test_ops_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_ops_LDADD = $(TEST_LDADD)
