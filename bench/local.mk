# `make bench` builds and runs; nothing here is installed or tested.
EXTRA_PROGRAMS = %D%/bench_ops
%C%_bench_ops_SOURCES = %D%/bench_ops.c
%C%_bench_ops_LDADD = libnonlocal.la -lm
CLEANFILES += $(EXTRA_PROGRAMS)

bench: %D%/bench_ops$(EXEEXT)
	$(builddir)/%D%/bench_ops$(EXEEXT)

.PHONY: bench
