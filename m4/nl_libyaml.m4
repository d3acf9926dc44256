# NL_WITH_LIBYAML
# ---------------
# The parser of configuration files. See NL_DEPENDENCY for what is set.
AC_DEFUN([NL_WITH_LIBYAML], [
  NL_DEPENDENCY([libyaml], [LIBYAML], [yaml-0.1 >= 0.2], [-lyaml], [libyaml-dev],
    [[#include <yaml.h>]],
    [[yaml_parser_t parser;
      return yaml_parser_initialize(&parser);]])
])
