# Every test program uses this and TEST_LDADD, every plug-in of the tests TEST_MODULE_LDFLAGS; those
# come from configure. Plug-ins are built into $NL_TEST_PLUGINS.
TEST_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)

# Tests find their fixtures by environment. NL_SHARED is a folder of further cases that some
# checkouts have beside them; tests that want it say "skip: ..." where it is not set. Tests run more
# threads than there may be processors: those that wait must not spin.
AM_TESTS_ENVIRONMENT = \
	NL_FIXTURES='$(abs_top_srcdir)/tests/fixtures'; export NL_FIXTURES; \
	NL_PROGRAM='$(abs_top_builddir)/nonlocal'; export NL_PROGRAM; \
	NL_CONFIG='$(abs_top_srcdir)/configs/nonlocal.yaml'; export NL_CONFIG; \
	NL_TEST_PLUGINS='$(abs_top_builddir)/tests/.libs'; export NL_TEST_PLUGINS; \
	if test -z "$${NL_SHARED+set}" && test -d '$(abs_top_srcdir)/../shared'; then \
	  NL_SHARED='$(abs_top_srcdir)/../shared'; export NL_SHARED; \
	fi; \
	CK_DEFAULT_TIMEOUT=$${CK_DEFAULT_TIMEOUT-300}; export CK_DEFAULT_TIMEOUT; \
	OMP_WAIT_POLICY=passive; export OMP_WAIT_POLICY; \
	UBSAN_OPTIONS=print_stacktrace=1; export UBSAN_OPTIONS;

dist_check_SCRIPTS += %D%/check-layers.sh %D%/check-registry.sh %D%/check-banned.sh \
	%D%/check-docs.sh %D%/check-run.sh
EXTRA_DIST += %D%/fixtures

# The test programs once more, slowly. Children (Check forks) are watched too.
check-valgrind:
	CK_TIMEOUT_MULTIPLIER=30 $(MAKE) $(AM_MAKEFLAGS) check TESTS='$(check_PROGRAMS)' \
	  LOG_COMPILER='$(abs_top_builddir)/libtool --mode=execute valgrind' \
	  LOG_FLAGS='-q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
	    --errors-for-leak-kinds=definite'

if NL_HAVE_CHECK
include tests/core.mk
include tests/weights.mk
include tests/reader.mk
include tests/ref.mk
include tests/cpu.mk
include tests/onednn.mk
include tests/graph.mk
include tests/model.mk
include tests/app.mk
endif
