# NL_WITH_JANSSON
# ---------------
# Reads and writes JSON: label files, safetensors headers, results. See NL_DEPENDENCY.
AC_DEFUN([NL_WITH_JANSSON], [
  NL_DEPENDENCY([jansson], [JANSSON], [jansson >= 2.10], [-ljansson], [libjansson-dev],
    [[#include <jansson.h>]], [[json_decref(json_object());]])
])
