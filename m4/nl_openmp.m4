# NL_WITH_OPENMP
# --------------
# AC_OPENMP, which brings --disable-openmp. Where it is off, pragmas are not worth a warning, nor
# are parameters that only pragmas name.
# ThreadSanitizer does not understand OpenMP's runtime, so --enable-tsan switches it off.
AC_DEFUN([NL_WITH_OPENMP], [
  AC_REQUIRE([NL_SANITIZERS])
  AS_IF([test "x$enable_tsan" = xyes], [enable_openmp=no])
  AC_OPENMP
  AS_IF([test "x$enable_openmp" = xno], [ac_cv_prog_c_openmp=no])
  AS_CASE(["$ac_cv_prog_c_openmp"],
    [no|unsupported], [nl_have_openmp=no
      OPENMP_CFLAGS=
      NL_APPEND_FLAGS([OPENMP_CFLAGS], [-fopenmp-simd -Wno-unknown-pragmas])
      nl_unused=-Wno-unused-parameter],
    [nl_have_openmp=yes
      nl_unused=])
  AM_CONDITIONAL([NL_HAVE_OPENMP], [test "x$nl_have_openmp" = xyes])
])
