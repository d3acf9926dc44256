#!/bin/sh
# check.sh [--no-install] [--full]: builds and tests the project, out of the tree, in ./build-check.
# Always: all tests with AddressSanitizer and UndefinedBehaviorSanitizer, and all tests in a plain
# build. --full adds ThreadSanitizer (without OpenMP), valgrind, clang-tidy, cppcheck and distcheck.
# The last line is "N passed, N failed, N skipped"; the exit status is 0 if all went well.
set -eu
cd "$(dirname "$0")"

install=yes
full=
for argument; do
    case $argument in
    --no-install) install= ;;
    --full) full=--full ;;
    *)
        echo "usage: check.sh [--no-install] [--full]" >&2
        exit 2
        ;;
    esac
done
# shellcheck disable=SC2086 # absent or one flag
test -z "$install" || scripts/install-deps.sh $full

builds=build-check
failed=

# step NAME COMMAND...: goes on after a failure, which is remembered by its name.
step() {
    what=$1
    shift
    echo "== $what"
    "$@" || {
        echo "== $what: FAILED"
        failed="$failed, $what"
    }
}

# suite NAME CONFIGURE-FLAG...: builds and tests in a folder of that name.
suite() {
    name=$1
    shift
    scripts/build.sh "$builds/$name" --enable-werror "$@" && tests_in "$builds/$name"
}

# tests_in FOLDER [TARGET]; logs of failures are shown.
tests_in() {
    make -C "$1" -k -j"$(nproc)" "${2-check}" VERBOSE=1
}

in_valgrind() {
    scripts/build.sh "$builds/valgrind" --enable-werror &&
        tests_in "$builds/valgrind" check-valgrind
}

# Results of an earlier run do not count.
test ! -d "$builds" || find "$builds" -name '*.trs' -exec rm {} +

step "ASan and UBSan" suite asan --enable-asan --enable-ubsan
step "plain build" suite plain
if test -n "$full"; then
    step "TSan" suite tsan --enable-tsan
    step "valgrind" in_valgrind
    step "clang-tidy" make -C "$builds/plain" tidy
    step "cppcheck" make -C "$builds/plain" cppcheck
    step "distcheck" make -C "$builds/plain" -j"$(nproc)" distcheck
fi

test -z "$failed" || echo "failed: ${failed#, }"
totals=$(scripts/test-totals.sh "$builds")
echo "$totals"
test -z "$failed" && test "${totals%% *}" -gt 0
