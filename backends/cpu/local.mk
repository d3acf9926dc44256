# Sources of this folder: libnl_cpu_la_SOURCES += %D%/name.c %D%/name.h
