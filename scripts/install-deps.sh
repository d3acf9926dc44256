#!/bin/sh
# install-deps.sh [--full]: installs the Debian or Ubuntu packages that are not installed yet, as
# root or with sudo. --full adds what `./check.sh --full` needs. Where the distribution has no
# libdnnl-dev, which is optional, it is left out.
set -eu

packages='gcc libc6-dev make autoconf automake libtool pkg-config xz-utils
    libopenblas-dev libavformat-dev libavcodec-dev libavutil-dev libswscale-dev
    libyaml-dev libjansson-dev check ffmpeg'
test "${1-}" != --full || packages="$packages valgrind clang clang-tidy cppcheck"

installed() {
    dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed
}

if apt-cache show libdnnl-dev >/dev/null 2>&1; then packages="$packages libdnnl-dev"; fi

missing=
for package in $packages; do
    installed "$package" || missing="$missing $package"
done
test -n "$missing" || exit 0

if ! command -v apt-get >/dev/null; then
    echo "install-deps.sh: this is no Debian or Ubuntu; install the equivalents of:$missing" >&2
    exit 1
fi
if test "$(id -u)" = 0; then
    as_root=
elif command -v sudo >/dev/null; then
    as_root=sudo
else
    echo "install-deps.sh: neither root nor sudo; have somebody run: apt-get install$missing" >&2
    exit 1
fi
echo "installing:$missing"
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
