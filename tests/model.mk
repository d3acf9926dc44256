check_PROGRAMS += %D%/test_network
%C%_test_network_SOURCES = %D%/test_network.c %D%/network.c %D%/network.h \
	src/app/netinfo.c src/app/netinfo.h src/app/table.c src/app/table.h
%C%_test_network_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_network_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_fixtures_block
%C%_test_fixtures_block_SOURCES = %D%/test_fixtures_block.c %D%/fixture.c %D%/fixture.h
%C%_test_fixtures_block_CPPFLAGS = $(TEST_CPPFLAGS) $(JANSSON_CFLAGS)
%C%_test_fixtures_block_LDADD = $(TEST_LDADD) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_fixtures_network
%C%_test_fixtures_network_SOURCES = %D%/test_fixtures_network.c %D%/fixture.c %D%/fixture.h \
	%D%/network.c %D%/network.h
%C%_test_fixtures_network_CPPFLAGS = $(TEST_CPPFLAGS) $(JANSSON_CFLAGS)
%C%_test_fixtures_network_LDADD = $(TEST_LDADD) $(JANSSON_LIBS)

check_PROGRAMS += %D%/test_gradient
%C%_test_gradient_SOURCES = %D%/test_gradient.c %D%/network.c %D%/network.h
%C%_test_gradient_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_gradient_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_optimizer
%C%_test_optimizer_SOURCES = %D%/test_optimizer.c %D%/network.c %D%/network.h
%C%_test_optimizer_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_optimizer_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_carry
%C%_test_carry_SOURCES = %D%/test_carry.c
%C%_test_carry_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_carry_LDADD = $(TEST_LDADD)

check_PROGRAMS += %D%/test_block_memory
%C%_test_block_memory_SOURCES = %D%/test_block_memory.c
%C%_test_block_memory_CPPFLAGS = $(TEST_CPPFLAGS)
%C%_test_block_memory_LDADD = $(TEST_LDADD)
