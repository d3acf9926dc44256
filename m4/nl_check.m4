# NL_WITH_CHECK
# -------------
# The unit test framework. Without it the library and the program are built and `make check` runs
# the shell tests only. See NL_DEPENDENCY for what is set.
AC_DEFUN([NL_WITH_CHECK], [
  NL_DEPENDENCY([check], [CHECK], [check >= 0.15], [-lcheck], [check],
    [[#include <check.h>]], [[srunner_free(srunner_create(suite_create("")));]])
  AM_CONDITIONAL([NL_HAVE_CHECK], [test "x$nl_have_check" = xyes])
])
