# NL_SUMMARY
# ----------
# What was found, what each missing thing is for, and one command that installs all of it.
# Required ones that are missing end configure here, together, not one by one.
AC_DEFUN([NL_SUMMARY], [
  AS_IF([test "x$prefix" = xNONE], [nl_prefix=$ac_default_prefix], [nl_prefix=$prefix])
  AS_ECHO(["
nonlocal AC_PACKAGE_VERSION

  CBLAS       $nl_have_cblas	matrix products${nl_cblas_found:+ ($nl_cblas_found)}
  oneDNN      $nl_have_onednn	faster convolutions (optional)${nl_onednn_found:+ (version $nl_onednn_found)}
  FFmpeg      $nl_have_ffmpeg	decoding videos
  libyaml     $nl_have_libyaml	configuration files
  jansson     $nl_have_jansson	JSON
  OpenMP      $nl_have_openmp	compute threads (optional)
  Check       $nl_have_check	unit tests (optional)

  compiler    $CC $CFLAGS
  sanitizers ${nl_sanitizers:- none}
  prefix      $nl_prefix"])
  AS_IF([test "x$nl_missing" != x], [AS_ECHO(["
Missing; on Debian or Ubuntu:
  apt-get install$nl_missing"])])
  AS_ECHO([""])
  for nl_have in $nl_have_cblas $nl_have_ffmpeg $nl_have_libyaml $nl_have_jansson; do
    AS_IF([test "x$nl_have" != xyes],
      [AC_MSG_ERROR([required libraries are missing; apt-get install$nl_missing])])
  done
])
