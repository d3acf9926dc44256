#!/bin/sh
# test-totals.sh FOLDER...: "N passed, N failed, N skipped" over the test logs under FOLDER. Each
# case of a Check program counts; a shell test is one case, unless it ends with a count of its own
# ("NAME: N passed, N failed"); and so is a program that ended badly although all its cases passed.
# A line "skip: ..." in a log is a case that tested nothing.
set -eu
results=$(find "$@" -name '*.trs')
# shellcheck disable=SC2086 # a list of files, which have plain names
awk '
    function count(trs, log_file, result, line, checks, bad, skips, n, word) {
        while ((getline line < trs) > 0)
            if (line ~ /^:test-result:/) result = substr(line, 15)
        log_file = trs
        sub(/trs$/, "log", log_file)
        while ((getline line < log_file) > 0) {
            if (line ~ /^[0-9]+%: Checks: /) {
                n = split(line, word, /[:,] */)
                checks += word[3]
                bad += word[5] + word[7]
            }
            if (line ~ /^[a-z-]+: [0-9]+ passed, [0-9]+ failed$/) {
                split(line, word, / /)
                checks += word[2] + word[4]
                bad += word[4]
            }
            if (line ~ /^ *skip: /) skips++
        }
        gsub(/ /, "", result)
        if (checks == 0) { checks = 1; skips = result == "SKIP"; bad = 0 }
        if (result != "PASS" && result != "SKIP" && bad == 0) bad = 1
        if (skips > checks - bad) skips = checks - bad
        passed += checks - bad - skips
        failed += bad
        skipped += skips
    }
    BEGIN {
        for (i = 1; i < ARGC; i++) count(ARGV[i])
        printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped
    }' $results
