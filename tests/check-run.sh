#!/bin/sh
# run.sh passes on what the original's script did. A program that prints its arguments stands in.
set -eu
run="$(cd "${srcdir:-.}" && pwd)/run.sh"
work=check-run.tmp
rm -rf "$work"
mkdir "$work"
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2016 # for the program to expand
printf '#!/bin/sh\nfor argument; do echo "$argument"; done\n' >"$work/program"
chmod +x "$work/program"
NONLOCAL="$PWD/$work/program"
export NONLOCAL
unset pretrain resume weights save_dir use_gpu fix_random_seed log_interval valid_interval
bad=0

# wants NAME EXPECTED: what run.sh wrote to $work/got has exactly these lines.
wants() {
    printf '%s\n' "$2" >"$work/want"
    cmp -s "$work/want" "$work/got" || {
        echo "$1:"
        diff "$work/want" "$work/got" || :
        bad=1
    }
}

sh "$run" predict NONLOCAL c.yaml >"$work/got"
wants "predict without weights" "predict NONLOCAL c.yaml
predict
--video_path=
--model_name=NONLOCAL
--config=c.yaml
--use_gpu=auto
--log_interval=1"

weights='a b' use_gpu=False sh "$run" predict NONLOCAL c.yaml --video_path=v.mp4 >"$work/got"
wants "predict with weights from the environment and a flag" "predict NONLOCAL c.yaml
weights: a b
predict
--video_path=
--model_name=NONLOCAL
--config=c.yaml
--use_gpu=False
--log_interval=1
--video_path=v.mp4
--weights=a b"

resume=r pretrain=p sh "$run" train NONLOCAL c.yaml | grep -- '^--[rp]' >"$work/got" || :
wants "resume goes before pretrain" "--resume=r"

status=0
sh "$run" dance NONLOCAL c.yaml >"$work/got" 2>&1 || status=$?
test "$status $(wc -l <"$work/got")" = "2 1" || {
    echo "an unknown mode: wanted status 2 and one line, got status $status"
    bad=1
}

status=0
NONLOCAL=/nowhere sh "$run" eval NONLOCAL c.yaml >"$work/got" 2>&1 || status=$?
test "$status" = 1 || {
    echo "no program: wanted status 1, got $status"
    bad=1
}
exit $bad
