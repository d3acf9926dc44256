# NL_WITH_CBLAS
# -------------
# Any library with the CBLAS interface will do: OpenBLAS, BLIS, netlib, ATLAS, MKL.
# --with-cblas=MODULE asks pkg-config for that module, --with-cblas='-L... -l...' takes the flags
# as given; without it the usual ones are tried, best first. Sets CBLAS_CFLAGS, CBLAS_LIBS,
# nl_have_cblas and nl_cblas_found (for the summary), and probes for the thread controls that
# cpu kernels need, since each library has its own.
AC_DEFUN([NL_WITH_CBLAS], [
  AC_ARG_WITH([cblas],
    [AS_HELP_STRING([--with-cblas=MODULE|LIBS],
      [pkg-config module or linker flags of a CBLAS @<:@openblas, blis, cblas, ...@:>@])],
    [], [with_cblas=yes])
  AC_ARG_VAR([CBLAS_CFLAGS], [compiler flags for cblas.h])
  AC_ARG_VAR([CBLAS_LIBS], [linker flags for CBLAS])
  nl_have_cblas=no
  nl_cblas_user_CFLAGS=$CBLAS_CFLAGS
  AC_MSG_CHECKING([for CBLAS])
  AS_IF([test "x$CBLAS_LIBS" != x], [NL_TRY_CBLAS([$nl_cblas_user_CFLAGS], [$CBLAS_LIBS])],
    [AS_CASE(["$with_cblas"],
      [no], [],
      [-*], [NL_TRY_CBLAS([$nl_cblas_user_CFLAGS], [$with_cblas])],
      [yes|check], [NL_TRY_CBLAS_LIST([openblas blis cblas blas -lopenblas -lblis -lcblas -lblas])],
      [NL_TRY_CBLAS_LIST([$with_cblas])])])
  AC_MSG_RESULT([$nl_have_cblas${nl_cblas_found:+ ($nl_cblas_found)}])

  AS_IF([test "x$nl_have_cblas" = xyes], [
    nl_save_LIBS=$LIBS
    LIBS="$CBLAS_LIBS $LIBS"
    AC_CHECK_FUNCS([openblas_set_num_threads openblas_get_corename bli_thread_set_num_threads \
      MKL_Set_Num_Threads_Local])
    LIBS=$nl_save_LIBS], [NL_MISSING([libopenblas-dev])])
])

# NL_TRY_CBLAS_LIST(CANDIDATES): the first that links; a word is a module, -l... are flags.
AC_DEFUN([NL_TRY_CBLAS_LIST], [
  for nl_candidate in $1; do
    test "x$nl_have_cblas" = xno || break
    AS_CASE([$nl_candidate],
      [-*], [NL_TRY_CBLAS([$nl_cblas_user_CFLAGS], [$nl_candidate])],
      [AS_IF([test "x$PKG_CONFIG" != x && $PKG_CONFIG --exists "$nl_candidate" 2>/dev/null],
        [NL_TRY_CBLAS([`$PKG_CONFIG --cflags $nl_candidate`],
          [`$PKG_CONFIG --libs $nl_candidate`])])])
  done
])

# NL_TRY_CBLAS(CFLAGS, LIBS): keeps the flags if a product links.
AC_DEFUN([NL_TRY_CBLAS], [
  nl_try_CFLAGS="$1"
  nl_try_LIBS="$2"
  NL_TRY_LINK([$nl_try_CFLAGS], [$nl_try_LIBS], [[#include <cblas.h>]],
    [[float a = 0, b = 0, c = 0;
      cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, 1, 1, 1, 1, &a, 1, &b, 1, 0, &c, 1);]],
    [nl_have_cblas=yes
     nl_cblas_found=$nl_try_LIBS
     CBLAS_CFLAGS=$nl_try_CFLAGS
     CBLAS_LIBS=$nl_try_LIBS])
])
