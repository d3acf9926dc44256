# NL_MISSING(PACKAGES)
# --------------------
# Remembers Debian packages that would supply what was not found.
AC_DEFUN([NL_MISSING], [nl_missing="$nl_missing $1"])

# NL_TRY_LINK(CFLAGS, LIBS, PROLOGUE, BODY, IF-LINKS, [IF-NOT])
# -------------------------------------------------------------
# AC_LINK_IFELSE with these flags, which do not outlive the test.
AC_DEFUN([NL_TRY_LINK], [
  nl_save_CPPFLAGS=$CPPFLAGS
  nl_save_LIBS=$LIBS
  CPPFLAGS="$CPPFLAGS $1"
  LIBS="$2 $LIBS"
  AC_LINK_IFELSE([AC_LANG_PROGRAM([$3], [$4])], [nl_links=yes], [nl_links=no])
  CPPFLAGS=$nl_save_CPPFLAGS
  LIBS=$nl_save_LIBS
  AS_IF([test "x$nl_links" = xyes], [$5], [$6])
])

# NL_DEPENDENCY(NAME, VAR, MODULES, LIBS, PACKAGES, PROLOGUE, BODY)
# ------------------------------------------------------------------
# --with-NAME[=DIR|no]. pkg-config is asked for MODULES; DIR means DIR/include and DIR/lib, where
# LIBS are linked. What was found must link BODY. Sets VAR_CFLAGS, VAR_LIBS and nl_have_NAME
# (yes or no), and notes the Debian PACKAGES if it is missing and was not declined.
AC_DEFUN([NL_DEPENDENCY], [
  AC_ARG_WITH([$1], [AS_HELP_STRING([--with-$1@<:@=DIR@:>@], [where $1 is @<:@pkg-config@:>@])],
    [], [with_$1=yes])
  nl_have_$1=no
  AS_CASE(["$with_$1"],
    [no], [],
    [yes|check], [PKG_CHECK_MODULES([$2], [$3], [nl_have_$1=yes], [:])],
    [$2_CFLAGS="-I$with_$1/include"
     $2_LIBS="-L$with_$1/lib $4"
     nl_have_$1=yes])
  AS_IF([test "x$nl_have_$1" = xyes], [
    AC_MSG_CHECKING([whether $1 links])
    NL_TRY_LINK([$$2_CFLAGS], [$$2_LIBS], [$6], [$7], [], [nl_have_$1=no])
    AC_MSG_RESULT([$nl_have_$1])])
  AS_IF([test "x$nl_have_$1" = xno && test "x$with_$1" != xno], [NL_MISSING([$5])])
  AC_SUBST([$2_CFLAGS])
  AC_SUBST([$2_LIBS])
])
