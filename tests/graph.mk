check_PROGRAMS += %D%/test_graph
%C%_test_graph_SOURCES = %D%/test_graph.c
%C%_test_graph_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_graph_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_segment
%C%_test_segment_SOURCES = %D%/test_segment.c
%C%_test_segment_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_segment_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_plan
%C%_test_plan_SOURCES = %D%/test_plan.c
%C%_test_plan_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_plan_LDADD = $(TEST_LDADD)
