# Of src/app, what is part of the library: plug-ins are loaded by other programs too.
libnonlocal_la_SOURCES += %D%/plugin.c %D%/plugin.h
