check_PROGRAMS += %D%/test_network
%C%_test_network_SOURCES = %D%/test_network.c %D%/network.c %D%/network.h \
	src/app/netinfo.c src/app/netinfo.h src/app/table.c src/app/table.h
%C%_test_network_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_network_LDADD = $(TEST_LDADD)
