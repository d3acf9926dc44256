libnonlocal_la_SOURCES += %D%/backends.def %D%/registry.c

include backends/ref/local.mk

# A library of its own, only for its flags: kernels that the compiler may vectorise and contract.
noinst_LTLIBRARIES += libnl_cpu.la
libnl_cpu_la_SOURCES =
libnl_cpu_la_CFLAGS = $(NL_CFLAGS) $(KERNEL_CFLAGS)
libnonlocal_la_LIBADD += libnl_cpu.la

include backends/cpu/local.mk
include backends/onednn/local.mk
