# Tests of the cpu backend: what is special to it; that it agrees with ref on everything is
# tests/ref.mk's.
check_PROGRAMS += %D%/test_cpu
%C%_test_cpu_SOURCES = %D%/test_cpu.c
%C%_test_cpu_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_cpu_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_winograd
%C%_test_winograd_SOURCES = %D%/test_winograd.c
%C%_test_winograd_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_winograd_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_cpu_vector
%C%_test_cpu_vector_SOURCES = %D%/test_cpu_vector.c
%C%_test_cpu_vector_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_cpu_vector_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_kernel
%C%_test_kernel_SOURCES = %D%/test_kernel.c
%C%_test_kernel_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_kernel_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_panels
%C%_test_panels_SOURCES = %D%/test_panels.c
%C%_test_panels_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_panels_LDADD = $(TEST_LDADD)
