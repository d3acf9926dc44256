# Sources of this folder: nonlocal_SOURCES += %D%/name.c %D%/name.h
