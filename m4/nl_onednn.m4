# NL_WITH_ONEDNN
# --------------
# oneDNN, version 2.6 or 3, built for OpenMP: its threads are then ours. --with-onednn=DIR looks in
# DIR/include and DIR/lib, yes makes it required, no leaves it alone. Few installations have a
# pkg-config file, so it is found by linking. Sets ONEDNN_CFLAGS, ONEDNN_LIBS, nl_have_onednn and
# nl_onednn_found (its version), and the conditionals NL_HAVE_ONEDNN and NL_ONEDNN_2.
AC_DEFUN([NL_WITH_ONEDNN], [
  AC_REQUIRE([NL_WITH_OPENMP])
  AC_ARG_WITH([onednn],
    [AS_HELP_STRING([--with-onednn@<:@=DIR|yes|no|check@:>@],
      [faster convolutions by oneDNN @<:@check@:>@])],
    [], [with_onednn=check])
  AC_ARG_VAR([ONEDNN_CFLAGS], [compiler flags for oneDNN])
  AC_ARG_VAR([ONEDNN_LIBS], [linker flags for oneDNN])
  nl_have_onednn=no
  nl_onednn_found=
  test "x$ONEDNN_LIBS" != x || ONEDNN_LIBS=-ldnnl
  AS_CASE(["$with_onednn"],
    [yes|no|check], [],
    [ONEDNN_CFLAGS="-I$with_onednn/include"
     ONEDNN_LIBS="-L$with_onednn/lib -ldnnl"])
  AS_IF([test "x$with_onednn" != xno], [
    AC_MSG_CHECKING([for oneDNN with OpenMP])
    AS_IF([test "x$nl_have_openmp" = xyes], [
      NL_TRY_ONEDNN([3], [dnnl_memory_desc_create_with_tag(&md, 1, dims, dnnl_f32, dnnl_a);])
      AS_IF([test "x$nl_have_onednn" = xno], [
        NL_TRY_ONEDNN([2], [dnnl_memory_desc_init_by_tag(&md, 1, dims, dnnl_f32, dnnl_a);])])])
    AC_MSG_RESULT([$nl_have_onednn${nl_onednn_found:+ (version $nl_onednn_found)}])
    AS_IF([test "x$nl_have_onednn" = xno], [
      AS_IF([test "x$with_onednn" != xcheck], [
        AC_MSG_ERROR([--with-onednn: no oneDNN with OpenMP links; on Debian: libdnnl-dev])])
      NL_MISSING([libdnnl-dev])])])
  AS_IF([test "x$nl_have_onednn" = xyes],
    [AC_DEFINE([NL_HAVE_ONEDNN], [1], [the backend onednn is built])],
    [ONEDNN_CFLAGS=
     ONEDNN_LIBS=])
  AM_CONDITIONAL([NL_HAVE_ONEDNN], [test "x$nl_have_onednn" = xyes])
  AM_CONDITIONAL([NL_ONEDNN_2], [test "x$nl_onednn_found" = x2])
])

# NL_TRY_ONEDNN(VERSION, CALL): keeps the flags if a call of that version links.
AC_DEFUN([NL_TRY_ONEDNN], [
  NL_TRY_LINK([$ONEDNN_CFLAGS], [$ONEDNN_LIBS], [[
      #include <oneapi/dnnl/dnnl.h>
      #if DNNL_CPU_RUNTIME != DNNL_RUNTIME_OMP
      #error built for another runtime than OpenMP
      #endif]],
    [[dnnl_memory_desc_t md;
      dnnl_dims_t dims = {1};
      $2]],
    [nl_have_onednn=yes
     nl_onednn_found=$1])
])
