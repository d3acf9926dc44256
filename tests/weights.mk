# Tests of weights files. They share weights_case.c.

check_PROGRAMS += %D%/test_weights_forms
%C%_test_weights_forms_SOURCES = %D%/test_weights_forms.c %D%/weights_case.c %D%/weights_case.h
%C%_test_weights_forms_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_weights_forms_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_weights_pickle
%C%_test_weights_pickle_SOURCES = %D%/test_weights_pickle.c %D%/weights_case.c %D%/weights_case.h
%C%_test_weights_pickle_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_weights_pickle_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_weights_safetensors
%C%_test_weights_safetensors_SOURCES = %D%/test_weights_safetensors.c %D%/weights_case.c %D%/weights_case.h
%C%_test_weights_safetensors_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_weights_safetensors_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_weights_apply
%C%_test_weights_apply_SOURCES = %D%/test_weights_apply.c %D%/weights_case.c %D%/weights_case.h
%C%_test_weights_apply_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_weights_apply_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_weights_describe
%C%_test_weights_describe_SOURCES = %D%/test_weights_describe.c %D%/weights_case.c %D%/weights_case.h
%C%_test_weights_describe_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_weights_describe_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_weights_broken
%C%_test_weights_broken_SOURCES = %D%/test_weights_broken.c %D%/weights_case.c %D%/weights_case.h
%C%_test_weights_broken_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_weights_broken_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_npy
%C%_test_npy_SOURCES = %D%/test_npy.c %D%/weights_case.c %D%/weights_case.h
%C%_test_npy_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_npy_LDADD = $(TEST_LDADD)
