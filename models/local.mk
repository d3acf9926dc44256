libnonlocal_la_SOURCES += %D%/model.h %D%/registry.c %D%/models.def %D%/arc.c %D%/arc.h %D%/resnet.c
