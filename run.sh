#!/bin/sh
# run.sh MODE NONLOCAL CONFIG [FLAG...]: train, eval or predict with the settings below.
# Each may be given by the environment: weights=FILE ./run.sh eval NONLOCAL configs/nonlocal.yaml
# Which GPUs are seen is CUDA_VISIBLE_DEVICES' business, as always.
set -eu

: "${pretrain=}" "${resume=}" # of train; resume goes first
: "${weights=}"               # of eval and predict
: "${save_dir=./data/checkpoints}"
: "${use_gpu=auto}"
: "${fix_random_seed=False}"
: "${log_interval=1}"
: "${valid_interval=1}"

usage() {
    echo "run.sh: $1; usage: run.sh train|eval|predict NONLOCAL CONFIG [FLAG...]" >&2
    exit 2
}

find_program() {
    here=$(dirname "$0")
    if test -n "${NONLOCAL-}"; then
        program=$NONLOCAL
    elif test -x "$here/build/nonlocal"; then
        program=$here/build/nonlocal
    elif test -x "$here/nonlocal"; then
        program=$here/nonlocal
    else
        program=nonlocal
    fi
    command -v "$program" >/dev/null && return
    echo "run.sh: no program $program: build it (README.md) or set NONLOCAL to its path" >&2
    exit 1
}

test $# -ge 3 || usage "wanted a mode, a model name and a config file"
mode=$1 name=$2 config=$3
shift 3
case $mode in
train | eval | predict) ;;
*) usage "not implemented mode \"$mode\"" ;;
esac
find_program

echo "$mode $name $config"
set -- --model_name="$name" --config="$config" --use_gpu="$use_gpu" \
    --log_interval="$log_interval" "$@"
case $mode in
train)
    set -- "$@" --valid_interval="$valid_interval" --save_dir="$save_dir" \
        --fix_random_seed="$fix_random_seed"
    if test -n "$resume"; then
        echo "resume: $resume"
        set -- "$@" --resume="$resume"
    elif test -n "$pretrain"; then
        echo "pretrain: $pretrain"
        set -- "$@" --pretrain="$pretrain"
    fi
    ;;
*)
    test "$mode" = eval || set -- --video_path='' "$@"
    if test -n "$weights"; then
        echo "weights: $weights"
        set -- "$@" --weights="$weights"
    fi
    ;;
esac
exec "$program" "$mode" "$@"
