# `make bench` prints every op and block against what the machine can do; BENCH_FLAGS are the
# program's, such as BENCH_FLAGS='--backend=cpu --repeat=20'. Nothing here is installed.
EXTRA_DIST += %D%/ops.sh %D%/scaling.py

bench: nonlocal$(EXEEXT)
	$(srcdir)/%D%/ops.sh ./nonlocal$(EXEEXT) $(BENCH_FLAGS)

.PHONY: bench
