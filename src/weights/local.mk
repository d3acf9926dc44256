# Sources of this folder: libnonlocal_la_SOURCES += %D%/name.c %D%/name.h
