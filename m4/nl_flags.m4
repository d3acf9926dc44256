# NL_APPEND_FLAGS(VARIABLE, FLAGS)
# --------------------------------
# Appends each of FLAGS that the compiler takes without a warning. With -Werror, since clang only
# warns of flags that it does not know; -Wno-x is tried as -Wx, since gcc takes any -Wno-x.
AC_DEFUN([NL_APPEND_FLAGS], [
  for nl_flag in $2; do
    AC_MSG_CHECKING([whether $CC accepts $nl_flag])
    nl_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror `AS_ECHO(["$nl_flag"]) | sed 's/^-Wno-/-W/'`"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([], [])],
      [nl_accepts=yes
       $1="$$1 $nl_flag"],
      [nl_accepts=no])
    CFLAGS=$nl_save_CFLAGS
    AC_MSG_RESULT([$nl_accepts])
  done
])

# NL_SANITIZERS
# -------------
# --enable-asan, --enable-ubsan, --enable-tsan, --enable-gcov. Sets SANITIZE_CFLAGS, wanted by
# compiler and linker both, and nl_sanitizers (for the summary).
AC_DEFUN([NL_SANITIZERS], [
  AC_ARG_ENABLE([asan], [AS_HELP_STRING([--enable-asan], [build with AddressSanitizer])])
  AC_ARG_ENABLE([ubsan],
    [AS_HELP_STRING([--enable-ubsan], [build with UndefinedBehaviorSanitizer, stop at the first])])
  AC_ARG_ENABLE([tsan],
    [AS_HELP_STRING([--enable-tsan], [build with ThreadSanitizer, without OpenMP])])
  AC_ARG_ENABLE([gcov], [AS_HELP_STRING([--enable-gcov], [build for coverage])])
  AS_IF([test "x$enable_tsan" = xyes && test "x$enable_asan" = xyes],
    [AC_MSG_ERROR([--enable-tsan and --enable-asan exclude each other])])

  SANITIZE_CFLAGS=
  nl_sanitizers=
  AS_IF([test "x$enable_asan" = xyes],
    [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=address"
     nl_sanitizers="$nl_sanitizers asan"])
  AS_IF([test "x$enable_ubsan" = xyes],
    [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=undefined -fno-sanitize-recover=undefined"
     nl_sanitizers="$nl_sanitizers ubsan"])
  AS_IF([test "x$enable_tsan" = xyes],
    [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fsanitize=thread"
     nl_sanitizers="$nl_sanitizers tsan"])
  AS_IF([test "x$SANITIZE_CFLAGS" != x],
    [SANITIZE_CFLAGS="$SANITIZE_CFLAGS -fno-omit-frame-pointer"])
  AS_IF([test "x$enable_gcov" = xyes],
    [SANITIZE_CFLAGS="$SANITIZE_CFLAGS --coverage"
     nl_sanitizers="$nl_sanitizers gcov"])
  AC_SUBST([SANITIZE_CFLAGS])

  AS_IF([test "x$SANITIZE_CFLAGS" != x], [
    AC_MSG_CHECKING([whether$nl_sanitizers links])
    nl_save_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS $SANITIZE_CFLAGS"
    AC_LINK_IFELSE([AC_LANG_PROGRAM([], [])], [AC_MSG_RESULT([yes])],
      [AC_MSG_RESULT([no])
       AC_MSG_ERROR([$CC cannot link with$SANITIZE_CFLAGS])])
    CFLAGS=$nl_save_CFLAGS])
])
