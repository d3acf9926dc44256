# Tests of tensors, backends and ops: one program per source file.
check_PROGRAMS += %D%/test_tensor
%C%_test_tensor_SOURCES = %D%/test_tensor.c
%C%_test_tensor_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_tensor_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_backend
%C%_test_backend_SOURCES = %D%/test_backend.c
%C%_test_backend_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_backend_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_params
%C%_test_params_SOURCES = %D%/test_params.c
%C%_test_params_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_params_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_ops
%C%_test_ops_SOURCES = %D%/test_ops.c %D%/op_cases.c %D%/opcase.c %D%/opcase.h
%C%_test_ops_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_ops_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_ops_known
%C%_test_ops_known_SOURCES = %D%/test_ops_known.c %D%/opcase.c %D%/opcase.h
%C%_test_ops_known_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_ops_known_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_pairwise
%C%_test_pairwise_SOURCES = %D%/test_pairwise.c %D%/opcase.c %D%/opcase.h
%C%_test_pairwise_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_pairwise_LDADD = $(TEST_LDADD)
